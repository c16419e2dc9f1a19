"""Rows of the catalog: which are valid, and their page in the documentation."""

import pytest

from aggregator.models.catalog.converters import parse_optional_text
from aggregator.models.catalog.promql import group_by
from aggregator.models.catalog.row import (
    MODEL_TYPES,
    ChildKind,
    EntityKind,
    EntitySelector,
    Exporter,
    FieldMapping,
    LabelMatch,
    Row,
    match_labels,
)
from tests.support.catalog import CATALOG
from tools.metrics_page import render_catalog_page

EXPRESSION = group_by("m", ("a", "b"))


def build_row(selector: EntitySelector, *mappings: FieldMapping) -> Row:
    """Return a row whose expression has the labels a and b."""
    return Row("r", EXPRESSION, selector, mappings, "a note", Exporter("an exporter"))


@pytest.mark.parametrize(
    ("selector", "mapping", "problem"),
    [
        (
            EntitySelector(EntityKind.NODE),
            FieldMapping("name", parse_optional_text, "a"),
            "the entity selector has neither matches nor identities",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("c"),)),
            FieldMapping("name", parse_optional_text, "a"),
            "reads the label c, which its PromQL drops",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("name", parse_optional_text, "c"),
            "reads the label c, which its PromQL drops",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("labels", parse_optional_text, "a", key_label="c"),
            "reads the label c, which its PromQL drops",
        ),
        (
            EntitySelector(EntityKind.NODE, identities=(("c",),)),
            FieldMapping("name", parse_optional_text, "a"),
            "reads the label c, which its PromQL drops",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("key", parse_optional_text, "a"),
            "Node.key is filled by the builder, not by rows",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("labels", parse_optional_text, "a"),
            "Node.labels is a mapping and needs a key_label",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("name", parse_optional_text, "a", key_label="b"),
            "Node.name is not a mapping: remove the key_label",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),)),
            FieldMapping("nmae", parse_optional_text, "a"),
            "Node has no field nmae: add it to class Node in aggregator/models/topology.py",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),), child_kind=ChildKind.DEVICE, child_label="b"),
            FieldMapping("speed", parse_optional_text),
            "Device has no field speed: add it to class Device in aggregator/models/topology.py",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),), child_kind=ChildKind.DEVICE),
            FieldMapping("path", parse_optional_text, "a"),
            "child_kind and child_label must be set together",
        ),
        (
            EntitySelector(EntityKind.NODE, (match_labels("a"),), child_label="b"),
            FieldMapping("name", parse_optional_text, "a"),
            "child_kind and child_label must be set together",
        ),
    ],
)
def test_an_invalid_row_is_an_error(selector: EntitySelector, mapping: FieldMapping, problem: str) -> None:
    """A mistake in the catalog is an error at startup that names the row."""
    with pytest.raises(ValueError, match=f"catalog row r: .*{problem}"):
        build_row(selector, mapping)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_an_unknown_field_is_an_error_that_names_its_class(kind: EntityKind | ChildKind) -> None:
    """For every kind of object, a field that the model lacks is an error that says where to add it."""
    matches, name = (match_labels("a"),), MODEL_TYPES[kind].__name__
    if isinstance(kind, EntityKind):
        selector = EntitySelector(kind, matches)
    else:
        selector = EntitySelector(EntityKind.NODE, matches, child_kind=kind, child_label="b")
    with pytest.raises(ValueError, match=f"{name} has no field extra: add it to class {name} in aggregator/models/"):
        build_row(selector, FieldMapping("extra", parse_optional_text, "a"))


def test_a_match_compares_labels_with_different_names() -> None:
    """`b=c` compares the label b of the sample with the label c of the entity; a plain name is the label of both."""
    assert match_labels("a", "b=c") == LabelMatch(("a", "b"), ("a", "c"))


def test_the_page_describes_every_row() -> None:
    """The generated page has a section for each row, with its PromQL, its exporter and the fields that it fills."""
    text = render_catalog_page()
    for row in CATALOG:
        section = text.split(f"## {row.name}\n")[1].split("\n## ")[0]
        assert row.expression.text in section
        assert f"* exporter: {row.exporter}\n" in section
        assert section.count("* fills") == len(row.field_mappings)
