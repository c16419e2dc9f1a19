"""Clients of both kinds that ask again and again, and remember what they were told and when."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from tests.integration.process import Gateway
from tests.server import call, exchange

PAUSE_SECONDS = 0.02
MOST_ROUNDS = 3_000


@dataclass(frozen=True)
class Told:
    """One answer: when it came, by what, how it ended, and what it said of itself."""

    at: float
    by: str
    outcome: str
    complete: bool
    age: int


@dataclass
class Load:
    """All that the clients were told; `outcome` is OK, UNAVAILABLE, or whatever else came."""

    told: list[Told] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def latest(self, by: str) -> Told | None:
        """Return the last answer over one protocol."""
        return next((one for one in reversed(self.told) if one.by == by), None)

    def sees(self, outcome: str, *, complete: bool) -> bool:
        """Return whether both protocols answered like this last."""
        latest = [self.latest("http"), self.latest("grpc")]
        return all(one is not None and (one.outcome, one.complete) == (outcome, complete) for one in latest)


@contextmanager
def load(gateway: Gateway, http_clients: int, grpc_clients: int) -> Iterator[Load]:
    """Ask a gateway from so many threads of each kind while the block runs."""
    found = Load()
    threads = [
        threading.Thread(target=work, args=(gateway, found))
        for work in [_over_http] * http_clients + [_over_grpc] * grpc_clients
    ]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.over.set()
        for thread in threads:
            thread.join()


def _rounds(found: Load, once: Callable[[], Told]) -> None:
    for _ in range(MOST_ROUNDS):
        found.told.append(once())
        if found.over.wait(PAUSE_SECONDS):
            return


def _over_http(gateway: Gateway, found: Load) -> None:
    connection = exchange.connect(gateway.http)

    def once() -> Told:
        try:
            answer = exchange.over(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Told(time.monotonic(), "http", repr(error), complete=False, age=0)
        outcome = {200: "OK", 503: "UNAVAILABLE"}.get(answer.status, str(answer.status))
        is_complete = answer.headers["X-Topology-Complete"] == "true"
        return Told(time.monotonic(), "http", outcome, is_complete, int(answer.headers.get("Age", "0")))

    try:
        _rounds(found, once)
    finally:
        connection.close()


def _over_grpc(gateway: Gateway, found: Load) -> None:
    with call.channel(gateway.grpc) as channel:

        def once() -> Told:
            reply = call.over(channel)
            # UNAVAILABLE is also what a broken connection is told as: only the gateway's own words count as such.
            is_own = reply.code is grpc.StatusCode.OK or "topology" in reply.details
            outcome = reply.code.name if is_own else f"{reply.code.name}: {reply.details}"
            is_complete = reply.trailing.get("x-topology-complete") == "true"
            return Told(time.monotonic(), "grpc", outcome, is_complete, int(reply.trailing.get("age", "0")))

        _rounds(found, once)
