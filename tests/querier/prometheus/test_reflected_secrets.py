"""An upstream that repeats the credentials in its responses: no part of them is shown."""

import base64
import html
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
from aggregator.observability.redaction import REDACTED, Redactor
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.credentials import UpstreamCredentials
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.source import RefreshBudget, RowSamples
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_secrets, load_settings
from tests.observability.test_redaction import PIECE_CHARACTERS, find_leaked_piece
from tests.support.samples import create_row
from tests.support.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    build_closing_script,
    build_http_response,
    run_scripted_server,
)

LIMITS = QueryLimits(query_timeout_seconds=5, max_response_bytes=1_000_000, max_connections=1)
ROW = create_row("up")
TOKEN = "tok3n-0123456789abcdef-ghijklmnop"
FILLER = "."


def _encode_success(**extra: object) -> bytes:
    return build_http_response(
        json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}} | extra).encode()
    )


def _build_redirect(text: str) -> bytes:
    return build_http_response(b"", "302 Found", f"Location: /{quote(text)}", "Connection: close")


# Where an upstream may say a text: what it answers with.
ECHO_PLACES: dict[str, Callable[[str], bytes]] = {
    "the reason of a refusal": lambda text: build_http_response(
        json.dumps({"error": text}).encode(), "400 Bad Request"
    ),
    "an error object": lambda text: build_http_response(
        json.dumps({"error": {"status": text, "message": text}}).encode(), "403 Forbidden"
    ),
    "an error of unknown shape": lambda text: build_http_response(
        json.dumps({"a": [text]}, ensure_ascii=True).encode(), "403 Forbidden"
    ),
    "an error as plain text": lambda text: build_http_response(f"no access:  {text}".encode(), "401 Unauthorized"),
    "the title of an error page": lambda text: build_http_response(
        f"<html><title>{html.escape(text)}</title>".encode(), "401 Unauthorized"
    ),
    "the title of a page": lambda text: build_http_response(f"<html><title>{text}</title>".encode()),
    "the kind of a refusal": lambda text: build_http_response(
        json.dumps({"errorType": text, "error": "x"}).encode(), "422 Unprocessable"
    ),
    "the phrase of a status": lambda text: build_http_response(b"", f"503 {text}"),
    "a warning": lambda text: _encode_success(warnings=["x", text]),
    "warnings that are one text": lambda text: _encode_success(warnings=text),
    "a warning that is no text": lambda text: _encode_success(warnings=[{"store": {"said": [text]}}]),
    "a remark": lambda text: _encode_success(infos=[text]),
    "a word that is not success": lambda text: _encode_success(status=text),
    "a page": lambda text: build_http_response(f"<p>{text}</p>".encode()),
    "JSON that is cut": lambda text: build_http_response(json.dumps({"status": text}).encode()[:-1]),
    "the path of a redirect": _build_redirect,
    "the host of a redirect": lambda text: build_http_response(
        b"", "302 Found", f"Location: http://{quote(text, safe='')}.example/", "Connection: close"
    ),
}


# Malformed HTTP, of which nothing is repeated: a parser may have cut the text within a token.
UNQUOTED_RESPONSES: dict[str, Callable[[str], bytes]] = {
    "status line": lambda text: f"{text}\r\n\r\n".encode("latin-1"),
    "chunk length": lambda text: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode("latin-1"),
}


def query_and_describe(
    upstream: ScriptedServer, access: UpstreamCredentials, redactor: Redactor, address: UpstreamAddress | None = None
) -> str:
    """Query the upstream once; return all text of it that is reported."""
    client = PrometheusClient(address or UpstreamAddress(upstream.url), LIMITS, access, redactor=redactor)
    source = PrometheusSource(client, 1, redactor=redactor)
    try:
        result = source.collect([ROW], 1.0, RefreshBudget(10.0)).wait_for_row(ROW).outcome
    finally:
        source.close()
        client.close()
    if isinstance(result, RowSamples):
        return " ".join((*result.warnings, *result.remarks))
    assert isinstance(result, QueryError)
    return str(result)


@contextmanager
def run_echoing_upstream(place: str, before: int, after: int) -> Iterator[ScriptedServer]:
    """Run an upstream that repeats the credentials at a place, between other letters."""

    def script(connection: socket.socket, request: ReceivedRequest, _peer: ScriptedServer) -> None:
        text = f"{FILLER * before}{decode_credentials(request)}{FILLER * after}"
        is_redirect_target = request.path != "/api/v1/query"
        connection.sendall(
            build_http_response(b"", "404 Not Found") if is_redirect_target else ECHO_PLACES[place](text)
        )
        connection.shutdown(socket.SHUT_WR)

    with run_scripted_server(script) as running:
        yield running


def decode_credentials(request: ReceivedRequest) -> str:
    """Return the credentials of a request: the token, or user and password."""
    scheme, _, value = request.headers["authorization"].partition(" ")
    return value if scheme == "Bearer" else base64.b64decode(value).decode()


@pytest.mark.parametrize("place", ECHO_PLACES)
def test_harmless_text_is_reported(place: str) -> None:
    """At each of these places, text that is not secret is reported."""
    with run_echoing_upstream(place, 0, 0) as upstream:
        assert "harmless" in query_and_describe(upstream, UpstreamCredentials(token="harmless"), Redactor())


@pytest.mark.parametrize("response", UNQUOTED_RESPONSES)
@pytest.mark.parametrize("text", ["harmless", "harmless;x", "4;harmless"])
def test_malformed_http_is_not_quoted(response: str, text: str) -> None:
    """An error about malformed HTTP contains nothing of the response."""
    with run_scripted_server(build_closing_script(UNQUOTED_RESPONSES[response](text))) as upstream:
        assert "harmless" not in query_and_describe(upstream, UpstreamCredentials(), Redactor())


@pytest.mark.parametrize("place", ECHO_PLACES)
@pytest.mark.parametrize("cut", [0, 60, 300])
def test_truncation_leaves_no_part_of_a_token(place: str, cut: int) -> None:
    """No part of a token remains where a text is truncated within the token."""
    for before in range(max(0, cut - len(TOKEN)), cut + 3, 4):
        with run_echoing_upstream(place, before, 400) as upstream:
            assert not find_leaked_piece(
                TOKEN, query_and_describe(upstream, UpstreamCredentials(token=TOKEN), Redactor([TOKEN]))
            )


LETTERS = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=FILLER)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.text(LETTERS, min_size=PIECE_CHARACTERS, max_size=80), st.sampled_from(sorted(ECHO_PLACES)), st.integers(0, 350)
)
@example("<secret>&\"it's\\", "a page", 40)
def test_any_token_at_any_place(token: str, place: str, before: int) -> None:
    """No eight letters of a token are reported, whatever the token and wherever it is repeated."""
    with run_echoing_upstream(place, before, 5) as upstream:
        assert not find_leaked_piece(
            token, query_and_describe(upstream, UpstreamCredentials(token=token), Redactor([token]))
        )


PASSWORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters=FILLER), min_size=6
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(PASSWORDS, st.sampled_from(sorted(ECHO_PLACES.keys() - {"the phrase of a status"})))
def test_any_password_at_any_place(password: str, place: str) -> None:
    """No eight letters of a password in an address are reported, however it is written there."""
    with run_echoing_upstream(place, 280, 5) as upstream:
        url = upstream.url.replace("//", f"//scraper:{quote(password, safe='')}@")
        chosen = load_settings({"PROMETHEUS_ADDRESS": url}, Settings)
        text = query_and_describe(upstream, chosen.credentials, Redactor(find_secrets(chosen, {})), chosen.upstreams[0])
        assert not find_leaked_piece(password, text)


def test_a_token_from_a_file_is_redacted(tmp_path: Path) -> None:
    """A token from a file is redacted from the time it is sent, also after the file has changed."""
    file, redactor = tmp_path / "token", Redactor()
    with run_echoing_upstream("the reason of a refusal", 0, 0) as upstream:
        for number in range(3):
            file.write_text(f"tok3n-of-a-file-{number:06}")
            text = query_and_describe(upstream, UpstreamCredentials(token_file=str(file)), redactor)
            assert text == f"HTTP 400: error: {REDACTED}"
    assert redactor.redact("once it was tok3n-of-a-file-000000") == f"once it was {REDACTED}"
