"""The web page knows of each column of the summaries whether its changes are marked."""

import json
from pathlib import Path

import pytest

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.summary import SUMMARY_COLUMNS

CLASSES_FILE = Path(__file__).parents[2] / "ui" / "src" / "data" / "column_classes.json"


@pytest.mark.parametrize("kind", SUMMARY_COLUMNS)
def test_each_column_is_structure_or_a_measurement(kind: ObjectKind) -> None:
    """The lists of the page have each column of a summary once, and no other."""
    classes = json.loads(CLASSES_FILE.read_text(encoding="utf-8"))[kind.value]
    columns = [column.name for column in SUMMARY_COLUMNS[kind]]
    assert sorted(classes["structure"] + classes["measurements"]) == sorted(columns)
