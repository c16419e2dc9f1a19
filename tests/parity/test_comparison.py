"""The comparison notices: a recorded pair of answers is changed leaf by leaf, and each change must show as a break."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.parity.comparison import ComparisonCase, Path, find_deviations, list_namespaces
from tests.parity.difference_rules import find_documented_difference
from tests.parity.fleet_telemetry import FleetSeries, FleetTelemetry, build_series, build_telemetry
from tests.support import parity_cases

Json = Any

SERIES_PATTERN = re.compile(r"(?P<metric>\w+)\{(?P<labels>.*)\} (?P<value>\S+)")
LABEL_PATTERN = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}
# The one that is as it should be, and the one with everything that is odd.
RECORDED_CASES = ("ocm-two-clusters", "awkward")
# It is counted to the moment of the answer, so that no two services agree on it.
AGE_PATH = ("timestamp", "timeSinceOldest")


def parse_telemetry(exposition: str) -> FleetTelemetry:
    """Return the series of an exposition."""
    return build_telemetry(
        _parse_series(found) for line in exposition.split("\n") if (found := SERIES_PATTERN.fullmatch(line))
    )


def _parse_series(found: re.Match[str]) -> FleetSeries:
    pairs = LABEL_PATTERN.findall(found["labels"])
    labels = {name: re.sub(r"\\.", lambda one: ESCAPES[one.group()], text) for name, text in pairs}
    return build_series(found["metric"], labels, found["value"])


@pytest.fixture(params=RECORDED_CASES)
def case(request: pytest.FixtureRequest) -> ComparisonCase:
    """Return a recorded fleet with the Go service's answer, and with ours as the golden file has it."""
    ours = (parity_cases.GOLDEN_DIR / f"{request.param}.1.2.5.json").read_bytes()
    return ComparisonCase(
        parse_telemetry(parity_cases.read_exposition(request.param)),
        parity_cases.read_go_response(request.param),
        json.loads(ours),
    )


def find_breaks(case: ComparisonCase) -> list[str]:
    """Return what no documented difference explains."""
    return [str(one) for one in find_deviations(case) if not find_documented_difference(case, one)]


def iter_leaves(document: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield each path that ends in a value, with the value."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from iter_leaves(value, (*path, key))
        elif (*path, key) != AGE_PATH:
            yield (*path, key), value


def iter_objects(document: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each object with something in it."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield (*path, key)
            yield from iter_objects(value, (*path, key))


def replace_value(document: Json, path: Path, value: Json) -> Json:
    """Return the document with another value at the path."""
    result = copy.deepcopy(document)
    around = result
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = value
    return result


def remove_key(document: Json, path: Path, key: str | None = None) -> Json:
    """Return the document without what is at the path, or with it under another key."""
    result = copy.deepcopy(document)
    around = result
    for step in path[:-1]:
        around = around[step]
    removed = around.pop(path[-1])
    if key is not None:
        around[key] = removed
    return result


def test_recorded_pair_has_no_breaks(case: ComparisonCase) -> None:
    """On recorded telemetry each value of the Go answer is in ours, or its absence is documented."""
    assert find_breaks(case) == []


def test_another_value_is_noticed(case: ComparisonCase) -> None:
    """A leaf of the Go answer with another value is a break."""
    missed = [
        path
        for path, value in iter_leaves(case.go)
        if not find_breaks(
            ComparisonCase(
                case.telemetry, replace_value(case.go, path, value + ("x" if isinstance(value, str) else 1)), case.ours
            )
        )
    ]
    assert missed == []


def test_another_type_is_noticed(case: ComparisonCase) -> None:
    """A leaf of the Go answer with another JSON type is a break."""
    missed = [
        path
        for path, value in iter_leaves(case.go)
        if not find_breaks(
            ComparisonCase(
                case.telemetry, replace_value(case.go, path, 1 if isinstance(value, str) else str(value)), case.ours
            )
        )
    ]
    assert missed == []


def test_another_key_is_noticed(case: ComparisonCase) -> None:
    """An object that ours has under another key is a break."""
    missed = [
        path
        for path in iter_objects(case.ours)
        if _is_in(case.go, path)
        and not find_breaks(ComparisonCase(case.telemetry, case.go, remove_key(case.ours, path, "elsewhere")))
    ]
    assert missed == []


def test_lost_value_is_noticed(case: ComparisonCase) -> None:
    """A value that ours has lost is a break, but in pods of one name, which Go mixes: another may still have it."""
    missed = [
        path
        for path, _ in iter_leaves(case.ours)
        if _is_in(case.go, path)
        and not _is_mixed(case, path)
        and not find_breaks(ComparisonCase(case.telemetry, case.go, remove_key(case.ours, path)))
    ]
    assert missed == []


def test_more_is_no_break(case: ComparisonCase) -> None:
    """What ours has and the Go answer has not is no break."""
    more = replace_value(case.ours, ("cluster", "another"), {"type": "ocm", "uuid": "another"})
    assert find_breaks(ComparisonCase(case.telemetry, case.go, more)) == []


def _is_mixed(case: ComparisonCase, path: Path) -> bool:
    return path[2:3] == ("pod",) and bool(list_namespaces(case, path))


def _is_in(document: Json, path: Path) -> bool:
    for key in path:
        if key not in document:
            return False
        document = document[key]
    return True
