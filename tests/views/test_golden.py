"""The documents of every parity case, compared with golden files.

`python -m tests.record_answers` writes the golden files again.
"""

import pytest

from tests.support.catalog import CATALOG
from tests.support.parity_cases import (
    CASE_NAMES,
    GOLDEN_DIR,
    RECORD_COMMAND,
    load_recorded_responses,
    render_golden_files,
)


@pytest.mark.parametrize("name", CASE_NAMES)
def test_documents_equal_the_golden_files(name: str) -> None:
    """The documents of a case equal its golden files byte for byte."""
    for file, document in render_golden_files(name).items():
        assert document == (GOLDEN_DIR / file).read_bytes(), f"{file} differs: see `{RECORD_COMMAND} --golden`"


def test_every_golden_file_belongs_to_a_case() -> None:
    """No golden file is left over from a case that no longer exists."""
    assert {path.name for path in GOLDEN_DIR.iterdir()} == {
        file for name in CASE_NAMES for file in render_golden_files(name)
    }


@pytest.mark.parametrize("name", CASE_NAMES)
def test_recorded_queries_are_those_of_the_catalog(name: str) -> None:
    """The recorded responses belong to the current PromQL of the catalog."""
    promql_by_row = {row.name: row.expression.text for row in CATALOG}
    recorded = {row: response["promql"] for row, response in load_recorded_responses(name).items()}
    assert recorded == {row: promql_by_row.get(row) for row in recorded}, f"see `{RECORD_COMMAND}`"
