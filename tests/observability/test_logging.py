"""Log lines: redaction, escaping, and what they show of a path."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.observability.logs import RedactingProcessor, build_renderers, sanitize_path
from aggregator.observability.redaction import PATTERN_REDACTOR, REDACTED, Redactor
from tests.server.auth.signed_tokens import FakeRealm

TOKEN = FakeRealm().issue_token()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET http://scraper:sw0rdfish@prometheus:9090/x", f"GET http://{REDACTED}@prometheus:9090/x"),
        ("Authorization: Bearer abcdefgh.ijkl", f"Authorization: Bearer {REDACTED}"),
        ("authorization: basic c2NyYXBlcjpzdzByZA==", f"authorization: basic {REDACTED}"),
        (f"GET /?access_token={TOKEN} HTTP/1.1", f"GET /?access_token={REDACTED} HTTP/1.1"),
        ("-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----", REDACTED),
        (
            "a secret named hunter2hunter2, repeated: hunter2hunter2",
            f"a secret named {REDACTED}, repeated: {REDACTED}",
        ),
        ("user@example.org asked http://host/path", "user@example.org asked http://host/path"),
        ("basic auth is used", "basic auth is used"),
    ],
)
def test_secrets_are_redacted(line: str, expected: str) -> None:
    """Known secrets and text that looks like a credential are replaced, and nothing else."""
    assert RedactingProcessor(Redactor(["hunter2hunter2", ""]))(None, "", line) == expected


def test_a_redacted_line_is_still_json() -> None:
    """A JSON line with a redacted value is valid JSON."""
    line = json.dumps({"event": 'x "http://u:p@h/" y', "token": TOKEN, "auth": "Bearer 12345678"})
    assert json.loads(RedactingProcessor(PATTERN_REDACTOR)(None, "", line))["event"] == f'x "http://{REDACTED}@h/" y'


def test_unsafe_characters_are_escaped() -> None:
    """Characters that control a terminal, change the text direction or end a line are escaped, as JSON allows."""
    text = "a\x7f\x85\x9b31m\u2028\u2029\u202e\ufeffä"
    line = RedactingProcessor(PATTERN_REDACTOR)(None, "", json.dumps({"event": text}, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == {"event": text}


# Sets the title of a terminal, clears it, and begins a line. Without spaces, structlog would not quote it.
CONTROL_TEXT = "\x1b]0;title\x07\x9b2J\r\nforged\x00\x08"


def render_line(log_format: str, event: dict[str, Any]) -> str:
    """Return the line of an event."""
    processors: list[Any] = [*build_renderers(log_format, is_terminal=False), RedactingProcessor(PATTERN_REDACTOR)]
    rendered: Any = event
    for processor in processors:
        rendered = processor(None, "", rendered)
    return str(rendered)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("value", [CONTROL_TEXT, [CONTROL_TEXT], {CONTROL_TEXT: CONTROL_TEXT}])
def test_control_characters_in_fields_are_escaped(log_format: str, value: object) -> None:
    """In both formats, the fields of an event and its message cannot control the terminal or begin a line."""
    assert render_line(log_format, {"event": CONTROL_TEXT, "reason": value}).isprintable()


def test_control_characters_in_tracebacks_are_escaped() -> None:
    """In the text format, the message of an exception cannot control the terminal."""
    error = ValueError(CONTROL_TEXT)
    line = render_line("text", {"event": "failed", "exc_info": (ValueError, error, None)})
    assert "ValueError" in line
    assert line.replace("\n", "").isprintable()


@given(st.text())
def test_a_logged_path_is_printable(path: str) -> None:
    """Any path is logged as printable text of limited length."""
    logged = sanitize_path(path)
    assert logged.isprintable()
    assert len(logged) <= 200


def test_a_long_path_segment_is_not_logged() -> None:
    """A token in a path is not logged; the other segments are."""
    assert sanitize_path(f"/a/{TOKEN}/b") == f"/a/({len(TOKEN)} characters)/b"
