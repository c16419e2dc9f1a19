"""Clients of every manner: steady ones, ones that always connect anew, slow ones, and ones that leave in the middle."""

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from tests.faults.crowd import slow_reader
from tests.integration.process import Gateway
from tests.server import call, exchange

PAUSE_SECONDS = 0.05
SLOW_PAUSE_SECONDS = 0.01
SLOW_BYTES = 4096
MOST_PROBLEMS = 20
PATHS = {"/healthz": 200, "/readyz": 200, "/openapi.json": 200, "/api/nothing": 404, "/?layout=none": 400}
FRESH = [("Cache-Control", "no-cache")]


@dataclass
class Told:
    """What all clients were told: how often each kind got which outcome, and what should not have been."""

    nodes: int
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, outcome: str, problem: str = "") -> None:
        """Count one outcome, and keep the problem if it is one."""
        with self._lock:
            self.outcomes[kind, outcome] += 1
            if problem and len(self.problems) < MOST_PROBLEMS:
                self.problems.append(f"{kind}: {problem}")

    def answer(self, kind: str, answer: exchange.Answer) -> None:
        """Judge an answer over HTTP that should be the topology."""
        if answer.status != 200:
            self.note(kind, str(answer.status), f"{answer.status} {answer.body[:200]!r}")
            return
        outcome = {"true": "200 complete", "false": "200 incomplete"}[answer.headers["X-Topology-Complete"]]
        shown = len(answer.json()["cluster"]["edge-a"]["node"])
        self.note(kind, outcome, f"{shown} nodes" if shown != self.nodes else "")

    def reply(self, kind: str, reply: call.Reply) -> None:
        """Judge an answer over gRPC."""
        if reply.code is not grpc.StatusCode.OK:
            self.note(kind, reply.code.name, f"{reply.code.name} {reply.details[:200]}")
            return
        outcome = "OK complete" if reply.trailing["x-topology-complete"] == "true" else "OK incomplete"
        shown = len(reply.model.nodes)
        self.note(kind, outcome, f"{shown} nodes" if shown != self.nodes else "")


Work = Callable[[Gateway, Told, random.Random], None]


def steady(gateway: Gateway, told: Told, dice: random.Random) -> None:
    """Ask on one connection, for either layout, now and then for fresh data."""
    connection = exchange.connect(gateway.http)
    while not told.over.wait(PAUSE_SECONDS):
        headers = FRESH if dice.random() < 0.2 else []
        told.answer(
            "HTTP, steady", exchange.over(connection, f"/?layout={dice.choice(['1.2.5', '2025'])}", headers=headers)
        )
    connection.close()


def anew(gateway: Gateway, told: Told, _dice: random.Random) -> None:
    """Connect for each request."""
    while not told.over.wait(PAUSE_SECONDS):
        told.answer("HTTP, anew", exchange.ask(gateway.http))


def about(gateway: Gateway, told: Told, dice: random.Random) -> None:
    """Ask for everything but the topology."""
    while not told.over.wait(PAUSE_SECONDS):
        path, expected = dice.choice(sorted(PATHS.items()))
        status = exchange.ask(gateway.http, path).status
        told.note("HTTP, other paths", str(status), "" if status == expected else f"{path} {status}")


def slow(gateway: Gateway, told: Told, _dice: random.Random) -> None:
    """Read a few bytes at a time."""
    while not told.over.is_set():
        with slow_reader(gateway.http) as connection:
            body = bytearray()
            while chunk := connection.recv(SLOW_BYTES):
                body += chunk
                if told.over.wait(SLOW_PAUSE_SECONDS):
                    return
        head, _, text = bytes(body).partition(b"\r\n\r\n")
        status = head[9:15].decode("latin-1")
        shown = len(json.loads(text)["cluster"]["edge-a"]["node"]) if status == "200 OK" else 0
        told.note("HTTP, slow", status, f"{shown} nodes" if shown != told.nodes else "")


def leaving(gateway: Gateway, told: Told, dice: random.Random) -> None:
    """Leave in the middle of an answer."""
    while not told.over.wait(PAUSE_SECONDS):
        with slow_reader(gateway.http) as connection:
            connection.recv(dice.randrange(1, SLOW_BYTES))
        told.note("HTTP, leaving", "left")


def calling(gateway: Gateway, told: Told, _dice: random.Random) -> None:
    """Call on one channel."""
    with call.channel(gateway.grpc) as opened:
        while not told.over.wait(PAUSE_SECONDS):
            told.reply("gRPC, steady", call.over(opened))


def calling_anew(gateway: Gateway, told: Told, _dice: random.Random) -> None:
    """Call on a new channel each time."""
    while not told.over.wait(PAUSE_SECONDS):
        told.reply("gRPC, anew", call.call(gateway.grpc))


def cancelling(gateway: Gateway, told: Told, dice: random.Random) -> None:
    """Cancel calls at any point."""
    with call.channel(gateway.grpc) as opened:
        while not told.over.wait(PAUSE_SECONDS):
            under_way = call.unary(opened).future(b"", timeout=call.SECONDS)
            told.over.wait(dice.uniform(0, 0.02))
            under_way.cancel()
            told.note("gRPC, leaving", "left")


OVER_HTTP: tuple[Work, ...] = (steady, steady, steady, anew, anew, about, slow, leaving)
OVER_GRPC: tuple[Work, ...] = (calling, calling, calling_anew, cancelling)


@contextmanager
def busy(gateway: Gateway, nodes: int, seed: int) -> Iterator[Told]:
    """Let all clients work while the block runs."""
    told = Told(nodes)

    def run(work: Work, number: int) -> None:
        try:
            work(gateway, told, random.Random(seed + number))  # noqa: S311 - it is to be repeated
        except (OSError, http.client.HTTPException, ValueError, KeyError, AssertionError) as error:
            told.note(work.__name__, "ended", f"it ended: {error!r}")

    threads = [threading.Thread(target=run, args=each) for each in zip(OVER_HTTP + OVER_GRPC, range(100), strict=False)]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        told.over.set()
        for thread in threads:
            thread.join()
