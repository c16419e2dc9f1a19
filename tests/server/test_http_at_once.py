"""What is answered at once: the same as on the long way, in order, counted once, and by tokens that hold now."""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aggregator.documents import Form
from aggregator.errors import NoTopologyError, TokenRefusedError
from aggregator.grants import EVERYTHING
from aggregator.secrets import Secrets
from aggregator.server.asgi import App
from aggregator.server.auth import Borne, Guard
from aggregator.server.browsers import browsers
from aggregator.server.http_at_once import AtOnce, watched_service
from aggregator.server.http_front import Door, Front
from aggregator.server.http_limits import MOST_AT_ONCE, Replier
from aggregator.server.proxies import proxies
from aggregator.server.watch import Watch
from aggregator.snapshot import Gap, GapKind
from aggregator.telemetry import Telemetry
from aggregator.tracing import start
from tests.exposition import now
from tests.server.exchange import raw
from tests.server.issuing import ISSUER, Publisher, issuer_keys, rsa_key
from tests.server.judging import static_guard
from tests.server.serving import Manner, serving
from tests.server.source import CommandedSource, snapshot
from tests.server.test_auth import Hands
from tests.server.test_auth_keys import eventually, guard_of
from tests.server.tokens import Realm

Headers = list[tuple[bytes, bytes]]

URLS = (b"/", b"/?layout=2025", b"/?layout=1.2.5", b"/api/v1/topology")
# These differ from those above by what only the long way understands.
OTHER_URLS = (b"/?", b"/?layout=none", b"/?wait=1ms", b"/any/path", b"/api/v1/topology?wait=1ms", b"/healthz", b"//")
# Stays on no connection: what came before is all answered when this is.
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TAG = snapshot().documents.tag(Form("1.2.5"))


@dataclass(frozen=True)
class Ways:
    """Two servers that show the same: one answers at once what it can, the other nothing."""

    source: CommandedSource
    quick: int
    long: int
    authorizations: Sequence[bytes]

    def agreed(self, requests: bytes) -> bytes:
        """Return what both answer to these bytes, without what differs from answer to answer."""
        quick, long = _lasting(raw(self.quick, requests)), _lasting(raw(self.long, requests))
        assert quick == long
        return quick


def _lasting(answers: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*|x-request-id: [0-9a-f]{12}-[0-9a-f]+", b"", answers)


@contextlib.contextmanager
def both_ways(guard: Guard | None, *authorizations: bytes) -> Iterator[Ways]:
    """Serve one source both ways."""
    source = CommandedSource()
    quick, long = Watch(Telemetry()), Watch(Telemetry(), log_requests=True)
    with (
        serving(source, guard, manner=Manner(watch=quick)) as at_once,
        serving(source, guard, manner=Manner(watch=long)) as slowly,
    ):
        yield Ways(source, at_once.http, slowly.http, authorizations)


@pytest.fixture(scope="module")
def opened() -> Iterator[Ways]:
    """Both ways without tokens."""
    with both_ways(None) as ways:
        yield ways


@pytest.fixture(scope="module")
def guarded(realm: Realm, public_key: str) -> Iterator[Ways]:
    """Both ways for who has a token."""
    good = b"Bearer " + realm.token().encode()
    bad = (b"Bearer nonsense", b"Bearer a.b.c", b"Basic eDp5", b"", b"Bearer " + realm.token(exp=1).encode())
    with both_ways(static_guard(public_key), good, *bad) as ways:
        yield ways


def written(method: bytes, url: bytes, headers: Sequence[tuple[bytes, bytes]], version: bytes = b"1.1") -> bytes:
    """Return a request as it is sent."""
    fields = b"".join(b"%s: %s\r\n" % header for header in ((b"Host", b"x"), *headers))
    return b"%s %s HTTP/%s\r\n%s\r\n" % (method, url, version, fields)


HEADERS = st.lists(
    st.sampled_from(
        [
            *((b"Accept-Encoding", value) for value in (b"gzip", b"zstd, gzip;q=0.5", b"identity", b"br", b"gzip;q=x")),
            *((b"If-None-Match", value) for value in (TAG, b"*", b'W/"x", ' + TAG, b'"x"')),
            *((b"Cache-Control", value) for value in (b"no-cache", b"max-age=0")),
            *((b"X-Request-Id", value) for value in (b"mine", b"mine-too", b"not mine", b"m" * 200)),
            *((b"Connection", value) for value in (b"keep-alive", b"close")),
            *((b"Content-Length", b"0"), (b"Expect", b"100-continue"), (b"User-Agent", b"curl/8"), (b"Host", b"y")),
            *((b"Origin", b"https://elsewhere.example.org"), (b"X-Forwarded-For", b"nobody")),
        ]
    ),
    max_size=4,
)


def requests(authorizations: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a few requests of one connection."""
    bearing = st.lists(st.sampled_from(authorizations), max_size=2) if authorizations else st.just([])
    one = st.builds(
        lambda method, url, headers, borne, version: written(
            method, url, [*headers, *((b"Authorization", value) for value in borne)], version
        ),
        st.sampled_from([b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS"]),
        st.sampled_from((*URLS, *URLS, *OTHER_URLS)),
        HEADERS,
        bearing,
        st.sampled_from([b"1.1", b"1.1", b"1.0"]),
    )
    return st.lists(one, min_size=1, max_size=5).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("tokens", [False, True], ids=["open", "with tokens"])
def test_both_ways_give_the_same(tokens: bool, opened: Ways, guarded: Ways, data: st.DataObject) -> None:
    """Whatever is asked, in whatever order on one connection, gets the same bytes at once as on the long way."""
    ways = guarded if tokens else opened
    ways.agreed(data.draw(requests(ways.authorizations)) + LAST)


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_outage_is_told_the_same(opened: Ways, url: bytes, method: bytes) -> None:
    """Without a topology to show both ways say 503 and when to come back."""
    opened.source.failure, opened.source.next_in = NoTopologyError("no topology yet"), 7.2
    try:
        told = opened.agreed(written(method, url, []) + LAST)
    finally:
        opened.source.reset()
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 8\r\n" in told


def test_what_is_missing_and_how_old_it_is_are_told_the_same(opened: Ways) -> None:
    """That a topology is incomplete, and its age, are those of the snapshot at this moment."""
    ask = written(b"GET", b"/", [])
    opened.source.shown, opened.source.age = snapshot(Gap(GapKind.FAILED, "node", "too slow")), 12.9
    try:
        first = opened.agreed(ask + ask + LAST)
        opened.source.shown, opened.source.age = snapshot(), 3.0
        second = opened.agreed(ask + ask + LAST)
    finally:
        opened.source.reset()
    assert first.count(b"x-topology-complete: false") == first.count(b"age: 12\r\n") == 2
    assert second.count(b"x-topology-complete: true") == second.count(b"age: 3\r\n") == 2


def test_more_than_go_at_once_are_answered_in_order(opened: Ways) -> None:
    """Of many requests sent together each is answered, and each in its turn, at once or not."""
    many = 3 * MOST_AT_ONCE
    ids = [b"number-%d" % number for number in range(many)]
    urls = [URLS[number % 3] if number % 7 else b"/healthz" for number in range(many)]
    sent = [written(b"GET", url, [(b"X-Request-Id", given)]) for url, given in zip(urls, ids, strict=True)]
    told = opened.agreed(b"".join(sent) + LAST)
    assert re.findall(rb"x-request-id: (number-\d+)", told) == ids


def test_each_is_counted_once(realm: Realm, public_key: str) -> None:
    """Answers at once are counted like all others: by handler, method and code, with how long they took."""
    telemetry = Telemetry()
    bearing = [(b"Authorization", b"Bearer " + realm.token().encode())]
    asked = [written(method, url, bearing) for method in (b"GET", b"HEAD") for url in (b"/", b"/api/v1/topology")]
    with serving(CommandedSource(), static_guard(public_key), manner=Manner(watch=Watch(telemetry))) as ports:
        raw(ports.http, b"".join(asked * 5) + written(b"GET", b"/", []) * 3 + LAST)
    seen = now(telemetry)
    for handler in ("topology", "api"):
        for method in ("GET", "HEAD"):
            assert seen.total("http_requests_total", handler=handler, method=method, code="200") == 5
    assert seen.total("http_requests_total", code="401") == 3
    assert seen.total("aggregator_auth_failures_total") == 3
    assert seen.total("http_request_duration_seconds_count", handler="topology") == 13


# --- what goes at once, told by who answers on a connection


def replier(source: CommandedSource, guard: Guard | None = None, most_bytes: int | None = None) -> Replier:
    """Return who answers on a connection to a front that shows this."""
    front = Front(source, Door(guard), "1.2.5", _nothing_behind)
    return AtOnce(front, Watch(Telemetry()), most_bytes).replier()


async def _nothing_behind(*_of: object) -> None:
    raise AssertionError("nothing is asked behind the front")


async def prepared(source: CommandedSource, *headers: tuple[bytes, bytes]) -> None:
    """Have the answers made that are to be at hand."""
    front = Front(source, Door(None), "1.2.5", _nothing_behind)
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    for query in (b"", b"layout=2025"):
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": list(headers)}
        await front(scope, _nothing_behind, send)  # type: ignore[arg-type] # nothing is received
    assert len(sent) == 4


@pytest.mark.parametrize("url", [b"/", b"/?layout=1.2.5", b"/?layout=2025"])
async def test_ready_bytes_go_at_once(url: bytes) -> None:
    """A document whose bytes are ready is answered at once, a packed one and that nothing has changed, too."""
    source = CommandedSource()
    reply = replier(source)
    assert reply(b"GET", url, []) is None
    await prepared(source)
    await prepared(source, (b"accept-encoding", b"zstd"))
    plain, packed = reply(b"GET", url, []), reply(b"GET", url, [(b"accept-encoding", b"zstd")])
    unchanged = reply(b"GET", url, [(b"if-none-match", b"*")])
    bodiless = reply(b"HEAD", url, [])
    assert plain is not None
    assert packed is not None
    assert unchanged is not None
    assert bodiless is not None
    assert [plain.status, packed.status, unchanged.status, bodiless.status] == [200, 200, 304, 200]
    assert plain.body
    assert not unchanged.body
    assert not bodiless.body
    assert b"content-length: %d\r\n" % len(plain.body) in bodiless.lines


@pytest.mark.parametrize(
    ("method", "url", "header"),
    [
        (b"POST", b"/", None),
        (b"GET", b"/any/path", None),
        (b"GET", b"/?wait=5s", None),
        (b"GET", b"/", (b"cache-control", b"no-cache")),
        (b"GET", b"/", (b"content-length", b"3")),
        (b"GET", b"/", (b"transfer-encoding", b"chunked")),
        (b"GET", b"/", (b"expect", b"100-continue")),
        (b"GET", b"/", (b"upgrade", b"h2c")),
    ],
)
async def test_what_takes_more_goes_the_long_way(method: bytes, url: bytes, header: tuple[bytes, bytes] | None) -> None:
    """A request that is more than one for a document that is ready is left to the long way."""
    source = CommandedSource()
    await prepared(source)
    assert replier(source)(b"GET", b"/", []) is not None
    assert replier(source)(method, url, [header] if header else []) is None


async def test_what_is_long_is_not_written_in_one_go_where_that_costs() -> None:
    """With TLS a body over the limit of a piece goes the long way, which writes piece by piece."""
    source = CommandedSource()
    await prepared(source)
    size = len(source.shown.body("1.2.5"))
    assert replier(source, most_bytes=size)(b"GET", b"/", []) is not None
    assert replier(source, most_bytes=size - 1)(b"GET", b"/", []) is None


def test_where_others_have_a_word_to_say_all_go_the_long_way() -> None:
    """With a line in the log or a span for each request, or with CORS or proxies around, nothing goes at once."""
    watch = Watch(Telemetry())
    front = Front(CommandedSource(), Door(None), "1.2.5", _nothing_behind)
    assert watched_service(front, front, watch, is_encrypted=False).at_once is not None
    tracing = start("http://127.0.0.1:9", lambda _number: None, Secrets())
    others: list[tuple[App, Watch]] = [
        (front, replace(watch, log_requests=True)),
        (front, replace(watch, tracing=tracing)),
        (browsers(front, ["https://dashboard.example.org"]), watch),
        (proxies(front, [ip_network("127.0.0.0/8")]), watch),
    ]
    try:
        assert [watched_service(front, app, by, is_encrypted=False).at_once for app, by in others] == [None] * 4
    finally:
        tracing.close()


async def test_what_breaks_at_once_goes_the_long_way() -> None:
    """A defect in the quick way is logged, and the request answered on the long way."""
    source = CommandedSource()
    await prepared(source)
    source.failure = ZeroDivisionError("a defect")
    with capture_logs() as told:
        assert replier(source)(b"GET", b"/", []) is None
    assert [line["event"] for line in told] == ["answering at once broke"]


# --- tokens at once


async def test_a_token_is_known_again_on_its_connection_as_long_as_it_holds(realm: Realm, public_key: str) -> None:
    """What a connection bore before opens at once, but not past its time, and says nothing of another token."""
    clock = Hands(1000.0)
    guard = static_guard(public_key, clock=clock)
    first, second = (b"Bearer " + realm.token(now=clock.at, jti=word).encode() for word in ("a", "b"))
    borne = Borne()
    assert guard.admit_at_once([first], borne) is None
    assert await guard.admit([first]) == EVERYTHING
    assert guard.admit_at_once([first], borne) == guard.admit_at_once([first], borne) == EVERYTHING
    assert guard.admit_at_once([second], borne) is None
    assert guard.admit_at_once([first[:-1]], borne) is None
    for bad in ([], [first, first], [b""], [first + b"="]):
        with pytest.raises(TokenRefusedError):
            guard.admit_at_once(bad, borne)
    clock.at += 1_000_000
    assert guard.admit_at_once([first], borne) is None
    with pytest.raises(TokenRefusedError, match="expired"):
        await guard.admit([first])


async def test_a_key_that_is_withdrawn_closes_connections_that_know_its_token() -> None:
    """When the keys change, what a connection bore is verified anew; strangers are refused at once meanwhile."""
    key, other = rsa_key("first"), rsa_key("second")
    publisher = Publisher()
    publisher.publish(ISSUER, key)
    keys = issuer_keys(publisher)
    guard, borne = guard_of(keys), Borne()
    token, stranger = ([f"Bearer {each.token()}".encode()] for each in (key, other))
    assert guard.admit_at_once(stranger, borne) is None, "the issuer may still be asked"
    assert await guard.admit(token) == EVERYTHING
    assert guard.admit_at_once(token, borne) == EVERYTHING
    with pytest.raises(TokenRefusedError, match="unknown key"):
        guard.admit_at_once(stranger, borne)
    publisher.publish(ISSUER, other)
    running = asyncio.create_task(keys.run())
    await eventually(lambda: keys.find("second", b""))
    running.cancel()
    with pytest.raises(TokenRefusedError, match="unknown key"):
        guard.admit_at_once(token, borne)
