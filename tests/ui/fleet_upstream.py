"""A Prometheus of a simulated fleet that a test changes while a gateway queries it."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from aggregator.models.builder.build import sort_rows_by_stage
from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.querier.source import RefreshBudget
from demo.fleet import SimulatedFleet
from demo.inventory import SimulatedHost
from demo.simulated_source import create_fleet_source

# Ten nodes take a third of a second.
ADVANCE_INTERVAL_SECONDS = 10.0

_ROWS = sort_rows_by_stage(compose_default_catalog())
_BUDGET = RefreshBudget(timeout_seconds=60, limits_decoding=False)
# Queries of instants that are older than this are about the past.
_PAST_SECONDS = 60.0
# A text that occurs nowhere.
_PLACEHOLDER = "one of two texts"
_NO_SAMPLES = b'{"status":"success","data":{"resultType":"vector","result":[]}}'


@dataclass(frozen=True)
class ChangingFleet(SimulatedFleet):
    """A fleet without the host that leaves and returns by itself; hosts are absent as long as they are hidden."""

    hidden: set[str] = field(default_factory=set)

    def list_hosts(self, _at_seconds: float) -> tuple[SimulatedHost, ...]:
        """Return the hosts that are not hidden."""
        return tuple(host for host in self.hosts if host.name not in self.hidden)


class FleetUpstream:
    """A running Prometheus. Its answers are ready before they are asked for, because a gateway pauses after slow ones.

    While `is_failing` is set, all queries fail.
    """

    def __init__(self, fleet: SimulatedFleet) -> None:
        self.fleet = ChangingFleet(fleet.hosts, fleet.pod_count, fleet.containers_per_pod, fleet.seed)
        self.url = ""
        self.is_failing = False
        self._source = create_fleet_source(self.fleet)
        self._renamed: dict[str, str] = {}
        self._lock = threading.Lock()
        self._bodies: dict[str, bytes] = {}
        self._past_bodies: dict[int, dict[str, bytes]] = {}
        self.advance()

    def hide(self, host: str) -> None:
        """Let a host and its pods disappear."""
        assert host in {one.name for one in self.fleet.hosts}
        self.fleet.hidden.add(host)
        self.advance()

    def show(self, host: str) -> None:
        """Let a hidden host return."""
        self.fleet.hidden.remove(host)
        self.advance()

    def rename(self, old: str, new: str) -> None:
        """Replace a name wherever it occurs: of a node, pod, cluster or image. The new one may contain anything."""
        self._renamed[old] = new
        self.advance()

    def swap(self, first: str, second: str) -> None:
        """Exchange two texts wherever they occur: two phases of pods, for example."""
        self._renamed |= {first: _PLACEHOLDER, second: first, _PLACEHOLDER: second}
        self.advance()

    def advance(self) -> None:
        """Let the next refresh get the values of this instant."""
        with self._lock:
            self._bodies = self._collect_bodies(time.time())

    def record_past(self, at_seconds: int) -> None:
        """Let the fleet have been at a past instant what it is now. At other past instants, there was none."""
        with self._lock:
            self._past_bodies[at_seconds] = self._collect_bodies(at_seconds)

    def answer(self, promql: str, at_seconds: float) -> bytes:
        """Return the response to a query of the catalog at an instant."""
        if at_seconds > time.time() - _PAST_SECONDS:
            return self._bodies[promql]
        return self._past_bodies.get(int(at_seconds), {}).get(promql, _NO_SAMPLES)

    def _collect_bodies(self, at_seconds: float) -> dict[str, bytes]:
        results = self._source.collect(_ROWS, at_seconds, _BUDGET)
        bodies = {}
        for row in _ROWS:
            stored = results.wait_for_row(row).stored_response
            assert stored is not None, f"the simulated fleet cannot answer {row.name}"
            bodies[row.expression.text] = self._rename_in(stored.get_body())
        return bodies

    def _rename_in(self, body: bytes) -> bytes:
        for old, new in self._renamed.items():
            body = body.replace(old.encode(), json.dumps(new)[1:-1].encode())
        return body


@contextlib.contextmanager
def run_fleet_upstream(
    fleet: SimulatedFleet, advance_interval_seconds: float = ADVANCE_INTERVAL_SECONDS
) -> Iterator[FleetUpstream]:
    """Answer the queries of the catalog about a fleet while the block runs; values change at this interval."""
    upstream = FleetUpstream(fleet)
    stopping = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            # The gateway also asks for the version of the program, which this one has not.
            status, body = 404, b"not found"
            if upstream.is_failing:
                status, body = 503, b"unavailable"
            elif target.path == "/api/v1/query":
                query = parse_qs(target.query)
                status, body = 200, upstream.answer(query["query"][0], float(query["time"][0]))
            # The gateway may stop at any time.
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

    def advance_until_stopped() -> None:
        while not stopping.wait(advance_interval_seconds):
            upstream.advance()

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_arguments: object) -> None:
            """Do not print that a gateway has ended."""

    with Server(("127.0.0.1", 0), Handler) as server:
        upstream.url = f"http://127.0.0.1:{server.server_address[1]}"
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=advance_until_stopped, daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield upstream
        finally:
            stopping.set()
            server.shutdown()
            for thread in threads:
                thread.join()
