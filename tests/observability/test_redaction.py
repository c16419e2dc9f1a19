"""Redaction: the encodings in which secrets are found, which secrets are known, and truncated texts."""

import base64
import html
import json
import re
import threading
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.observability.redaction import MAX_LEARNED_SECRETS, PATTERN_REDACTOR, REDACTED, Redactor
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import find_secrets, load_settings

ODD_PASSWORD = "pa\"ss\\wörd's <9&9>/"
TOKEN = "tok3n-0123456789abcdef"
# So much of a secret is a part of it that helps who reads it.
PIECE_CHARACTERS = 8
MAX_CHARACTERS = 300

# Secrets of letters that stand in no text of ours, so that what is found of one is of it.
ANY_TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="…*x"), min_size=6)


def build_redactor(**environment: str) -> Redactor:
    """Return the redactor for these settings."""
    environment.setdefault("PROMETHEUS_ADDRESS", "http://prometheus:9090")
    return Redactor(find_secrets(load_settings(environment, Settings), environment))


def find_leaked_piece(secret: str, text: str) -> str:
    """Return the first part of a secret that a text contains, "" if it contains none."""
    pieces = (secret[at : at + PIECE_CHARACTERS] for at in range(len(secret) - PIECE_CHARACTERS + 1))
    return next((piece for piece in pieces if piece in text), "")


GO_HTML_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in ASCII": json.dumps,
    "JSON of Go": lambda text: json.dumps(text, ensure_ascii=False).translate(GO_HTML_ESCAPES),
    "Python": repr,
    "Python, beside quotes": lambda text: repr(f"'{text}\""),
    "Python's bytes": lambda text: repr(text.encode()),
    "HTML": html.escape,
    "a URL": lambda text: quote(text, safe=""),
    "a URL, small": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "a path": quote,
    "a query": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "Latin-1 for UTF-8": lambda text: text.encode().decode("latin-1"),
    "UTF-8 for Latin-1": lambda text: text.encode("latin-1", "replace").decode("utf-8", "replace"),
}


@pytest.mark.parametrize("way", ENCODINGS)
@pytest.mark.parametrize("secret", [ODD_PASSWORD, TOKEN])
def test_encoded_secrets_are_redacted(way: str, secret: str) -> None:
    """A secret is redacted in each encoding in which an upstream or an exception may repeat it."""
    written = ENCODINGS[way](secret)
    hidden = Redactor([secret]).redact(f"no such tenant: {written} at all")
    quotes = "\"'b" if "Python" in way or "JSON" in way else ""
    redacted = (
        hidden.removeprefix("no such tenant: ").removesuffix(" at all").translate(dict.fromkeys(map(ord, quotes)))
    )
    assert redacted.replace("\\", "") == REDACTED


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("secret", [ODD_PASSWORD, TOKEN, "secret"])
def test_secrets_within_base64_are_redacted(secret: str, before: int, behind: int) -> None:
    """A secret at any offset of base64 data is redacted, with all letters that depend on it alone."""
    written = base64.b64encode(b"x" * before + secret.encode() + b"x" * behind).decode()
    redacted = Redactor([secret]).redact(written)
    assert REDACTED in redacted
    begin, _, end = redacted.partition(REDACTED)
    # A letter tells six bits: those that are left tell of neighbours, or are the first or last one.
    assert len(begin) <= before * 8 // 6 + 1
    assert len(end.rstrip("=")) <= behind * 8 // 6 + 2


@given(ANY_TEXT, st.integers(0, MAX_CHARACTERS + 50), st.sampled_from(sorted(ENCODINGS)), st.text("x ", max_size=400))
@example("secret-0123456789", MAX_CHARACTERS - 3, "as it is", "")
def test_truncation_leaves_no_part_of_a_secret(secret: str, before: int, way: str, after: str) -> None:
    """Wherever a text is truncated, no eight letters of a secret remain, in any encoding."""
    written = ENCODINGS[way](secret)
    redacted = Redactor([secret]).redact(f"{'x' * before}{written}{after}", MAX_CHARACTERS)
    assert not find_leaked_piece(secret, redacted)
    assert not find_leaked_piece(written, redacted)


def test_truncated_texts_are_redacted() -> None:
    """A truncated text contains no more than its first characters, with stars for a secret that begins in them."""
    redactor = Redactor([TOKEN])
    assert redactor.redact("x" * 400, MAX_CHARACTERS) == "x" * MAX_CHARACTERS
    assert redactor.redact("x" * 290 + TOKEN + "y" * 90, MAX_CHARACTERS) == "x" * 290 + REDACTED
    assert redactor.redact(TOKEN * 3 + "y" * 400, MAX_CHARACTERS) == REDACTED + "y" * (MAX_CHARACTERS - 3 * len(TOKEN))
    assert redactor.redact("x" * MAX_CHARACTERS + TOKEN, MAX_CHARACTERS) == "x" * MAX_CHARACTERS
    assert redactor.redact("x" * 290 + "http://u:password@host", MAX_CHARACTERS) == "x" * 290 + "http://" + REDACTED


def test_overlapping_secrets_are_redacted() -> None:
    """Nothing remains of two secrets that overlap."""
    assert Redactor(["abcdefghij", "fghijklmnopqrst"]).redact("= abcdefghijklmnopqrst =") == f"= {REDACTED} ="


def test_added_secrets_are_redacted() -> None:
    """An added secret is redacted until too many newer ones were added; initial secrets always are."""
    redactor = Redactor([ODD_PASSWORD])
    for number in range(MAX_LEARNED_SECRETS + 1):
        redactor.add_secret(f"token-{number:04}")
    redactor.add_secret(f"token-{MAX_LEARNED_SECRETS:04}")
    redacted = [redactor.redact(f"token-{number:04}") for number in range(MAX_LEARNED_SECRETS + 1)]
    assert redacted == ["token-0000", *[REDACTED] * MAX_LEARNED_SECRETS]
    assert redactor.redact(ODD_PASSWORD) == REDACTED


def test_a_secret_that_is_added_again_is_kept() -> None:
    """A secret that is added again counts as the newest one."""
    redactor = Redactor()
    for token in (TOKEN, *(f"token-{number:04}" for number in range(MAX_LEARNED_SECRETS - 1)), TOKEN, "token-last"):
        redactor.add_secret(token)
    assert redactor.redact(f"{TOKEN} token-0000") == f"{REDACTED} token-0000"


def test_threads_add_secrets_concurrently() -> None:
    """Secrets that several threads add concurrently are all known afterwards."""
    redactor = Redactor()
    threads = [
        threading.Thread(target=redactor.add_secret, args=[f"token-{number:04}"])
        for number in range(MAX_LEARNED_SECRETS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {redactor.redact(f"token-{number:04}") for number in range(MAX_LEARNED_SECRETS)} == {REDACTED}


def test_patterns_are_redacted_in_messages_only() -> None:
    """Text that looks like a secret is redacted in messages; in stored data only known secrets are."""
    text = "http://u:p4ss@host Bearer abcdefgh12345678"
    assert PATTERN_REDACTOR.redact(text) == f"http://{REDACTED}@host Bearer {REDACTED}"
    assert PATTERN_REDACTOR.redact_known(text) == text
    assert Redactor([TOKEN]).redact_known(f"{TOKEN} {text}") == f"{REDACTED} {text}"


def test_secrets_of_the_settings_are_known() -> None:
    """Passwords in URLs, the bearer token, headers, also for the trace collector, and a proxy password are known."""
    redactor = build_redactor(
        PROMETHEUS_ADDRESS="http://u:sw0rd%2Ffish@host:9090, http://v:with@in-it@host:9091",
        PROMETHEUS_HEADERS="X-Key=h3ader-key,X-Auth=Token%200123456789abcdef",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cr3t%20value,x=y",
        https_proxy="http://me:pr0xy-pass@proxy:3128",
    )
    redacted = "sw0rd%2Ffish sw0rd/fish with@in-it h3ader-key 0123456789abcdef s3cr3t%20value pr0xy-pass"
    assert redactor.redact(redacted) == " ".join([REDACTED] * 7)
    assert (
        redactor.redact("s3cr3t value, of the proxy http://proxy:3128") == f"{REDACTED}, of the proxy http://proxy:3128"
    )
    assert build_redactor(PROMETHEUS_BEARER_TOKEN=TOKEN).redact(f"which {TOKEN}?") == f"which {REDACTED}?"


def test_basic_credentials_are_redacted_as_sent() -> None:
    """The header value of basic authentication is redacted like the password."""
    redactor = build_redactor(PROMETHEUS_ADDRESS=f"http://scraper:{quote(ODD_PASSWORD, safe='')}@host:9090")
    assert redactor.redact(base64.b64encode(f"scraper:{ODD_PASSWORD}".encode()).decode()) == REDACTED


@pytest.mark.parametrize("userinfo", ["{}", "{}:", "{}:x", "{}:x-oauth-basic"])
def test_a_token_as_user_is_known(userinfo: str) -> None:
    """A token that is the user of a URL is redacted, plain and as it is sent."""
    credentials = userinfo.format(TOKEN)
    redactor = build_redactor(PROMETHEUS_ADDRESS=f"http://{credentials}@host:9090")
    sent = base64.b64encode(f"{TOKEN}:{credentials.partition(':')[2]}".encode()).decode()
    assert redactor.redact(f"no tenant {TOKEN}, not {sent}") == f"no tenant {REDACTED}, not {REDACTED}"


@pytest.mark.parametrize(
    ("userinfo", "is_secret"),
    [
        ("scraper:sw0rdfish", False),
        ("scraper-2:sw0rdfish", False),
        ("scraper", False),
        ("prometheus:", False),
        ("scraper-2", True),
        ("abc123", True),
        ("abcdefghijklmnop", True),
        ("abcdefghijklmnop:sw0rdfish", True),
    ],
)
def test_user_names_are_not_secrets(userinfo: str, *, is_secret: bool) -> None:
    """A user is a secret only if it is as long as a token, or if it has no password and is not a plain word."""
    user = userinfo.partition(":")[0]
    redacted = build_redactor(PROMETHEUS_ADDRESS=f"http://{userinfo}@host:9090").redact(f"not for {user}")
    assert redacted == f"not for {REDACTED if is_secret else user}"


def test_source_names_are_not_secrets() -> None:
    """The name and cluster of a source are not redacted; a password that looks like a name is."""
    address = "http://u:name=sw0rdfish@eu#name=eu-internal&cluster=frankfurt, http://u:t0psecret@us#name=us-internal"
    text = "source eu-internal, us-internal, cluster frankfurt"
    redacted = build_redactor(PROMETHEUS_ADDRESS=address).redact(f"{text}: name=sw0rdfish t0psecret")
    assert redacted == f"{text}: {REDACTED} {REDACTED}"
