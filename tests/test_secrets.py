"""Secrets: in which forms they are found, which are known, and that none is left in part at a cut."""

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

from aggregator.secrets import HIDDEN, MOST_LEARNT, NONE_KNOWN, Secrets
from aggregator.settings import read
from aggregator.settings.secrets import secrets_of

ODD = "pa\"ss\\wörd's <9&9>/"
TOKEN = "tok3n-0123456789abcdef"
# So much of a secret is a part of it that helps who reads it.
PIECE = 8
MOST = 300

# Secrets of letters that stand in no text of ours, so that what is found of one is of it.
ANY = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="…*x"), min_size=6)


def known(**environment: str) -> Secrets:
    """Return what is known to be secret with these settings."""
    environment.setdefault("PROMETHEUS_ADDRESS", "http://prometheus:9090")
    return Secrets(secrets_of(read(environment), environment))


def piece_of(secret: str, text: str) -> str:
    """Return the first part of a secret that a text holds, "" if it holds none."""
    pieces = (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1))
    return next((piece for piece in pieces if piece in text), "")


GO = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in ASCII": json.dumps,
    "JSON of Go": lambda text: json.dumps(text, ensure_ascii=False).translate(GO),
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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret", [ODD, TOKEN])
def test_a_secret_is_found_as_programs_write_it(way: str, secret: str) -> None:
    """A secret is hidden in each form in which an upstream, or an exception, may repeat it."""
    written = WAYS[way](secret)
    hidden = Secrets([secret]).hide(f"no such tenant: {written} at all")
    quotes = "\"'b" if "Python" in way or "JSON" in way else ""
    told = hidden.removeprefix("no such tenant: ").removesuffix(" at all").translate(dict.fromkeys(map(ord, quotes)))
    assert told.replace("\\", "") == HIDDEN


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("behind", range(4))
@pytest.mark.parametrize("secret", [ODD, TOKEN, "secret"])
def test_a_secret_is_found_within_base64(secret: str, before: int, behind: int) -> None:
    """Wherever a secret stands in what is in base64, all letters go that tell of nothing else."""
    written = base64.b64encode(b"x" * before + secret.encode() + b"x" * behind).decode()
    told = Secrets([secret]).hide(written)
    assert HIDDEN in told
    begin, _, end = told.partition(HIDDEN)
    # A letter tells six bits: those that are left tell of neighbours, or are the first or last one.
    assert len(begin) <= before * 8 // 6 + 1
    assert len(end.rstrip("=")) <= behind * 8 // 6 + 2


@given(ANY, st.integers(0, MOST + 50), st.sampled_from(sorted(WAYS)), st.text("x ", max_size=400))
@example("secret-0123456789", MOST - 3, "as it is", "")
def test_no_cut_leaves_a_part_of_a_secret(secret: str, before: int, way: str, after: str) -> None:
    """Wherever a secret stands in a text that is cut, in whatever form, no eight letters of it are left."""
    written = WAYS[way](secret)
    told = Secrets([secret]).hide(f"{'x' * before}{written}{after}", MOST)
    assert not piece_of(secret, told)
    assert not piece_of(written, told)


def test_a_cut_text_is_what_its_beginning_says() -> None:
    """Of a text that is cut no more is told than its first letters, with stars for a secret that begins in them."""
    secrets = Secrets([TOKEN])
    assert secrets.hide("x" * 400, MOST) == "x" * MOST
    assert secrets.hide("x" * 290 + TOKEN + "y" * 90, MOST) == "x" * 290 + HIDDEN
    assert secrets.hide(TOKEN * 3 + "y" * 400, MOST) == HIDDEN + "y" * (MOST - 3 * len(TOKEN))
    assert secrets.hide("x" * MOST + TOKEN, MOST) == "x" * MOST
    assert secrets.hide("x" * 290 + "http://u:password@host", MOST) == "x" * 290 + "http://" + HIDDEN


def test_secrets_that_overlap_are_hidden_whole() -> None:
    """Where two secrets share letters, nothing of the second is left beside the stars for the first."""
    assert Secrets(["abcdefghij", "fghijklmnopqrst"]).hide("= abcdefghijklmnopqrst =") == f"= {HIDDEN} ="


def test_what_is_learnt_is_hidden_with_the_last_few_before_it() -> None:
    """A secret that is learnt is hidden from then on, until many newer ones came; what was known first stays."""
    secrets = Secrets([ODD])
    for number in range(MOST_LEARNT + 1):
        secrets.learn(f"token-{number:04}")
    secrets.learn(f"token-{MOST_LEARNT:04}")
    told = [secrets.hide(f"token-{number:04}") for number in range(MOST_LEARNT + 1)]
    assert told == ["token-0000", *[HIDDEN] * MOST_LEARNT]
    assert secrets.hide(ODD) == HIDDEN


def test_a_secret_that_is_learnt_again_counts_as_new() -> None:
    """A token that comes back is remembered as long as any new one."""
    secrets = Secrets()
    for token in (TOKEN, *(f"token-{number:04}" for number in range(MOST_LEARNT - 1)), TOKEN, "token-last"):
        secrets.learn(token)
    assert secrets.hide(f"{TOKEN} token-0000") == f"{HIDDEN} token-0000"


def test_threads_learn_side_by_side() -> None:
    """What several threads learn at once is known afterwards, all of it."""
    secrets = Secrets()
    threads = [threading.Thread(target=secrets.learn, args=[f"token-{number:04}"]) for number in range(MOST_LEARNT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {secrets.hide(f"token-{number:04}") for number in range(MOST_LEARNT)} == {HIDDEN}


def test_the_shape_of_a_secret_is_enough_unless_data_is_kept() -> None:
    """What looks like a secret is hidden where texts are told; of data that is kept only what is known."""
    text = "http://u:p4ss@host Bearer abcdefgh12345678"
    assert NONE_KNOWN.hide(text) == f"http://{HIDDEN}@host Bearer {HIDDEN}"
    assert NONE_KNOWN.hide_known(text) == text
    assert Secrets([TOKEN]).hide_known(f"{TOKEN} {text}") == f"{HIDDEN} {text}"


def test_every_secret_of_the_settings_is_known() -> None:
    """Passwords in addresses, a bearer token, headers, also those for a collector, and a proxy's password are known."""
    secrets = known(
        PROMETHEUS_ADDRESS="http://u:sw0rd%2Ffish@host:9090, http://v:with@in-it@host:9091",
        PROMETHEUS_HEADERS="X-Key=h3ader-key,X-Auth=Token%200123456789abcdef",
        OTEL_EXPORTER_OTLP_HEADERS="api-key=s3cr3t%20value,x=y",
        https_proxy="http://me:pr0xy-pass@proxy:3128",
    )
    told = "sw0rd%2Ffish sw0rd/fish with@in-it h3ader-key 0123456789abcdef s3cr3t%20value pr0xy-pass"
    assert secrets.hide(told) == " ".join([HIDDEN] * 7)
    assert secrets.hide("s3cr3t value, of the proxy http://proxy:3128") == f"{HIDDEN}, of the proxy http://proxy:3128"
    assert known(PROMETHEUS_BEARER_TOKEN=TOKEN).hide(f"which {TOKEN}?") == f"which {HIDDEN}?"


def test_credentials_are_hidden_as_they_are_sent() -> None:
    """Who repeats the header of a basic authorization repeats the password."""
    secrets = known(PROMETHEUS_ADDRESS=f"http://scraper:{quote(ODD, safe='')}@host:9090")
    assert secrets.hide(base64.b64encode(f"scraper:{ODD}".encode()).decode()) == HIDDEN


@pytest.mark.parametrize("userinfo", ["{}", "{}:", "{}:x", "{}:x-oauth-basic"])
def test_a_user_that_is_a_token_is_known(userinfo: str) -> None:
    """A token that is given as the user of an address is hidden wherever it stands, and as it is sent."""
    credentials = userinfo.format(TOKEN)
    secrets = known(PROMETHEUS_ADDRESS=f"http://{credentials}@host:9090")
    sent = base64.b64encode(f"{TOKEN}:{credentials.partition(':')[2]}".encode()).decode()
    assert secrets.hide(f"no tenant {TOKEN}, not {sent}") == f"no tenant {HIDDEN}, not {HIDDEN}"


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
def test_the_name_of_a_user_is_no_secret(userinfo: str, *, is_secret: bool) -> None:
    """A user is a secret if it is as long as a token, or has no password and is no plain word; else it is a name."""
    user = userinfo.partition(":")[0]
    told = known(PROMETHEUS_ADDRESS=f"http://{userinfo}@host:9090").hide(f"not for {user}")
    assert told == f"not for {HIDDEN if is_secret else user}"


def test_the_name_of_a_source_is_no_secret() -> None:
    """What a source is called, and its cluster, are shown; its password, which may have the form of a name, is not."""
    address = "http://u:name=sw0rdfish@eu#name=eu-internal&cluster=frankfurt, http://u:t0psecret@us#name=us-internal"
    shown = "source eu-internal, us-internal, cluster frankfurt"
    told = known(PROMETHEUS_ADDRESS=address).hide(f"{shown}: name=sw0rdfish t0psecret")
    assert told == f"{shown}: {HIDDEN} {HIDDEN}"
