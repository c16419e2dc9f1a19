"""What is answered at once: the same as on the long way, in order, counted once."""

import contextlib
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aggregator.documents import Form
from aggregator.errors import NoTopologyError
from aggregator.secrets import Secrets
from aggregator.server.asgi import App
from aggregator.server.browsers import browsers
from aggregator.server.http_at_once import AtOnce, watched_service
from aggregator.server.http_connection import AT_ONCE_BYTES, MOST_AT_ONCE, Replier
from aggregator.server.http_front import Door, Front
from aggregator.server.http_limits import Limits
from aggregator.server.http_server import PIECE_BYTES, HttpTransport
from aggregator.server.proxies import proxies
from aggregator.server.request_id import RequestIds
from aggregator.server.watch import Watch
from aggregator.snapshot import Gap, GapKind
from aggregator.telemetry import Telemetry
from aggregator.tracing import start
from aggregator.views import BY_NAME
from tests.exposition import now
from tests.integration.process import until
from tests.server.exchange import connect, over, raw
from tests.server.judging import static_guard
from tests.server.quick import AT_ONCE, LAST, URLS, Ways, both_ways, counted, written
from tests.server.serving import Manner, serving
from tests.server.source import CommandedSource, snapshot
from tests.server.tokens import Realm

# These differ from those that are answered at once by what only the long way understands.
OTHER_URLS = (b"/?", b"/?layout=none", b"/?wait=1ms", b"/any/path", b"/api/v1/topology?wait=1ms", b"/healthz", b"//")
LARGE_BYTES = 10_000_000
TAG = snapshot().documents.tag(Form("1.2.5"))


@pytest.fixture(scope="module")
def _open_ways() -> Iterator[Ways]:
    with both_ways(None) as ways:
        yield ways


@pytest.fixture
def opened(_open_ways: Ways) -> Ways:
    """Both ways without tokens, prepared."""
    _open_ways.source.reset()
    _open_ways.prepare()
    return _open_ways


@pytest.fixture(scope="module")
def guarded(realm: Realm, public_key: str) -> Iterator[Ways]:
    """Both ways for who has a token, prepared."""
    good = b"Bearer " + realm.token().encode()
    bad = (b"Bearer nonsense", b"Bearer a.b.c", b"Basic eDp5", b"", b"Bearer " + realm.token(exp=1).encode())
    with both_ways(static_guard(public_key), good, *bad) as ways:
        ways.prepare()
        yield ways


HEADERS = st.lists(
    st.sampled_from(
        [
            *((b"Accept-Encoding", value) for value in (b"gzip", b"zstd, gzip;q=0.5", b"identity", b"br", b"gzip;q=x")),
            *((b"If-None-Match", value) for value in (TAG, b"*", b'W/"x", ' + TAG, b'"x"')),
            *((b"Cache-Control", value) for value in (b"no-cache", b"max-age=0")),
            *((b"X-Request-Id", value) for value in (b"mine", b"mine-too", b"not mine", b"m" * 200)),
            *((b"Connection", value) for value in (b"keep-alive", b"close")),
            *((b"Content-Length", b"0"), (b"Expect", b"100-continue"), (b"User-Agent", b"curl/8")),
            *((b"Origin", b"https://elsewhere.example.org"), (b"X-Forwarded-For", b"nobody")),
        ]
    ),
    max_size=4,
)


def requests(authorizations: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a few requests of one connection; one in two bears the good authorization if there is one."""
    good, chosen = list(authorizations[:1]), st.sampled_from(authorizations or (b"unasked",))
    one = st.builds(
        lambda method, url, headers, borne, version: written(
            method, url, [*headers, *((b"Authorization", value) for value in borne)], version
        ),
        st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"POST", b"OPTIONS"]),
        st.sampled_from((*URLS, *URLS, *OTHER_URLS)),
        HEADERS,
        st.one_of(st.just(good), st.lists(chosen, max_size=2)),
        st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]),
    )
    return st.lists(one, min_size=1, max_size=5).map(b"".join)


@pytest.mark.parametrize("tokens", [False, True], ids=["open", "with tokens"])
def test_both_ways_give_the_same(opened: Ways, guarded: Ways, *, tokens: bool) -> None:
    """Whatever is asked, in whatever order on one connection, gets the same bytes at once as on the long way."""
    ways = guarded if tokens else opened
    ways.counter.clear()

    @settings(max_examples=150, deadline=None)
    @given(requests(ways.authorizations))
    def agrees(asked: bytes) -> None:
        ways.agreed(asked + LAST)

    agrees()
    assert ways.counter[AT_ONCE] > 20


@pytest.mark.parametrize(
    ("version", "connection", "answers"),
    [(b"1.1", b"close", 1), (b"1.0", b"keep-alive", 1), (b"1.0", b"close", 1), (b"1.1", b"keep-alive", 2)],
)
def test_both_ways_end_a_connection_alike(opened: Ways, version: bytes, connection: bytes, answers: int) -> None:
    """A connection that is to end after an answer ends, and the answer says so."""
    told = opened.agreed(written(b"GET", b"/", [(b"Connection", connection)], version) + LAST)
    assert told.count(b"HTTP/1.1 200 OK") == answers
    assert told.count(b"connection: close") == 1


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_outage_is_told_the_same(opened: Ways, url: bytes, method: bytes) -> None:
    """Without a topology to show both ways say 503 and when to come back."""
    opened.source.failure, opened.source.next_in = NoTopologyError("no topology yet"), 7.2
    told = opened.agreed(written(method, url) + LAST)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 8\r\n" in told
    assert opened.counter[AT_ONCE] == 1


def test_what_is_missing_and_how_old_it_is_are_told_the_same(opened: Ways) -> None:
    """That a topology is incomplete, and its age, are those of the snapshot at this moment."""
    for shown, age, told_complete in (
        (snapshot(Gap(GapKind.FAILED, "node", "too slow")), 12.9, b"false"),
        (snapshot(), 3.0, b"true"),
    ):
        opened.source.shown, opened.source.age = shown, age
        opened.prepare()
        told = opened.agreed(written(b"GET", b"/") * 2 + LAST)
        assert told.count(b"x-topology-complete: %s\r\n" % told_complete) == told.count(b"age: %d\r\n" % age) == 2
        assert opened.counter[AT_ONCE] == 2


@pytest.mark.parametrize("slow", [3, MOST_AT_ONCE + 10])
def test_more_than_go_at_once_are_answered_in_order(opened: Ways, slow: int) -> None:
    """Of many requests sent together each is answered, and each in its turn, at once or not."""
    ids = [b"number-%d" % number for number in range(MOST_AT_ONCE + 20)]
    urls = [b"/healthz" if number == slow else URLS[number % len(URLS)] for number in range(len(ids))]
    sent = [written(b"GET", url, [(b"X-Request-Id", given)]) for url, given in zip(urls, ids, strict=True)]
    told = opened.agreed(b"".join(sent) + LAST)
    assert re.findall(rb"x-request-id: (number-\d+)", told) == ids
    assert opened.counter[AT_ONCE] == min(slow, MOST_AT_ONCE)


def test_a_good_request_is_answered_before_one_that_is_none(opened: Ways) -> None:
    """An answer at once is written before the refusal of what is behind its request, which would overtake others."""
    told = raw(opened.quick, written(b"GET", b"/") * 2 + b"nonsense\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"200", b"400"]


def test_an_answer_at_once_says_when_it_is_given(opened: Ways) -> None:
    """On a connection that stays open the date of the answers goes on."""
    with contextlib.closing(connect(opened.quick)) as connection:
        first = over(connection).headers["Date"]
        until(lambda: over(connection).headers["Date"] != first, "the next second")
    assert opened.counter[AT_ONCE] > 1


def test_a_request_behind_an_answer_at_once_may_take_its_time() -> None:
    """The clock of an idle connection does not run while a request is answered that came with one answered at once."""
    manner = Manner(HttpTransport(limits=Limits(idle_seconds=1)))
    patient = written(b"GET", b"/?wait=1500ms", [(b"If-None-Match", b"*")])
    with counted() as counter, serving(CommandedSource(), None, manner=manner) as ports:
        raw(ports.http, written(b"GET", b"/") + LAST)
        counter.clear()
        told = raw(ports.http, written(b"GET", b"/") + patient + LAST)
    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"304", b"200"]
    assert counter[AT_ONCE] == 1


class Large:
    """A view of ten megabytes."""

    def __call__(self, *_of: object) -> bytes:
        """Render it."""
        return b"x" * LARGE_BYTES


def test_who_does_not_take_an_answer_gets_no_more_at_once() -> None:
    """While a client has not taken what it asked for, what it asks next goes the long way, and comes whole."""
    source = CommandedSource(shown=snapshot(views={**BY_NAME, "1.2.5": Large()}))
    with counted() as counter, serving(source, None) as ports:
        raw(ports.http, written(b"GET", b"/") + LAST)
        counter.clear()
        told = raw(ports.http, written(b"GET", b"/") * 5 + LAST)
    assert counter[AT_ONCE] == 1
    assert told.count(b"HTTP/1.1 200 OK") == 6
    assert told.count(b"x" * 1000) >= 5 * LARGE_BYTES // 1000


def test_what_goes_at_once_is_bounded_in_bytes() -> None:
    """Of requests that come together so many are answered at once as have the bytes that one read may take."""
    views = {**BY_NAME, "1.2.5": lambda *_of: b"x" * (AT_ONCE_BYTES // 4)}
    with counted() as counter, serving(CommandedSource(shown=snapshot(views=views)), None) as ports:
        raw(ports.http, written(b"GET", b"/") + LAST)
        counter.clear()
        told = raw(ports.http, written(b"GET", b"/") * 9 + LAST)
    assert counter[AT_ONCE] == 4
    assert told.count(b"HTTP/1.1 200 OK") == 10


def test_who_goes_away_with_requests_under_way_is_no_failure() -> None:
    """A client that asks much, takes nothing and goes leaves no 500 behind, and nothing that broke in the log."""
    telemetry = Telemetry()
    source = CommandedSource(shown=snapshot(views={**BY_NAME, "1.2.5": Large()}))
    with serving(source, None, manner=Manner(watch=Watch(telemetry))) as ports, capture_logs() as told:
        raw(ports.http, written(b"GET", b"/") + LAST)
        with socket.create_connection(("127.0.0.1", ports.http)) as gone:
            gone.sendall(written(b"GET", b"/") * 20)
            gone.recv(1)
        until(lambda: now(telemetry).total("http_requests_total") >= 3, "the request under way is over")
        raw(ports.http, LAST)
    assert now(telemetry).total("http_requests_total", code="500") == 0
    assert [line["event"] for line in told if line["log_level"] == "error"] == []


def test_each_is_counted_once(realm: Realm, public_key: str) -> None:
    """Answers at once are counted like all others: by handler, method and code, with how long they took."""
    telemetry = Telemetry()
    bearing = [(b"Authorization", b"Bearer " + realm.token().encode())]
    asked = [written(method, url, bearing) for method in (b"GET", b"HEAD") for url in (b"/", b"/api/v1/topology")]
    manner = Manner(watch=Watch(telemetry))
    with counted() as counter, serving(CommandedSource(), static_guard(public_key), manner=manner) as ports:
        for each in asked:
            raw(ports.http, each + LAST)
        counter.clear()
        raw(ports.http, b"".join(asked * 3) + written(b"GET", b"/") * 4 + LAST)
    assert counter[AT_ONCE] == 16
    seen = now(telemetry)
    for handler in ("topology", "api"):
        for method in ("GET", "HEAD"):
            assert seen.total("http_requests_total", handler=handler, method=method, code="200") == 4
    assert seen.total("http_requests_total", code="401") == 4
    assert seen.total("aggregator_auth_failures_total") == 4
    assert seen.total("http_request_duration_seconds_count", handler="topology") == 12
    assert seen.total("http_request_duration_seconds_sum", handler="topology") > 0


# --- what goes at once, told by who answers on a connection


def replier(source: CommandedSource, most_bytes: int | None = None) -> Replier:
    """Return who answers on a connection to a front that shows this."""
    front = Front(source, Door(None), "1.2.5", _nothing_behind)
    return AtOnce(front, Watch(Telemetry()), RequestIds(), most_bytes).new_replier()


async def _nothing_behind(*_of: object) -> None:
    raise AssertionError("nothing is asked behind the front")


async def prepared(source: CommandedSource, *headers: tuple[bytes, bytes]) -> None:
    """Have the answers made that are to be at hand."""
    front = Front(source, Door(None), "1.2.5", _nothing_behind)
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    for url in URLS:
        path, _, query = url.partition(b"?")
        at = {"path": path.decode(), "raw_path": path, "query_string": query}
        scope = {"type": "http", "method": "GET", "headers": list(headers), **at}
        await front(scope, _nothing_behind, send)  # type: ignore[arg-type] # nothing is received
    assert len(sent) == 2 * len(URLS)


@pytest.mark.parametrize("url", URLS)
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


async def test_a_field_that_comes_twice_goes_the_long_way() -> None:
    """What several of a field mean together is for the long way to say."""
    source = CommandedSource()
    await prepared(source)
    assert replier(source)(b"GET", b"/", [(b"accept", b"*/*"), (b"host", b"x")]) is not None
    assert replier(source)(b"GET", b"/", [(b"accept", b"*/*")] * 2) is None


async def test_a_body_over_the_most_goes_the_long_way() -> None:
    """Where it is said how long a body may be that is written in one go, a longer one is not."""
    source = CommandedSource()
    await prepared(source)
    size = len(source.shown.body("1.2.5"))
    assert replier(source, most_bytes=size)(b"GET", b"/", []) is not None
    assert replier(source, most_bytes=size - 1)(b"GET", b"/", []) is None


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_with_tls_a_body_longer_than_a_piece_goes_the_long_way(*, is_encrypted: bool) -> None:
    """What is encrypted is written piece by piece, what is not in one go."""
    source = CommandedSource(shown=snapshot(views={**BY_NAME, "1.2.5": lambda *_of: b"x" * (PIECE_BYTES + 1)}))
    await prepared(source)
    front = Front(source, Door(None), "1.2.5", _nothing_behind)
    new_replier = watched_service(front, front, Watch(Telemetry()), is_encrypted=is_encrypted).new_replier
    assert new_replier is not None
    assert (new_replier()(b"GET", b"/", []) is None) is is_encrypted
    assert new_replier()(b"GET", b"/?layout=2025", []) is not None


def test_where_others_have_a_word_to_say_all_go_the_long_way() -> None:
    """With a line in the log or a span for each request, or with CORS or proxies around, nothing goes at once."""
    watch = Watch(Telemetry())
    front = Front(CommandedSource(), Door(None), "1.2.5", _nothing_behind)
    assert watched_service(front, front, watch, is_encrypted=False).new_replier is not None
    tracing = start("http://127.0.0.1:9", lambda _number: None, Secrets())
    others: list[tuple[App, Watch]] = [
        (front, replace(watch, log_requests=True)),
        (front, replace(watch, tracing=tracing)),
        (browsers(front, ["https://dashboard.example.org"]), watch),
        (proxies(front, [ip_network("127.0.0.0/8")]), watch),
    ]
    try:
        assert [watched_service(front, app, by, is_encrypted=False).new_replier for app, by in others] == [None] * 4
    finally:
        tracing.close()


async def test_what_breaks_at_once_goes_the_long_way() -> None:
    """A defect in the quick way is logged, and the request answered on the long way."""
    source = CommandedSource()
    await prepared(source)
    source.failure = ZeroDivisionError("a defect")
    with capture_logs() as told:
        assert replier(source)(b"GET", b"/", []) is None
    assert [(line["event"], line["path"]) for line in told] == [("answering at once broke", "/")]
