"""Finds secrets and tracebacks in the log of every process of the program that the tests start."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import SECRET_FILE_SUFFIX, list_secret_names

# The secrets of all processes.
SECRET_NAMES = list_secret_names(Settings) | list_secret_names(AgentSettings) | list_secret_names(ScrapeSettings)
# The beginnings of tokens, of PEM files, and of tracebacks.
FORBIDDEN_TEXTS = ("eyJ", "-----BEGIN", "Traceback (most recent call last)")
MIN_SECRET_CHARACTERS = 6
# A piece of this length reveals too much of a secret. Longer secrets, such as keys, are searched as a whole.
PIECE_CHARACTERS, MAX_PIECEWISE_CHARACTERS = 8, 100
# A user name of this length is treated as a token.
MIN_TOKEN_CHARACTERS = 16
_CREDENTIALS = re.compile(r"//([^/@\s:]*):?([^/@\s]*)@")
_PEM_ARMOR = re.compile(r"-----[A-Z ]+-----|\s")


def find_leaks(log: str, settings: Mapping[str, str]) -> list[str]:
    """Return the names of the settings whose secrets the log contains, and the forbidden texts in it."""
    searched = dict(_iter_secret_texts(settings)) | {text: text for text in FORBIDDEN_TEXTS}
    return sorted({name for text, name in searched.items() if text in log})


def _iter_secret_texts(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each text that reveals a secret, and the name of its setting."""
    for name in sorted(SECRET_NAMES):
        secret = settings.get(name, "")
        path = settings.get(name + SECRET_FILE_SUFFIX, "")
        if not secret and path and Path(path).is_file():
            secret = Path(path).read_text(encoding="utf-8", errors="replace").strip()
        yield from (
            (piece, name)
            for text in _iter_secret_forms(name, secret)
            if len(text) >= MIN_SECRET_CHARACTERS
            for piece in _iter_pieces(text)
        )


def _iter_pieces(text: str) -> Iterator[str]:
    """Yield the pieces of a text that reveal it."""
    if not PIECE_CHARACTERS < len(text) <= MAX_PIECEWISE_CHARACTERS:
        yield text
        return
    yield from (text[at : at + PIECE_CHARACTERS] for at in range(len(text) - PIECE_CHARACTERS + 1))


def _iter_secret_forms(name: str, value: str) -> Iterator[str]:
    if name in ("PROMETHEUS_HEADERS", "PROMETHEUS_QUERY_PARAMETERS"):
        yield from (unquote(part.partition("=")[2]) for part in value.split(","))
        return
    credentials = _CREDENTIALS.findall(value)
    if not credentials and (name == "PROMETHEUS_ADDRESS" or "://" in value):
        return
    for user, password in credentials:
        yield from (password, unquote(password))
        if len(user) >= MIN_TOKEN_CHARACTERS:
            yield user
        pair = f"{unquote(user)}:{unquote(password)}"
        # The last characters of base64 depend on the following bytes.
        yield base64.b64encode(pair.encode()).decode().rstrip("=")[:-1]
    if not credentials:
        plain = _PEM_ARMOR.sub("", value)
        # For a key, use a part from the middle, because all keys begin alike.
        yield plain[40:80] if len(plain) > 80 else plain
