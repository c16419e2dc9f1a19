"""Lines of the log: what may be in them, and what leaves as stars."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.logs import Mask, shown_path
from aggregator.secrets import HIDDEN, NONE_KNOWN, Secrets
from tests.server.tokens import Realm

TOKEN = Realm().token()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET http://scraper:sw0rdfish@prometheus:9090/x", f"GET http://{HIDDEN}@prometheus:9090/x"),
        ("Authorization: Bearer abcdefgh.ijkl", f"Authorization: Bearer {HIDDEN}"),
        ("authorization: basic c2NyYXBlcjpzdzByZA==", f"authorization: basic {HIDDEN}"),
        (f"GET /?access_token={TOKEN} HTTP/1.1", f"GET /?access_token={HIDDEN} HTTP/1.1"),
        ("-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----", HIDDEN),
        ("a secret named hunter2hunter2, said twice: hunter2hunter2", f"a secret named {HIDDEN}, said twice: {HIDDEN}"),
        ("user@example.org asked http://host/path", "user@example.org asked http://host/path"),
        ("basic auth is used", "basic auth is used"),
    ],
)
def test_secrets_leave_as_stars(line: str, shown: str) -> None:
    """What looks like a credential, or is known to be one, is replaced, and nothing else."""
    assert Mask(Secrets(["hunter2hunter2", ""]))(None, "", line) == shown


def test_a_masked_line_is_still_json() -> None:
    """A JSON line whose value was replaced can still be read."""
    line = json.dumps({"event": 'x "http://u:p@h/" y', "token": TOKEN, "auth": "Bearer 12345678"})
    assert json.loads(Mask(NONE_KNOWN)(None, "", line))["event"] == f'x "http://{HIDDEN}@h/" y'


def test_a_line_is_one_line_to_every_reader() -> None:
    """What turns text around, commands a terminal or ends a line for some is escaped, so that JSON stays as it was."""
    text = "a\x7f\x85\x9b31m\u2028\u2029\u202e\ufeffä"
    line = Mask(NONE_KNOWN)(None, "", json.dumps({"event": text}, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == {"event": text}


@given(st.text())
def test_a_path_is_shown_on_one_line(path: str) -> None:
    """Whatever a client asks for, what is logged is printable and bounded."""
    shown = shown_path(path)
    assert shown.isprintable()
    assert len(shown) <= 200


def test_a_long_segment_is_not_shown() -> None:
    """A token in a path is not logged, what surrounds it is."""
    assert shown_path(f"/a/{TOKEN}/b") == f"/a/({len(TOKEN)} characters)/b"
