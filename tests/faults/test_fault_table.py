"""Every fault of the table against running gateways; several faults run concurrently, each on its own gateway."""

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from tests.faults.fault_table import FAST_FAULTS, HANG_FAULTS, MAX_RESPONSE_BYTES, Fault
from tests.faults.gateway_setup import PASSWORD, GatewaySetup, ServedState, run_gateway_setup, run_hosts_prometheus
from tests.integration.fleet_exposition import FIRST_MEMORY_BYTES
from tests.integration.gateway_process import wait_until

MAX_CONCURRENT_QUERIES = 8
MAX_LOG_LINES_PER_REFRESH = 2
# A client or two that is disconnecting may still hold descriptors.
MAX_EXTRA_DESCRIPTORS = 4
HEALTHY_STATE = ServedState(
    is_complete=True, memory_bytes={"node-0": FIRST_MEMORY_BYTES, "node-1": FIRST_MEMORY_BYTES + 1}
)
MAX_PEAK_MEBIBYTES = 300
# One deadline of a second, on a busy machine. With a deadline for each query it would be ten seconds.
MAX_REFRESH_MS = 6000
RESULT_TIMEOUT_SECONDS = 200

FAST_REFRESH_SETTINGS = {
    "TELEMETRY": "docker",
    "REFRESH_INTERVAL": "0.05",
    "MAX_STALE": "60",
    "MAX_ANSWER_BYTES": str(MAX_RESPONSE_BYTES),
}
LONG_TIMEOUT_SETTINGS = {"REFRESH_TIMEOUT": "10", "QUERY_TIMEOUT": "5"}
SHORT_TIMEOUT_SETTINGS = {"REFRESH_TIMEOUT": "1", "QUERY_TIMEOUT": "1"}

FaultRuns = dict[str, Future[None]]
SetupFactory = Callable[[str], AbstractContextManager[GatewaySetup]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A Prometheus with the metrics of two hosts."""
    with run_hosts_prometheus() as url:
        yield url


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, upstream: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultRuns]:
    """The test run of each selected fault, by its name."""
    selected = [
        item.callspec.params["fault"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module and hasattr(item, "callspec")
    ]

    def create_factory(settings: dict[str, str]) -> SetupFactory:
        return lambda name: run_gateway_setup(
            upstream, tmp_path_factory.mktemp(name), **FAST_REFRESH_SETTINGS, **settings
        )

    with (
        # A gateway pauses three times as long as a refresh takes: four gateways keep one core busy.
        _run_concurrently(
            [fault for fault in selected if fault in HANG_FAULTS], 3, create_factory(SHORT_TIMEOUT_SETTINGS)
        ) as slow_runs,
        _run_concurrently(
            [fault for fault in selected if fault in FAST_FAULTS], 4, create_factory(LONG_TIMEOUT_SETTINGS)
        ) as fast_runs,
    ):
        yield slow_runs | fast_runs


@contextmanager
def _run_concurrently(faults: list[Fault], workers: int, create_setup: SetupFactory) -> Iterator[FaultRuns]:
    """Run the faults on `workers` gateways; a gateway stops when no fault is left for it."""
    idle: queue.SimpleQueue[tuple[GatewaySetup, ExitStack]] = queue.SimpleQueue()
    pending: queue.SimpleQueue[Fault] = queue.SimpleQueue()

    def run_fault(fault: Fault) -> None:
        setup, gateway = idle.get()
        pending.get()
        try:
            _assert_fault_handled(setup, fault)
        finally:
            if pending.empty():
                gateway.close()
            else:
                idle.put((setup, gateway))

    with ExitStack() as stack:
        for fault in faults:
            pending.put(fault)
        for number in range(min(workers, len(faults))):
            gateway = stack.enter_context(ExitStack())
            idle.put((gateway.enter_context(create_setup(f"gateway-{number}")), gateway))
        threads = stack.enter_context(ThreadPoolExecutor(workers))
        yield {fault.name: threads.submit(run_fault, fault) for fault in faults}
        threads.shutdown(cancel_futures=True)


@pytest.mark.parametrize("fault", FAST_FAULTS, ids=lambda fault: fault.name)
def test_the_gateway_survives_each_fault(runs: FaultRuns, fault: Fault) -> None:
    """A fault affects only the queries it applies to, is reported while it lasts, and leaves no trace afterwards."""
    runs[fault.name].result(RESULT_TIMEOUT_SECONDS)


@pytest.mark.parametrize("fault", HANG_FAULTS, ids=lambda fault: fault.name)
def test_the_gateway_survives_each_hang(runs: FaultRuns, fault: Fault) -> None:
    """An upstream that hangs or responds byte by byte costs one deadline and leaks no connection."""
    runs[fault.name].result(RESULT_TIMEOUT_SECONDS)


def _assert_fault_handled(setup: GatewaySetup, fault: Fault) -> None:
    wait_until(lambda: setup.serves(HEALTHY_STATE), "the healthy state before the fault")
    descriptors, refreshes, log_bytes = (
        setup.count_descriptors(),
        len(setup.proxy.refresh_times),
        len(setup.read_log_from(0).encode()),
    )
    memory = {
        node: fault.expect_memory(memory_before_fault)
        for node, memory_before_fault in HEALTHY_STATE.memory_bytes.items()
    }
    expected = ServedState(fault.is_complete, memory)
    with setup.proxy.inject(fault.action, fault.query_text):
        wait_until(lambda: len(setup.proxy.refresh_times) > refreshes, "a refresh with the fault")
        wait_until(lambda: fault.expected_log in setup.read_log_from(log_bytes), f"{fault.expected_log} in the log")
        wait_until(lambda: setup.serves(expected), f"both protocols serve {expected}")
    wait_until(lambda: setup.serves(HEALTHY_STATE), "the healthy state after the fault")
    lines, refresh_count = setup.read_log_from(log_bytes).splitlines(), len(setup.proxy.refresh_times) - refreshes
    assert len(lines) <= MAX_LOG_LINES_PER_REFRESH * (refresh_count + 1)
    assert PASSWORD not in setup.gateway.log
    if fault in HANG_FAULTS:
        durations_ms = [
            line["duration_ms"]
            for line in setup.gateway.read_log_entries()[-len(lines) :]
            if line["event"].startswith("refresh")
        ]
        assert max(durations_ms) < MAX_REFRESH_MS
    assert setup.proxy.max_queries_per_refresh(first_refresh=refreshes) <= fault.max_queries
    wait_until(lambda: setup.proxy.connections <= MAX_CONCURRENT_QUERIES, "closed connections to the upstream")
    wait_until(lambda: setup.count_descriptors() <= descriptors + MAX_EXTRA_DESCRIPTORS, "no leaked descriptors")
    assert setup.measure_peak_mebibytes() < MAX_PEAK_MEBIBYTES
