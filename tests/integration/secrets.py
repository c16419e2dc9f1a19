"""What must not stand in any log: looked for in the whole stderr of every real process of the suite, when it ends."""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from aggregator.settings import FILE_SUFFIX, SECRETS

# A token, whole or in parts, in any setting; and what a defect of ours leaves behind.
ALWAYS = ("eyJ", "Traceback (most recent call last)", "Bearer ey")
SHORTEST = 6
_CREDENTIALS = re.compile(r"//([^/@\s:]*):([^/@\s]+)@")
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
        yield from ((text, name) for text in _forms_of(given) if len(text) >= SHORTEST)


def _forms_of(value: str) -> Iterator[str]:
    credentials = _CREDENTIALS.findall(value)
    if not credentials and "://" in value:
        return
    for user, password in credentials:
        yield from (password, unquote(password))
        pair = f"{unquote(user)}:{unquote(password)}"
        # The last letters depend on what would come next.
        yield base64.b64encode(pair.encode()).decode().rstrip("=")[:-1]
    if not credentials:
        plain = _ARMOUR.sub("", value)
        # Of a key, a part from its middle: all keys begin alike.
        yield plain[40:80] if len(plain) > 80 else plain
