"""What must not stand in any log: looked for in the whole stderr of every real process of the suite, when it ends."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from aggregator.settings import FILE_SUFFIX, SECRETS

# The beginning of every token, and of every key in PEM form; and what a defect of ours leaves behind.
ALWAYS = ("eyJ", "-----BEGIN", "Traceback (most recent call last)")
SHORTEST = 6
# So much of a secret gives enough of it away. Of what is longer, such as a key, the middle is looked for.
PIECE, MOST_IN_PIECES = 8, 100
# A user of so many letters is a token.
TOKEN = 16
_CREDENTIALS = re.compile(r"//([^/@\s:]*):?([^/@\s]*)@")
_ARMOUR = re.compile(r"-----[A-Z ]+-----|\s")


def found_in(log: str, settings: Mapping[str, str]) -> list[str]:
    """Return what of a process's settings, or of anyone's tokens, its log gives away; nothing is what it should be."""
    wanted = dict(_secrets_of(settings)) | {text: text for text in ALWAYS}
    return sorted({name for text, name in wanted.items() if text in log})


def _secrets_of(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each text that gives a secret away, and the name of the setting that it is of."""
    for name in SECRETS:
        given = settings.get(name, "")
        path = settings.get(name + FILE_SUFFIX, "")
        if not given and path and Path(path).is_file():
            given = Path(path).read_text(encoding="utf-8", errors="replace").strip()
        yield from (
            (piece, name) for text in _forms_of(name, given) if len(text) >= SHORTEST for piece in _pieces(text)
        )


def _pieces(text: str) -> Iterator[str]:
    """Yield all parts of a text that give it away."""
    if not PIECE < len(text) <= MOST_IN_PIECES:
        yield text
        return
    yield from (text[at : at + PIECE] for at in range(len(text) - PIECE + 1))


def _forms_of(name: str, value: str) -> Iterator[str]:
    if name == "PROMETHEUS_HEADERS":
        yield from (unquote(part.partition("=")[2]) for part in value.split(","))
        return
    credentials = _CREDENTIALS.findall(value)
    if not credentials and (name == "PROMETHEUS_ADDRESS" or "://" in value):
        return
    for user, password in credentials:
        yield from (password, unquote(password))
        if len(user) >= TOKEN:
            yield user
        pair = f"{unquote(user)}:{unquote(password)}"
        # The last letters depend on what would come next.
        yield base64.b64encode(pair.encode()).decode().rstrip("=")[:-1]
    if not credentials:
        plain = _ARMOUR.sub("", value)
        # Of a key, a part from its middle: all keys begin alike.
        yield plain[40:80] if len(plain) > 80 else plain
