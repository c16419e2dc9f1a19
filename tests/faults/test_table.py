"""Every fault of the table against gateways that go on all the while; several at once, each on a gateway of its own."""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

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
# One deadline of a second, on a machine that is busy; a second for each query would be eleven.
SLOWEST_MILLISECONDS = 6000
RESULT_SECONDS = 200

HASTY = {"REFRESH_INTERVAL": "0.05", "MAX_STALE": "60", "MAX_ANSWER_BYTES": str(CAP_BYTES)}
QUICK = {"REFRESH_TIMEOUT": "10", "QUERY_TIMEOUT": "5"}
IMPATIENT = {"REFRESH_TIMEOUT": "1", "QUERY_TIMEOUT": "1"}

Runs = dict[str, Future[None]]
Make = Callable[[str], AbstractContextManager[Stage]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A Prometheus that holds two nodes."""
    with prometheus() as url:
        yield url


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """What becomes of each fault that was chosen, by its name."""
    chosen = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]

    def make(settings: dict[str, str]) -> Make:
        return lambda name: stage(upstream, tmp_path_factory.mktemp(name), **HASTY, **settings)

    with (
        # A gateway rests three times as long as a refresh takes: four of them keep one core at work.
        _at_once([fault for fault in chosen if fault in HANGS], 3, make(IMPATIENT)) as slow,
        _at_once([fault for fault in chosen if fault in TABLE], 4, make(QUICK)) as quick,
    ):
        yield slow | quick


@contextmanager
def _at_once(faults: list[Fault], workers: int, make: Make) -> Iterator[Runs]:
    """Let each of some gateways go through faults until all are done; a gateway with nothing left to do is ended."""
    free: queue.SimpleQueue[tuple[Stage, ExitStack]] = queue.SimpleQueue()
    left: queue.SimpleQueue[Fault] = queue.SimpleQueue()

    def bear(fault: Fault) -> None:
        on, gateway = free.get()
        left.get()
        try:
            _is_borne(on, fault)
        finally:
            if left.empty():
                gateway.close()
            else:
                free.put((on, gateway))

    with ExitStack() as stack:
        for fault in faults:
            left.put(fault)
        for number in range(min(workers, len(faults))):
            gateway = stack.enter_context(ExitStack())
            free.put((gateway.enter_context(make(f"gateway-{number}")), gateway))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        yield {fault.name: threads.submit(bear, fault) for fault in faults}
        threads.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_a_fault_is_borne(runs: Runs, fault: Fault) -> None:
    """A fault costs what it concerns and nothing else: never an empty answer, never unmarked, and not for longer."""
    runs[fault.name].result(RESULT_SECONDS)


@pytest.mark.parametrize("fault", HANGS, ids=lambda fault: fault.name)
def test_a_hang_is_borne(runs: Runs, fault: Fault) -> None:
    """An upstream that hangs, or drips, costs one deadline and no connection."""
    runs[fault.name].result(RESULT_SECONDS)


def _is_borne(on: Stage, fault: Fault) -> None:
    until(lambda: on.sees(WHOLE), "all is well before")
    descriptors, refreshes, log_bytes = on.descriptors(), len(on.proxy.times), len(on.log_from(0).encode())
    memory = {node: fault.memory_of(known) for node, known in WHOLE.memory_bytes.items()}
    expected = Seen(fault.is_complete, memory)
    with on.proxy.doing(fault.does, fault.concerns):
        until(lambda: len(on.proxy.times) > refreshes, "a refresh meets the fault")
        until(lambda: fault.log in on.log_from(log_bytes), f"the log says {fault.log}")
        until(lambda: on.sees(expected), f"both show {expected}")
    until(lambda: on.sees(WHOLE), "all is well again")
    lines, asked = on.log_from(log_bytes).splitlines(), len(on.proxy.times) - refreshes
    assert len(lines) <= LINES_A_REFRESH * (asked + 1)
    assert PASSWORD not in on.gateway.log
    if fault in HANGS:
        took = [line["took_ms"] for line in on.gateway.lines()[-len(lines) :] if line["event"].startswith("refresh")]
        assert max(took) < SLOWEST_MILLISECONDS
    assert on.proxy.most_often(since=refreshes) <= fault.asks
    until(lambda: on.proxy.connections <= QUERIES_AT_ONCE, "the connections upstream are closed")
    until(lambda: on.descriptors() <= descriptors + SPARE_DESCRIPTORS, "no descriptor is lost")
    assert on.peak_mebibytes() < MOST_MEBIBYTES
