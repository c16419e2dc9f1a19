"""An upstream that repeats what it was sent, wherever it can say anything: nobody is told any part of it."""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aggregator.errors import QueryError
from aggregator.querier.access import Access
from aggregator.querier.client import Address, Client, Limits
from aggregator.querier.decode import Answer, decoder
from aggregator.querier.gather import Gatherer, Query
from aggregator.secrets import HIDDEN, Secrets
from aggregator.settings import read
from aggregator.settings.secrets import secrets_of
from tests.querier.peer import Peer, Request, peer, response
from tests.test_secrets import PIECE, piece_of

LIMITS = Limits(query_seconds=5, answer_bytes=1_000_000, connections=1)
QUERY = Query("one", "up", decoder(()))
TOKEN = "tok3n-0123456789abcdef-ghijklmnop"
FILL = "."


def _answer(**beside: object) -> bytes:
    return response(json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}} | beside).encode())


def _moved(text: str) -> bytes:
    return response(b"", "302 Found", f"Location: /{quote(text)}", "Connection: close")


# Where an upstream may say a text: what it answers with.
PLACES: dict[str, Callable[[str], bytes]] = {
    "the reason of a refusal": lambda text: response(json.dumps({"error": text}).encode(), "400 Bad Request"),
    "the kind of a refusal": lambda text: response(
        json.dumps({"errorType": text, "error": "x"}).encode(), "422 Unprocessable"
    ),
    "the phrase of a status": lambda text: response(b"", f"503 {text}"),
    "a warning": lambda text: _answer(warnings=["x", text]),
    "warnings that are one text": lambda text: _answer(warnings=text),
    "a warning that is no text": lambda text: _answer(warnings=[{"store": {"said": [text]}}]),
    "a remark": lambda text: _answer(infos=[text]),
    "a word that is not success": lambda text: _answer(status=text),
    "a page": lambda text: response(f"<p>{text}</p>".encode()),
    "JSON that is cut": lambda text: response(json.dumps({"status": text}).encode()[:-1]),
    "no HTTP": lambda text: f"{text}\r\n\r\n".encode("latin-1"),
    "a chunk's length": lambda text: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode(
        "latin-1"
    ),
    "the path of a redirect": _moved,
}


def told(upstream: Peer, access: Access, secrets: Secrets, address: Address | None = None) -> str:
    """Ask the upstream once; return all that is told of what it said."""
    client = Client(address or Address(upstream.url), LIMITS, access, secrets=secrets)
    gatherer = Gatherer(client, 1, 10.0, secrets=secrets)
    try:
        result = gatherer.gather([QUERY], 1.0)["one"].result
    finally:
        gatherer.close()
        client.close()
    if isinstance(result, Answer):
        return " ".join((*result.warnings, *result.remarks))
    assert isinstance(result, QueryError)
    return str(result)


@contextmanager
def repeating(place: str, before: int, after: int) -> Iterator[Peer]:
    """Run an upstream that repeats at a place what it was sent, behind and before other letters."""

    def script(connection: socket.socket, request: Request, _peer: Peer) -> None:
        said = f"{FILL * before}{sent(request)}{FILL * after}"
        is_led_here = request.path != "/api/v1/query"
        connection.sendall(response(b"", "404 Not Found") if is_led_here else PLACES[place](said))
        connection.shutdown(socket.SHUT_WR)

    with peer(script) as running:
        yield running


def sent(request: Request) -> str:
    """Return the credentials of a request: the token, or user and password."""
    scheme, _, value = request.headers["authorization"].partition(" ")
    return value if scheme == "Bearer" else base64.b64decode(value).decode()


@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_told(place: str) -> None:
    """At each of these places what is no secret is told, so that there is something to hide."""
    with repeating(place, 0, 0) as upstream:
        assert "harmless" in told(upstream, Access(token="harmless"), Secrets())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("cut", [0, 60, 300])
def test_no_cut_leaves_the_beginning_of_a_token(place: str, cut: int) -> None:
    """Where a text of the upstream is cut, nothing is left of a token that begins before and ends behind."""
    for before in range(max(0, cut - len(TOKEN)), cut + 3, 4):
        with repeating(place, before, 400) as upstream:
            assert not piece_of(TOKEN, told(upstream, Access(token=TOKEN), Secrets([TOKEN])))


LETTERS = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=FILL)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(LETTERS, min_size=PIECE, max_size=80), st.sampled_from(sorted(PLACES)), st.integers(0, 350))
@example("<secret>&\"it's\\", "a page", 40)
def test_any_token_at_any_place(token: str, place: str, before: int) -> None:
    """Of whatever token, wherever it is repeated, no eight letters are told."""
    with repeating(place, before, 5) as upstream:
        assert not piece_of(token, told(upstream, Access(token=token), Secrets([token])))


PASSWORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters=FILL), min_size=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PASSWORDS, st.sampled_from(sorted(PLACES.keys() - {"no HTTP", "a chunk's length", "the phrase of a status"})))
def test_any_password_at_any_place(password: str, place: str) -> None:
    """Of whatever password in an address, as it is written there, no eight letters are told."""
    with repeating(place, 280, 5) as upstream:
        url = upstream.url.replace("//", f"//scraper:{quote(password, safe='')}@")
        chosen = read({"PROMETHEUS_ADDRESS": url})
        said = told(upstream, chosen.access, Secrets(secrets_of(chosen, {})), chosen.upstreams[0])
        assert not piece_of(password, said)


def test_a_token_from_a_file_is_hidden_before_it_is_sent(tmp_path: Path) -> None:
    """What the file of the token holds is hidden once it is sent, and still is when the file has changed."""
    file, secrets = tmp_path / "token", Secrets()
    with repeating("the reason of a refusal", 0, 0) as upstream:
        for number in range(3):
            file.write_text(f"tok3n-of-a-file-{number:06}")
            said = told(upstream, Access(token_file=str(file)), secrets)
            assert said == f"HTTP 400: error: {HIDDEN}"
    assert secrets.hide("once it was tok3n-of-a-file-000000") == f"once it was {HIDDEN}"
