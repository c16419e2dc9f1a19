"""Every fault of the table, one after the other, against one gateway that goes on all the while."""

from collections.abc import Iterator

import pytest

from tests.faults.stage import PASSWORD, Seen, Stage, prometheus, stage
from tests.faults.table import CAP_BYTES, HANGS, TABLE, Fault
from tests.integration.process import until
from tests.integration.telemetry import FIRST_MEMORY_BYTES

QUERIES_AT_ONCE = 8
LINES_A_REFRESH = 2
# What the gateway holds open beside its connections upstream varies by a client or two that is just leaving.
SPARE_DESCRIPTORS = 4
WHOLE = Seen(is_complete=True, memory_bytes={"node-0": FIRST_MEMORY_BYTES, "node-1": FIRST_MEMORY_BYTES + 1})
MOST_MEBIBYTES = 300


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A Prometheus that holds two nodes."""
    with prometheus() as url:
        yield url


@pytest.fixture(scope="module")
def quick(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway that refreshes without pause, and takes small answers only."""
    few = {"REFRESH_INTERVAL": "0.05", "MAX_STALE": "60", "MAX_ANSWER_BYTES": str(CAP_BYTES)}
    with stage(upstream, tmp_path_factory.mktemp("quick"), **few) as started:
        yield started


@pytest.fixture(scope="module")
def impatient(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A gateway that gives a refresh one second."""
    hasty = {"REFRESH_INTERVAL": "0.05", "MAX_STALE": "60", "REFRESH_TIMEOUT": "1", "QUERY_TIMEOUT": "1"}
    with stage(upstream, tmp_path_factory.mktemp("impatient"), **hasty) as started:
        yield started


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_a_fault_is_borne(quick: Stage, fault: Fault) -> None:
    """A fault costs what it concerns and nothing else: never an empty answer, never unmarked, and not for longer."""
    _is_borne(quick, fault)


@pytest.mark.parametrize("fault", HANGS, ids=lambda fault: fault.name)
def test_a_hang_is_borne(impatient: Stage, fault: Fault) -> None:
    """An upstream that hangs, or drips, costs one deadline and no connection."""
    _is_borne(impatient, fault)
    # From the last refresh on: a second and what it takes to break off, not a second for each query.
    failed = [line for line in impatient.gateway.lines() if line["event"].startswith("refresh")]
    assert max(line["took_ms"] for line in failed) < 2500


def _is_borne(on: Stage, fault: Fault) -> None:
    until(lambda: on.sees(WHOLE), "all is well before")
    descriptors, refreshes, lines = on.descriptors(), len(on.proxy.times), len(on.gateway.lines())
    expected = Seen(fault.is_complete, {**WHOLE.memory_bytes, **_memory_under(fault)})
    with on.proxy.doing(fault.does, fault.concerns):
        until(lambda: len(on.proxy.times) > refreshes, "a refresh meets the fault")
        until(lambda: fault.log in "\n".join(on.gateway.log.splitlines()[lines:]), f"the log says {fault.log}")
        until(lambda: on.sees(expected), f"both show {expected}")
        # And so it stays.
        assert on.sees(expected)
    until(lambda: on.sees(WHOLE), "all is well again")
    asked = len(on.proxy.times) - refreshes
    assert on.proxy.most_often(since=refreshes) <= fault.asks
    until(lambda: on.proxy.connections <= QUERIES_AT_ONCE, "the connections upstream are closed")
    until(lambda: on.descriptors() <= descriptors + SPARE_DESCRIPTORS, "no descriptor is lost")
    assert len(on.gateway.lines()) - lines <= LINES_A_REFRESH * (asked + 1)
    assert PASSWORD not in on.gateway.log
    assert on.peak_mebibytes() < MOST_MEBIBYTES


def _memory_under(fault: Fault) -> "dict[str, int | None]":
    if fault.is_complete and fault.memory_bytes == FIRST_MEMORY_BYTES and fault.name != "an exponent":
        return {}
    if fault.memory_bytes is None or fault.name == "an exponent":
        return dict.fromkeys(WHOLE.memory_bytes, fault.memory_bytes)
    return {}
