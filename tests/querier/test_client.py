"""One exchange with an upstream, by the real client against a real server that misbehaves."""

import gzip
import itertools
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
import requests.exceptions

from aggregator.errors import (
    NotListeningError,
    QueryError,
    RefusedError,
    TooLargeError,
    TooSlowError,
    UnreachableError,
)
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.translation import translated
from aggregator.secrets import NONE_KNOWN
from demo.prometheus import free_port
from tests.querier.peer import (
    WAIT_SECONDS,
    Peer,
    Request,
    Script,
    dripping,
    hanging,
    hanging_up,
    peer,
    resetting,
    response,
    sending,
)

BODY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
LIMITS = Limits(query_seconds=5, answer_bytes=100_000, connections=2)

Make = Callable[..., Client]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return a function that makes a client, and close what it made."""
    made: list[Client] = []

    def make_client(url: str, user: str | None = None, password: str | None = None, limits: Limits = LIMITS) -> Client:
        made.append(Client(Address(url, user, password), limits, sleep=no_sleep))
        return made[-1]

    yield make_client
    for client in made:
        client.close()


def no_sleep(_seconds: float) -> None:
    """Fail: these exchanges are not tried again."""
    raise AssertionError("a second try")


def failure(client: Client) -> QueryError:
    """Return the error of an exchange that fails."""
    with pytest.raises(QueryError) as caught:
        client.ask("up", 1.0)
    return caught.value


def test_the_body_comes_back_as_it_is(make: Make) -> None:
    """The client gives the bytes of the answer and does not look into them."""
    with peer(sending(response(b"<html>anything</html>"))) as upstream:
        assert make(upstream.url).ask("up", 1.0) == b"<html>anything</html>"


def test_what_is_asked(make: Make) -> None:
    """An exchange is one GET of the query API with the expression, the time in milliseconds, and a time limit."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url).ask('max by (a) (m{b="ü&+"})', 1795208200.12345)
    (request,) = upstream.requests
    assert request.path == "/api/v1/query"
    assert request.parameters == {
        "query": ['max by (a) (m{b="ü&+"})'],
        "time": ["1795208200.123"],
        "timeout": ["5s"],
    }


def test_no_compression_is_asked_for(make: Make) -> None:
    """The upstream is asked for plain bytes, and told who asks."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url).ask("up", 1.0)
    assert upstream.requests[0].headers["accept-encoding"] == "identity"
    assert upstream.requests[0].headers["user-agent"].startswith("aggregator/")


def test_compressed_bytes_are_read_all_the_same(make: Make) -> None:
    """An upstream that compresses unasked is understood."""
    with peer(sending(response(gzip.compress(BODY), "200 OK", "Content-Encoding: gzip"))) as upstream:
        assert make(upstream.url).ask("up", 1.0) == BODY


def test_a_body_in_chunks_is_read_whole(make: Make) -> None:
    """The answer may come in chunks of unknown number."""
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with peer(sending(chunks)) as upstream:
        assert make(upstream.url).ask("up", 1.0) == b"abcde"


def test_the_path_of_the_address_is_kept(make: Make) -> None:
    """An upstream behind a path prefix is asked there."""
    with peer(sending(response(BODY))) as upstream:
        make(f"{upstream.url}/thanos/query").ask("up", 1.0)
    assert upstream.requests[0].path == "/thanos/query/api/v1/query"


def test_credentials_go_into_the_header(make: Make) -> None:
    """User and password are sent as basic authentication and nowhere else."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url, "user", "pa:ss").ask("up", 1.0)
    assert upstream.requests[0].headers["authorization"] == "Basic dXNlcjpwYTpzcw=="
    assert "user" not in upstream.requests[0].headers["host"]


def test_without_credentials_none_are_sent(make: Make) -> None:
    """An address without credentials is asked without."""
    with peer(sending(response(BODY))) as upstream:
        make(upstream.url).ask("up", 1.0)
    assert "authorization" not in upstream.requests[0].headers


def test_a_connection_is_used_again(make: Make) -> None:
    """Exchanges one after another share one connection, refused ones too."""
    replies = itertools.chain([response(b"no", "503 Service Unavailable")], itertools.repeat(response(BODY)))

    def script(connection: object, request: Request, running: Peer) -> None:
        sending(next(replies))(connection, request, running)  # type: ignore[arg-type] # passed on as it is

    with peer(script) as upstream:
        client = make(upstream.url)
        failure(client)
        client.ask("up", 1.0)
        client.ask("up", 2.0)
        assert upstream.connections == 1


@pytest.mark.parametrize(
    ("status", "is_about_the_query"),
    [
        ("400 Bad Request", True),
        ("401 Unauthorized", True),
        ("422 Unprocessable Entity", True),
        ("429 Too Many Requests", False),
        ("500 Internal Server Error", False),
        ("503 Service Unavailable", False),
    ],
)
class TestRefusals:
    """What a status other than 200 becomes."""

    def test_prometheus_reason_is_told(self, make: Make, status: str, is_about_the_query: bool) -> None:
        """The reason in the JSON of a refusal is the text of the error."""
        body = b'{"status":"error","errorType":"bad_data","error":"parse error at char 12"}'
        with peer(sending(response(body, status))) as upstream:
            error = failure(make(upstream.url))
        assert isinstance(error, RefusedError)
        assert str(error) == f"HTTP {status[:3]}: bad_data: parse error at char 12"
        assert error.may_use_last_answer is not is_about_the_query

    def test_without_json_the_phrase_is_told(self, make: Make, status: str, is_about_the_query: bool) -> None:
        """A refusal by something that is not Prometheus is told by the phrase of its status."""
        with peer(sending(response(b"<html>\xff</html>", status))) as upstream:
            error = failure(make(upstream.url))
        assert str(error) == f"HTTP {status[:3]}: {status[4:]}"
        assert error.may_use_last_answer is not is_about_the_query

    def test_it_is_not_asked_again(self, make: Make, status: str, is_about_the_query: bool) -> None:
        """A refusal is one request, whatever its status."""
        with peer(sending(response(b"", status))) as upstream:
            failure(make(upstream.url))
            assert len(upstream.requests) == 1
        assert isinstance(is_about_the_query, bool)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 17", 17.0),
        ("Retry-After: -1", None),
        ("Retry-After: soon", None),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("Retry-After: ", None),
        ("X-Other: 17", None),
    ],
)
def test_retry_after_is_read(make: Make, header: str, seconds: float | None) -> None:
    """Whole seconds count; dates and nonsense do not."""
    with peer(sending(response(b"", "429 Too Many Requests", header))) as upstream:
        error = failure(make(upstream.url))
    assert isinstance(error, RefusedError)
    assert error.retry_after_seconds == seconds


def test_a_path_that_is_not_there_is_told(make: Make) -> None:
    """A 404 tells which path was asked, without the query, and doubts the address."""
    with peer(sending(response(b"404 page not found", "404 Not Found"))) as upstream:
        told = str(failure(make(f"{upstream.url}/prom")))
    assert told == "HTTP 404: Not Found at /prom/api/v1/query; is the path of the address right?"


@pytest.mark.parametrize(
    "said",
    [
        response(b"Client sent an HTTP request to an HTTPS server.\n", "400 Bad Request"),
        response(b"<h1>The plain HTTP request was sent to HTTPS port</h1>", "400 Bad Request"),
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    ],
    ids=["Go", "nginx", "alert"],
)
def test_plain_http_to_a_port_of_tls_is_told(make: Make, said: bytes) -> None:
    """However a port of TLS turns plain HTTP away, the reason is that the address wants https."""
    with peer(hanging_up(said)) as upstream:
        assert "it speaks only TLS there: the address has to begin with https://" in str(failure(make(upstream.url)))


def test_a_long_reason_is_cut(make: Make) -> None:
    """However much an upstream has to say, the error stays short."""
    body = b'{"status":"error","errorType":"x","error":"' + b"a" * 50_000 + b'"}'
    with peer(sending(response(body, "400 Bad Request"))) as upstream:
        assert len(str(failure(make(upstream.url)))) < 400


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(hanging_up(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), UnreachableError, id="half a body"),
        pytest.param(
            hanging_up(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), UnreachableError, id="chunk"
        ),
        pytest.param(hanging_up(b""), UnreachableError, id="no answer"),
        pytest.param(hanging_up(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UnreachableError, id="another protocol"),
        pytest.param(resetting, UnreachableError, id="reset"),
        pytest.param(
            sending(response(b"not gzip", "200 OK", "Content-Encoding: gzip")), UnreachableError, id="broken gzip"
        ),
        pytest.param(sending(response(b" " * 100_001)), TooLargeError, id="over the cap"),
        pytest.param(
            sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 400_000),
            TooLargeError,
            id="over the cap by far",
        ),
        pytest.param(
            sending(response(b"", "302 Found", "Location: /api/v1/query")), UnreachableError, id="redirects for ever"
        ),
        pytest.param(
            sending(response(b"", "302 Found", "Location: ftp://x/")), UnreachableError, id="redirect to no HTTP"
        ),
    ],
)
def test_a_broken_exchange_is_told_apart(make: Make, script: Script, kind: type[QueryError]) -> None:
    """Each way to fail is the error for it, tried once, without a word of the address or the credentials."""
    with peer(script) as upstream:
        error = failure(make(upstream.url, "user", "hunter2"))
    assert type(error) is kind
    assert error.may_use_last_answer
    assert "hunter2" not in str(error)
    assert str(upstream.port) not in str(error)


def test_an_answer_of_just_the_cap_is_taken(make: Make) -> None:
    """The cap itself is not over the cap."""
    with peer(sending(response(b" " * 100_000))) as upstream:
        assert len(make(upstream.url).ask("up", 1.0)) == 100_000


def test_an_answer_over_the_cap_is_broken_off(make: Make) -> None:
    """The rest of an answer that is too large is not waited for: the connection is closed."""
    with peer(sending(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * 400_000)) as upstream:
        failure(make(upstream.url))
        assert upstream.left.wait(WAIT_SECONDS)


def test_silence_is_too_slow(make: Make) -> None:
    """An upstream that says nothing is given up a second after the time for one query."""
    with peer(hanging) as upstream:
        error = failure(make(upstream.url, limits=Limits(query_seconds=0.05, answer_bytes=1000, connections=1)))
        assert type(error) is TooSlowError
        assert upstream.left.wait(WAIT_SECONDS)


@pytest.mark.parametrize("script", [hanging, dripping])
def test_abort_ends_every_exchange(make: Make, script: Script) -> None:
    """Exchanges that would last for ever fail at once when they are aborted, and their sockets are closed."""
    with peer(script) as upstream:
        client = make(upstream.url)
        errors: list[QueryError] = []
        asking = threading.Thread(target=lambda: errors.append(failure(client)))
        asking.start()
        assert upstream.asked.wait(WAIT_SECONDS)
        client.abort()
        asking.join(WAIT_SECONDS)
        assert [type(error) for error in errors] == [UnreachableError]
        assert upstream.left.wait(WAIT_SECONDS)


def test_a_client_is_of_use_after_an_abort(make: Make) -> None:
    """Aborting breaks connections, idle ones too, not the client."""
    with peer(sending(response(BODY))) as upstream:
        client = make(upstream.url)
        client.ask("up", 1.0)
        client.abort()
        assert client.ask("up", 2.0) == BODY


def test_a_redirect_is_followed(make: Make) -> None:
    """A server that has moved its API is asked where it is now, with the same question and credentials."""

    def script(connection: socket.socket, request: Request, running: Peer) -> None:
        moved = response(b"", "307 Temporary Redirect", "Location: /new?query=up")
        sending(response(BODY) if request.path == "/new" else moved)(connection, request, running)

    with peer(script) as upstream:
        assert make(upstream.url, "user", "pass").ask("up", 1.0) == BODY
    assert (upstream.requests[1].path, upstream.requests[1].parameters["query"]) == ("/new", ["up"])
    assert [request.headers["authorization"] for request in upstream.requests] == ["Basic dXNlcjpwYXNz"] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_redirect_to_another_place_is_not_followed(make: Make, host: str) -> None:
    """Another port or host is not asked, so that neither credentials nor headers get there."""
    with peer(sending(response(BODY))) as target:
        moved = response(b"", "302 Found", f"Location: http://{host}:{target.port}/")
        with peer(sending(moved)) as upstream:
            error = failure(make(upstream.url, "user", "hunter2"))
    assert str(error) == "it redirects to another place, where it is not followed"
    assert not target.requests


def test_a_refused_connection_is_tried_once_more() -> None:
    """Where nobody listens the client pauses once, for a random short time, and tries a second and last time."""
    pauses: list[float] = []
    client = Client(Address(f"http://127.0.0.1:{free_port()}"), LIMITS, sleep=pauses.append)
    error = failure(client)
    client.close()
    assert type(error) is NotListeningError
    assert str(error) == "connection refused"
    assert len(pauses) == 1
    assert 0.05 <= pauses[0] <= 0.15


def test_the_second_try_may_succeed() -> None:
    """An upstream that has come back during the pause answers."""
    port = free_port()
    come_back = peer(sending(response(BODY)), port)
    client = Client(Address(f"http://127.0.0.1:{port}"), LIMITS, sleep=lambda _seconds: void(come_back.__enter__()))
    try:
        assert client.ask("up", 1.0) == BODY
    finally:
        client.close()
        come_back.__exit__(None, None, None)


def void(_value: object) -> None:
    """Drop a value."""


@pytest.mark.parametrize(
    "kind",
    [
        found
        for found in vars(requests.exceptions).values()
        if isinstance(found, type)
        and issubclass(found, requests.RequestException)
        and found is not requests.JSONDecodeError
    ],
)
def test_every_error_of_requests_is_translated(kind: type[requests.RequestException]) -> None:
    """Whatever requests raises becomes one of our errors; what has to do with time is too slow."""
    error = translated(kind("said"), NONE_KNOWN)
    assert isinstance(error, TooSlowError if issubclass(kind, requests.Timeout) else UnreachableError)


def test_a_printed_address_hides_the_password() -> None:
    """What a log might show of an address has no password in it."""
    assert "hunter2" not in repr(Address("http://host", "user", "hunter2"))
