"""The stream of events: reconnecting, continuing, and giving up."""

import itertools

import pytest

from aggregator.cli.gateway import FetchError
from aggregator.cli.watch.stream import ReceivedEvent, WatchStream
from tests.cli.watch.scripted_watch import (
    POD_CHANGE,
    SNAPSHOT,
    FakeSleep,
    StoppedError,
    build_changes,
    run_watch_server,
)
from tests.support.scripted_server import ScriptedServer, build_http_response

BUSY = build_http_response(b'{"detail":"no topology yet"}', "503 Service Unavailable")
EXPIRED = build_http_response(b"", "401 Unauthorized")


def open_stream(server: ScriptedServer, sleep: FakeSleep | None = None, token: str = "") -> WatchStream:
    """Return the stream of a server."""
    return WatchStream(f"{server.url}/base/", token, {"kind": "pods", "filter": ""}, {}, sleep or FakeSleep(1))


def test_a_lost_connection_is_continued() -> None:
    """After the end of a connection, the next one asks for what follows the last version."""
    with run_watch_server([SNAPSHOT], [build_changes("v2", POD_CHANGE)]) as server:
        events = list(itertools.islice(open_stream(server, FakeSleep(9)).iterate_events(), 3))
    assert [event.name for event in events] == ["snapshot", "disconnect", "changes"]
    assert events[1].data["reason"] == "the gateway ended the stream; connecting again in 1 s"
    assert [request.headers.get("last-event-id") for request in server.requests] == [None, "v1"]
    assert {(request.path, str(request.parameters)) for request in server.requests} == {
        ("/base/api/v1/watch", "{'kind': ['pods']}")
    }


def test_a_part_is_no_version_to_continue_from() -> None:
    """If the connection ends between the parts of an event, the next one continues before it."""
    part = build_changes("v2", POD_CHANGE, remainingCount=1)
    with run_watch_server([SNAPSHOT, part], [build_changes("v2", POD_CHANGE)]) as server:
        names = [event.name for event in itertools.islice(open_stream(server, FakeSleep(9)).iterate_events(), 4)]
    assert names == ["snapshot", "changes", "disconnect", "changes"]
    assert server.requests[1].headers["last-event-id"] == "v1"


def test_pauses_grow_until_an_event_arrives() -> None:
    """While a gateway cannot serve, the pauses double up to half a minute; an event makes them short again."""
    sleep = FakeSleep(8)
    with run_watch_server([SNAPSHOT], *[BUSY] * 6, [SNAPSHOT]) as server, pytest.raises(StoppedError):
        list(open_stream(server, sleep).iterate_events())
    assert sleep.pauses == [1, 2, 4, 8, 16, 30, 30, 1]


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (BUSY, "HTTP 503: no topology yet"),
        (EXPIRED, "a token is required: set TOKEN"),
        (build_http_response(b'{"detail":"filter: x"}', "400 Bad Request"), "HTTP 400: filter: x"),
        (build_http_response(b"<html>", "200 OK", "Content-Type: text/html"), "the response is not a watch"),
        (
            build_http_response(b"data: x\n\n", "200 OK", "Content-Type: text/event-stream"),
            "the response is not a watch",
        ),
        (build_http_response(b"", "302 Found", "Location: http://127.0.0.1:9/"), "HTTP 302"),
    ],
)
def test_a_stream_that_cannot_start_fails(response: bytes, reason: str) -> None:
    """If the first connection returns no event, the error says why."""
    with run_watch_server(response) as server, pytest.raises(FetchError) as caught:
        list(open_stream(server).iterate_events())
    assert str(caught.value).startswith(reason)


def test_a_refused_token_ends_the_stream() -> None:
    """A token that has expired is not sent again and again; the error does not contain it."""
    with run_watch_server([SNAPSHOT], EXPIRED) as server, pytest.raises(FetchError) as caught:
        list(open_stream(server, FakeSleep(9), "abc.def.ghi").iterate_events())
    assert str(caught.value) == "the gateway rejected the token in TOKEN"
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer abc.def.ghi"] * 2


def test_an_unreachable_gateway_is_an_error() -> None:
    """If nothing listens at the URL, the error says so."""
    with pytest.raises(FetchError, match=r"^connection refused$"):
        next(WatchStream("http://127.0.0.1:9", "", {}, {}).iterate_events())


def test_a_missing_ca_bundle_is_an_error() -> None:
    """The variable for CA certificates must name a file."""
    stream = WatchStream("https://127.0.0.1:9", "", {}, {"REQUESTS_CA_BUNDLE": "/nowhere"})
    with pytest.raises(FetchError, match="cannot read the CA certificates in /nowhere"):
        next(stream.iterate_events())


def test_events_have_their_data() -> None:
    """An event has its name and its decoded data."""
    with run_watch_server([SNAPSHOT]) as server:
        assert next(open_stream(server).iterate_events()) == ReceivedEvent(*SNAPSHOT)
