"""Agents, pods and a scrape server under two Prometheis, while they and what they talk to are killed at random."""

import random
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.integration import leak_detection
from tests.integration.gateway_process import wait_until
from tests.soak.checks import measure_growth, measure_memory_growth
from tests.soak.hosts_setup import SECRET, START_SECONDS, HostsSetup, run_hosts_setup
from tests.soak.missed_scrapes import SETTLE_SECONDS, ScrapeChecker, list_watched_targets, query_up
from tests.soak.parts import FaultTimes, Part, ResourceUse, inject_faults
from tests.soak.registrations import PAUSE_SECONDS, list_clients
from tests.soak.results import Measurement, ScenarioSummary, SoakResults

CHECK_INTERVAL_SECONDS = 5.0
# The number of open connections varies with what is down, and with what is asked at the same time.
MAX_EXTRA_DESCRIPTORS = 20
# The scrape server is killed in the first half only: a process must be old for its growth to show.
SERVER_FAULTS_SHARE = 0.5
WARM_UP_SHARE, MAX_WARM_UP_SECONDS = 0.25, 60.0
PART_FAULTS = FaultTimes(pause=(0.2, 2.0), fault=(0.2, 4.0))
SERVER_FAULTS = FaultTimes(pause=(4.0, 12.0), fault=(0.0, 3.0))


@dataclass
class HostsRun:
    """A run of the scenario: what was found and measured so far."""

    setup: HostsSetup
    results: SoakResults = field(default_factory=SoakResults)
    checkers: list[ScrapeChecker] = field(default_factory=list)
    uses: defaultdict[str, list[ResourceUse]] = field(default_factory=lambda: defaultdict(list))

    def record_fault(self, description: str) -> None:
        """Count a fault."""
        self.results.record("faults", description)

    @property
    def fault_count(self) -> int:
        """The number of faults so far."""
        return sum(count for (kind, _), count in self.results.outcomes.items() if kind == "faults")


def run_hosts_scenario(seconds: float, seed: int) -> ScenarioSummary:
    """Run the scenario, and return what it has found."""
    with (
        tempfile.TemporaryDirectory(prefix="aggregator-soak-") as folder,
        run_hosts_setup(Path(folder)) as setup,
    ):
        counts = f"{len(setup.agents)} agents, {len(setup.pods)} pods, {len(setup.prometheus_urls)} Prometheis"
        print(f"soak, hosts: {seconds / 60:g} minutes, {counts}, seed {seed}")
        run = HostsRun(setup)
        wait_until(lambda: _are_all_up(setup), "all targets are up", START_SECONDS)
        start, targets = time.time(), list_watched_targets(setup)
        run.checkers += [ScrapeChecker(url, targets, start) for url in setup.prometheus_urls]
        with _run_in_threads(_list_activities(run, seconds, seed), run.results):
            _observe(run, seconds)
        _wait_for_recovery(run)
        _check_scrapes(run)
        _check_logs(run)
    checked = sum(checker.checked for checker in run.checkers)
    title = f"hosts: {run.fault_count} faults, {checked} scrapes of healthy targets"
    return ScenarioSummary(title, run.results, _measure(run))


def _wait_for_recovery(run: HostsRun) -> None:
    """Wait until all targets are up without faults; whatever is not is a problem."""
    try:
        wait_until(lambda: _are_all_up(run.setup), "all targets are up at the end", START_SECONDS)
    except AssertionError as error:
        run.results.record("soak", "no recovery", str(error))


def _are_all_up(setup: HostsSetup) -> bool:
    """Return whether both Prometheis have scraped all targets in all ways just now."""
    now = time.time()
    for url in setup.prometheus_urls:
        samples = query_up(url, now - SETTLE_SECONDS, now)
        if not all(samples.get(target.key, [(0, 0)])[-1][1] == 1 for target in list_watched_targets(setup)):
            return False
    return True


def _list_activities(run: HostsRun, seconds: float, seed: int) -> Iterator[Callable[[], None]]:
    """Yield what happens at the same time: the clients, and the faults of hosts, of the cluster and of the server."""
    setup, stop_event, start = run.setup, run.results.stop_event, time.monotonic()
    rngs = [random.Random(seed + number) for number in range(4)]  # noqa: S311 - reproducible test input
    yield from (partial(_repeat, each, stop_event) for each in list_clients(setup, run.results, rngs[0]))
    # The first agent stays, so that its growth shows.
    hosts = [*(each.process for each in setup.agents[1:]), *(each.engine for each in setup.agents)]
    cluster = [*(pod.process for pod in setup.pods), setup.kubernetes, setup.kubernetes]
    yield partial(_inject_part_faults, run, hosts, rngs[1])
    yield partial(_inject_part_faults, run, cluster, rngs[2])
    yield partial(_crash_server, run, start + SERVER_FAULTS_SHARE * seconds, rngs[3])


def _repeat(run_once: Callable[[], None], stop_event: threading.Event) -> None:
    while not stop_event.wait(PAUSE_SECONDS):
        run_once()


def _inject_part_faults(run: HostsRun, parts: Sequence[Part], rng: random.Random) -> None:
    inject_faults(parts, PART_FAULTS, rng, run.results.stop_event, run.record_fault)


def _crash_server(run: HostsRun, end: float, rng: random.Random) -> None:
    stop_event, server = run.results.stop_event, run.setup.scrape_server
    while not stop_event.wait(rng.uniform(*SERVER_FAULTS.pause)) and time.monotonic() < end:
        run.record_fault("scrape server killed")
        run.setup.pods_unknown.begin()
        server.kill()
        stop_event.wait(rng.uniform(*SERVER_FAULTS.fault))
        server.start()


@contextmanager
def _run_in_threads(activities: Iterable[Callable[[], None]], results: SoakResults) -> Iterator[None]:
    """Run activities while the block runs; an error of one is a problem, and ends all."""

    def run(activity: Callable[[], None]) -> None:
        try:
            activity()
        except Exception as error:  # noqa: BLE001 - whatever it is, the run has failed
            results.record("soak", "ended", "".join(traceback.format_exception(error)))
            results.stop_event.set()

    threads = [threading.Thread(target=run, args=(activity,)) for activity in activities]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        results.stop_event.set()
        for thread in threads:
            thread.join()


def _observe(run: HostsRun, seconds: float) -> None:
    """Measure and check until the time is over."""
    start, next_check = time.monotonic(), CHECK_INTERVAL_SECONDS
    while (elapsed := time.monotonic() - start) < seconds and not run.results.stop_event.wait(PAUSE_SECONDS):
        for part in run.setup.own_programs:
            if (use := part.measure()) is not None:
                run.uses[part.name].append(use)
        for part in run.setup.parts:
            if end := part.describe_end():
                run.results.record(part.name, "ended", end)
                run.results.stop_event.set()
        if elapsed > next_check:
            next_check += CHECK_INTERVAL_SECONDS
            _check_scrapes(run)
            _print_progress(run, elapsed)


def _check_scrapes(run: HostsRun) -> None:
    """Check the scrapes that have ended."""
    for number, checker in enumerate(run.checkers, start=1):
        for problem in checker.check_until(time.time() - SETTLE_SECONDS):
            run.results.record(f"Prometheus {number}", "missed scrape", problem)


def _check_logs(run: HostsRun) -> None:
    """Find secrets and tracebacks in the logs of this project's programs."""
    for part in run.setup.own_programs:
        log = part.log_path.read_text(encoding="utf-8")
        if leaks := leak_detection.find_leaks(log, {"DISCOVERY_SECRET": SECRET}):
            run.results.record(part.name, "log", f"the log contains {', '.join(leaks)}")


def _print_progress(run: HostsRun, elapsed: float) -> None:
    checked, missed = (sum(getattr(each, name) for each in run.checkers) for name in ("checked", "missed"))
    use = run.uses[run.setup.scrape_server.name][-1]
    down = [part.name for part in run.setup.parts if part.outages.is_down]
    print(
        f"{elapsed:6.0f} s  {checked:6} scrapes, {missed} missed  scrape server: "
        f"{use.resident_mebibytes:4.0f} MiB, {use.descriptors:3} descriptors  down: {', '.join(down) or 'none'}",
        flush=True,
    )


def _measure(run: HostsRun) -> list[Measurement]:
    """Return the growth of the oldest process of each of this project's programs."""
    measurements = []
    for name, uses in run.uses.items():
        lifetimes = Counter(use.generation for use in uses)
        oldest = max(lifetimes, key=lambda generation: lifetimes[generation])
        steady = [use for use in uses if use.generation == oldest]
        warm_up = min(WARM_UP_SHARE * len(steady), MAX_WARM_UP_SECONDS / PAUSE_SECONDS)
        steady = steady[int(warm_up) :]
        measurements += [
            measure_memory_growth([use.resident_mebibytes for use in steady], f"{name}: growth of memory"),
            measure_growth(
                [use.descriptors for use in steady], f"{name}: growth of descriptors", MAX_EXTRA_DESCRIPTORS
            ),
        ]
    return measurements
