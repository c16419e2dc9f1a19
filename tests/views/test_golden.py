"""The documents of every parity case, as files that a person can read.

`python -m tests.record_answers` writes them anew.
"""

import pytest

from aggregator.models.catalog import CATALOG
from tests.cases import GOLDEN, NAMES, RECORD, golden, recorded


@pytest.mark.parametrize("name", NAMES)
def test_the_documents_are_those_on_file(name: str) -> None:
    """Both layouts and the ETIM nodes of a case are byte for byte what the golden files hold."""
    for file, made in golden(name).items():
        assert made == (GOLDEN / file).read_bytes(), f"{file} differs: see `{RECORD} --golden`"


def test_no_golden_file_is_left_over() -> None:
    """Every golden file belongs to a case."""
    assert {path.name for path in GOLDEN.iterdir()} == {file for name in NAMES for file in golden(name)}


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_questions_are_the_catalogs(name: str) -> None:
    """What was recorded was asked with the PromQL that the catalog has now."""
    asked_now = {row.name: row.ask.text for row in CATALOG}
    asked_then = {row: said["promql"] for row, said in recorded(name).items()}
    assert asked_then == {row: asked_now.get(row) for row in asked_then}, f"see `{RECORD}`"
