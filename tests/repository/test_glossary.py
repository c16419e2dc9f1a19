"""docs/glossary.md: one list of terms, each with one meaning."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")


def read_terms(section: str) -> list[str]:
    """Return the terms of a section in their order."""
    return re.findall(r"^\* \*\*(.+?)\*\*: ", section, re.MULTILINE)


def test_every_term_is_there_once() -> None:
    """No term has two meanings."""
    terms = [term.lower() for term in read_terms(GLOSSARY)]
    assert len(terms) == len(set(terms)) > 70


def test_sections_are_alphabetical() -> None:
    """Each section lists its terms in alphabetical order."""
    for section in GLOSSARY.split("\n## ")[1:]:
        terms = [term.lower() for term in read_terms(section)]
        assert terms == sorted(terms)


def test_named_classes_exist() -> None:
    """A class that the glossary names in code font is defined in the package."""
    defined = {
        node.name
        for path in (ROOT / "aggregator").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    named = set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", GLOSSARY))
    assert len(named) > 20
    assert named - defined - {"None"} == set()
