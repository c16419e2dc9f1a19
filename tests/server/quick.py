"""Two servers that show the same, one of which answers at once what it can; and how often it does."""

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from aggregator.server import http_at_once
from aggregator.server.asgi import Headers, WrittenAnswer
from aggregator.server.auth import Guard
from aggregator.server.http_at_once import AtOnce
from aggregator.server.http_connection import Replier
from aggregator.server.watch import Watch
from aggregator.telemetry import Telemetry
from tests.server.exchange import raw
from tests.server.serving import Manner, serving
from tests.server.source import CommandedSource

URLS = (b"/", b"/?layout=2025", b"/?layout=1.2.5", b"/api/v1/topology")
# Closes its connection: once this is answered, everything before it is.
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
AT_ONCE = "at once"


def written(method: bytes, url: bytes, headers: Sequence[tuple[bytes, bytes]] = (), version: bytes = b"1.1") -> bytes:
    """Return a request as it is sent."""
    fields = b"".join(b"%s: %s\r\n" % header for header in ((b"Host", b"x"), *headers))
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version, fields)


def lasting(answers: bytes) -> bytes:
    """Return answers without what differs from one to the next: when, and an id that nobody gave."""
    return re.sub(rb"date: [^\r]*|x-request-id: [0-9a-f]{12}-[0-9a-f]+", b"", answers)


@dataclass(frozen=True)
class Ways:
    """The two servers' ports; who may ask bears one of the authorizations, the first is good if there are any."""

    source: CommandedSource
    quick: int
    long: int
    authorizations: Sequence[bytes]
    counter: Counter[str]

    def agreed(self, requests: bytes) -> bytes:
        """Return what both answer to these bytes, as far as it lasts."""
        quick, long = lasting(raw(self.quick, requests)), lasting(raw(self.long, requests))
        assert quick == long
        return quick

    def prepare(self) -> None:
        """Have the answers made that can then be given at once, and begin to count."""
        bearing = [(b"Authorization", value) for value in self.authorizations[:1]]
        for url, coding in itertools.product(URLS, (b"identity", b"gzip", b"zstd")):
            raw(self.quick, written(b"GET", url, [(b"Accept-Encoding", coding), *bearing]) + LAST)
        self.counter.clear()


class _Counted(AtOnce):
    def __init__(self, counter: Counter[str], *parts: Any) -> None:
        super().__init__(*parts)
        self._counter = counter

    def new_replier(self) -> Replier:
        answer_of = super().new_replier()

        def reply(method: bytes, url: bytes, headers: Headers) -> WrittenAnswer | None:
            answer = answer_of(method, url, headers)
            self._counter[AT_ONCE] += answer is not None
            return answer

        return reply


@contextlib.contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the answers at once of servers that are started in the block."""
    counter: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http_at_once, "AtOnce", lambda *parts: _Counted(counter, *parts))
        yield counter


@contextlib.contextmanager
def both_ways(guard: Guard | None, *authorizations: bytes) -> Iterator[Ways]:
    """Serve one source both ways."""
    source = CommandedSource()
    quick, long = Watch(Telemetry()), Watch(Telemetry(), log_requests=True)
    with (
        counted() as counter,
        serving(source, guard, manner=Manner(watch=quick)) as at_once,
        serving(source, guard, manner=Manner(watch=long)) as slowly,
    ):
        yield Ways(source, at_once.http, slowly.http, authorizations, counter)
