"""HTTP and gRPC clients that repeat requests and record the responses."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from tests.integration.gateway_process import GatewayProcess
from tests.support import grpc_client, http_client

PAUSE_SECONDS = 0.02
MAX_ROUNDS = 3_000


@dataclass(frozen=True)
class LoadResponse:
    """One recorded response."""

    received_at: float
    protocol: str
    outcome: str
    is_complete: bool
    age_seconds: int


@dataclass
class LoadResult:
    """All recorded responses; their `outcome` is OK, UNAVAILABLE, or a description of anything else."""

    responses: list[LoadResponse] = field(default_factory=list)
    stop_event: threading.Event = field(default_factory=threading.Event)

    def find_latest(self, protocol: str) -> LoadResponse | None:
        """Return the last response over one protocol."""
        return next((response for response in reversed(self.responses) if response.protocol == protocol), None)

    def has_latest(self, outcome: str, *, is_complete: bool) -> bool:
        """Return whether the last responses over both protocols have this outcome and completeness."""
        latest = [self.find_latest("http"), self.find_latest("grpc")]
        return all(
            response is not None and (response.outcome, response.is_complete) == (outcome, is_complete)
            for response in latest
        )


@contextmanager
def run_load(gateway: GatewayProcess, http_clients: int, grpc_clients: int) -> Iterator[LoadResult]:
    """Send requests from this number of HTTP and gRPC clients while the block runs."""
    result = LoadResult()
    threads = [
        threading.Thread(target=work, args=(gateway, result))
        for work in [_request_over_http] * http_clients + [_call_over_grpc] * grpc_clients
    ]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        result.stop_event.set()
        for thread in threads:
            thread.join()


def _repeat_requests(result: LoadResult, send_once: Callable[[], LoadResponse]) -> None:
    for _ in range(MAX_ROUNDS):
        result.responses.append(send_once())
        if result.stop_event.wait(PAUSE_SECONDS):
            return


def _request_over_http(gateway: GatewayProcess, result: LoadResult) -> None:
    connection = http_client.open_http_connection(gateway.http_port)

    def send_once() -> LoadResponse:
        try:
            response = http_client.send_on_connection(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return LoadResponse(time.monotonic(), "http", repr(error), is_complete=False, age_seconds=0)
        outcome = {200: "OK", 503: "UNAVAILABLE"}.get(response.status, str(response.status))
        is_complete = response.headers["X-Topology-Complete"] == "true"
        return LoadResponse(time.monotonic(), "http", outcome, is_complete, int(response.headers.get("Age", "0")))

    try:
        _repeat_requests(result, send_once)
    finally:
        connection.close()


def _call_over_grpc(gateway: GatewayProcess, result: LoadResult) -> None:
    with grpc_client.open_channel(gateway.grpc_port) as channel:

        def send_once() -> LoadResponse:
            reply = grpc_client.call_on_channel(channel)
            # A broken connection is also UNAVAILABLE; count only the errors of the gateway itself.
            is_from_gateway = reply.code is grpc.StatusCode.OK or "topology" in reply.details
            outcome = reply.code.name if is_from_gateway else f"{reply.code.name}: {reply.details}"
            is_complete = reply.trailing_metadata.get("x-topology-complete") == "true"
            return LoadResponse(
                time.monotonic(), "grpc", outcome, is_complete, int(reply.trailing_metadata.get("age", "0"))
            )

        _repeat_requests(result, send_once)
