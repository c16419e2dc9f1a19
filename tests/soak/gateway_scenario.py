"""The gateway under random faults of Prometheus: frequent refreshes, and many kinds of clients."""

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.faults.fault_table import ALL_FAULTS, MAX_RESPONSE_BYTES
from tests.faults.gateway_setup import GatewaySetup, run_gateway_setup
from tests.integration.fleet_exposition import build_fleet_exposition
from tests.integration.gateway_process import wait_until
from tests.soak import checks
from tests.soak.clients import GRPC_CLIENTS, HTTP_CLIENTS, ClientResults, run_clients
from tests.soak.results import Measurement, ScenarioSummary
from tests.support.http_client import send_request

NODE_COUNT = 200
# Prometheus returns a sample for five minutes.
SCRAPE_INTERVAL_SECONDS = 200
REPORT_INTERVAL_SECONDS = 5.0
WARM_UP_SHARE, MAX_WARM_UP_SECONDS = 0.25, 60.0
# MAX_STALE is longer than any fault, therefore every response must be 200.
SETTINGS = {
    "REFRESH_INTERVAL": "0.05",
    "MAX_STALE": "120",
    "REFRESH_TIMEOUT": "2",
    "QUERY_TIMEOUT": "2",
    "MAX_ANSWER_BYTES": str(MAX_RESPONSE_BYTES),
}


@dataclass
class FaultState:
    """The name of the current fault, and the number of faults so far."""

    current: str = "none"
    count: int = 0
    stop_event: threading.Event = field(default_factory=threading.Event)


def run_gateway_scenario(seconds: float, seed: int) -> ScenarioSummary:
    """Run the scenario, and return what it has found."""
    clients = f"{len(HTTP_CLIENTS)} HTTP and {len(GRPC_CLIENTS)} gRPC clients"
    print(f"soak, gateway: {seconds / 60:g} minutes, {clients}, seed {seed}")
    start = time.time()
    scrapes = [
        ScrapedExposition(build_fleet_exposition(NODE_COUNT), start + SCRAPE_INTERVAL_SECONDS * number)
        for number in range(int(seconds / SCRAPE_INTERVAL_SECONDS) + 2)
    ]
    with (
        run_prometheus_with_data(scrapes) as url,
        tempfile.TemporaryDirectory(prefix="aggregator-soak-") as folder,
        run_gateway_setup(url, Path(folder), **SETTINGS) as setup,
    ):
        descriptors = setup.count_descriptors()
        results, memory, faults = run_soak(setup, seconds, seed)
        wait_until(lambda: _check_complete(setup, results), "a complete topology at the end", 30)
        refreshes = len(setup.proxy.refresh_times)
        measurements = [
            checks.measure_memory_growth(memory),
            Measurement(
                "descriptors: growth since start", setup.count_descriptors() - descriptors, checks.MAX_EXTRA_DESCRIPTORS
            ),
            Measurement("maximum times a query was sent in a refresh", setup.proxy.max_queries_per_refresh(), 2),
            Measurement(
                "log lines per refresh", setup.gateway.log.count("\n") / refreshes, checks.MAX_LOG_LINES_PER_REFRESH
            ),
        ]
        measurements.append(checks.measure_uncompared_copies(results))
        measurements += checks.measure_uncounted_requests(
            send_request(setup.gateway.http_port, "/metrics").body.decode(), results
        )
    return ScenarioSummary(f"gateway: {refreshes} refreshes, {faults} faults", results, measurements)


def run_soak(setup: GatewaySetup, seconds: float, seed: int) -> tuple[ClientResults, list[float], int]:
    """Run clients and faults; return the client results, resident MiB after the warm-up, and the number of faults."""
    memory: list[float] = []
    warm_up = min(WARM_UP_SHARE * seconds, MAX_WARM_UP_SECONDS)
    with run_clients(setup.gateway, NODE_COUNT, seed) as results, _run_random_faults(setup, seed) as fault_state:
        start = time.monotonic()
        next_report = REPORT_INTERVAL_SECONDS
        while (elapsed := time.monotonic() - start) < seconds:
            if elapsed > warm_up:
                memory.append(setup.measure_resident_mebibytes())
            if elapsed > next_report:
                next_report += REPORT_INTERVAL_SECONDS
                _print_progress(setup, results, fault_state, elapsed)
            if setup.gateway.process.poll() is not None:
                results.record("gateway", "ended", f"exit code {setup.gateway.process.returncode}")
                break
            results.stop_event.wait(0.25)
    return results, memory, fault_state.count


def _check_complete(setup: GatewaySetup, results: ClientResults) -> bool:
    """Send and record another request; return whether the topology is complete."""
    response = send_request(setup.gateway.http_port)
    results.record_http("HTTP, at the end", response)
    return response.headers["X-Topology-Complete"] == "true"


@contextmanager
def _run_random_faults(setup: GatewaySetup, seed: int) -> Iterator[FaultState]:
    """Inject random faults while the block runs."""
    fault_state, rng = FaultState(), random.Random(seed)  # noqa: S311 - reproducible test input

    def run() -> None:
        while not fault_state.stop_event.wait(rng.uniform(0, 4)):
            fault = rng.choice(ALL_FAULTS)
            fault_state.current, fault_state.count = fault.name, fault_state.count + 1
            with setup.proxy.inject(fault.action, fault.query_text):
                fault_state.stop_event.wait(rng.uniform(0.2, 4))
            fault_state.current = "none"

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield fault_state
    finally:
        fault_state.stop_event.set()
        thread.join()


def _print_progress(setup: GatewaySetup, results: ClientResults, fault_state: FaultState, elapsed: float) -> None:
    refreshes, responses = len(setup.proxy.refresh_times), sum(results.outcomes.values())
    resident, descriptors = setup.measure_resident_mebibytes(), setup.count_descriptors()
    print(
        f"{elapsed:6.0f} s  {refreshes:5} refreshes  {responses:7} responses  "
        f"{resident:4.0f} MiB  {descriptors:3} descriptors  fault: {fault_state.current}",
        flush=True,
    )
