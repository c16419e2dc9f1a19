"""The comparison notices: a recorded pair of answers is changed leaf by leaf, and each change must show as a break."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests import cases
from tests.parity.compare import Case, Path, deviations, namespaces
from tests.parity.rules import rule_for
from tests.parity.telemetry import Series, Telemetry, series, telemetry

Json = Any

LINE = re.compile(r"(?P<metric>\w+)\{(?P<labels>.*)\} (?P<value>\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPED = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}
# The one that is as it should be, and the one with everything that is odd.
RECORDED = ("ocm-two-clusters", "awkward")
# It is counted to the moment of the answer, so that no two services agree on it.
MOMENT = ("timestamp", "timeSinceOldest")


def read(exposition: str) -> Telemetry:
    """Return the series of an exposition."""
    return telemetry(_series(found) for line in exposition.split("\n") if (found := LINE.fullmatch(line)))


def _series(found: re.Match[str]) -> Series:
    pairs = LABEL.findall(found["labels"])
    labels = {name: re.sub(r"\\.", lambda one: ESCAPED[one.group()], text) for name, text in pairs}
    return series(found["metric"], labels, found["value"])


@pytest.fixture(params=RECORDED)
def case(request: pytest.FixtureRequest) -> Case:
    """Return a recorded fleet with the Go service's answer, and with ours as the golden file has it."""
    ours = (cases.GOLDEN / f"{request.param}.1.2.5.json").read_bytes()
    return Case(read(cases.exposition(request.param)), cases.go_answer(request.param), json.loads(ours))


def breaks(case: Case) -> list[str]:
    """Return what no documented difference explains."""
    return [str(one) for one in deviations(case) if not rule_for(case, one)]


def leaves(document: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield each path that ends in a value, with the value."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        elif (*path, key) != MOMENT:
            yield (*path, key), value


def objects(document: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each object with something in it."""
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield (*path, key)
            yield from objects(value, (*path, key))


def changed(document: Json, path: Path, value: Json) -> Json:
    """Return the document with another value at the path."""
    made = copy.deepcopy(document)
    around = made
    for key in path[:-1]:
        around = around[key]
    around[path[-1]] = value
    return made


def without(document: Json, path: Path, key: str | None = None) -> Json:
    """Return the document without what is at the path, or with it under another key."""
    made = copy.deepcopy(document)
    around = made
    for step in path[:-1]:
        around = around[step]
    taken = around.pop(path[-1])
    if key is not None:
        around[key] = taken
    return made


def test_recorded_pair_has_no_breaks(case: Case) -> None:
    """On recorded telemetry each value of the Go answer is in ours, or its absence is documented."""
    assert breaks(case) == []


def test_another_value_is_noticed(case: Case) -> None:
    """A leaf of the Go answer with another value is a break."""
    missed = [
        path
        for path, value in leaves(case.go)
        if not breaks(
            Case(case.telemetry, changed(case.go, path, value + ("x" if isinstance(value, str) else 1)), case.ours)
        )
    ]
    assert missed == []


def test_another_type_is_noticed(case: Case) -> None:
    """A leaf of the Go answer with another JSON type is a break."""
    missed = [
        path
        for path, value in leaves(case.go)
        if not breaks(
            Case(case.telemetry, changed(case.go, path, 1 if isinstance(value, str) else str(value)), case.ours)
        )
    ]
    assert missed == []


def test_another_key_is_noticed(case: Case) -> None:
    """An object that ours has under another key is a break."""
    missed = [
        path
        for path in objects(case.ours)
        if _is_in(case.go, path) and not breaks(Case(case.telemetry, case.go, without(case.ours, path, "elsewhere")))
    ]
    assert missed == []


def test_lost_value_is_noticed(case: Case) -> None:
    """A value that ours has lost is a break, but in pods of one name, which Go mixes: another may still have it."""
    missed = [
        path
        for path, _ in leaves(case.ours)
        if _is_in(case.go, path)
        and not _is_mixed(case, path)
        and not breaks(Case(case.telemetry, case.go, without(case.ours, path)))
    ]
    assert missed == []


def test_more_is_no_break(case: Case) -> None:
    """What ours has and the Go answer has not is no break."""
    more = changed(case.ours, ("cluster", "another"), {"type": "ocm", "uuid": "another"})
    assert breaks(Case(case.telemetry, case.go, more)) == []


def _is_mixed(case: Case, path: Path) -> bool:
    return path[2:3] == ("pod",) and bool(namespaces(case, path))


def _is_in(document: Json, path: Path) -> bool:
    for key in path:
        if key not in document:
            return False
        document = document[key]
    return True
