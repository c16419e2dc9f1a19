"""What kinds of settings there are, and how one is described: shared by the groups of settings beside this file."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aggregator import certificates
from aggregator.errors import CertificateError

DAY_SECONDS = 86400
LONGEST_SHOWN = 30

_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)


def shown(text: str) -> str:
    """Return a text from the environment as a message repeats it: short, on one line, whatever bytes are in it."""
    if not text.strip():
        return "an empty place"
    return ascii(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "...")[1:-1]


def _whole(least: int, most: float) -> BeforeValidator:
    """Return what reads a whole number of this range; digits that Python takes and a person would not are refused."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        # More digits than these are no number that is meant, and Python would refuse to read thousands.
        if not _WHOLE.fullmatch(value) or len(value) > 30:
            raise ValueError(f"is {shown(value)}, no whole number")
        if not least <= int(value) <= most:
            raise ValueError(f"is {shown(value)}")
        return int(value)

    return BeforeValidator(read)


def _seconds(*, may_be_none: bool) -> BeforeValidator:
    """Return what reads seconds, at most a day."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if not _REAL.fullmatch(value):
            raise ValueError(f"is {shown(value)}, no number")
        seconds = float(value)
        if not 0 <= seconds <= DAY_SECONDS or (seconds == 0 and not may_be_none):
            raise ValueError(f"is {shown(value)}")
        return seconds

    return BeforeValidator(read)


def _readable_file(text: str) -> str:
    """Check that a file can be read now; what it holds is checked by whoever reads it."""
    try:
        Path(text).read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({getattr(error, 'strerror', None) or 'no such name'})") from None
    return text


def _authorities(path: str) -> str:
    """Check that OpenSSL finds certificates in a file, by which others are to be believed."""
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):
        raise ValueError("holds no certificates") from None
    return path


def _certificates(path: str) -> str:
    with _as_value_error():
        certificates.certificates(Path(path).read_bytes(), path)
    return path


def _key(path: str) -> str:
    with _as_value_error():
        certificates.check_key(Path(path).read_bytes(), path)
    return path


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except CertificateError as error:
        raise ValueError(str(error)) from None


def check_each(check: Callable[[str], object], words: Iterable[str]) -> None:
    """Check every word; raise ValueError with all that is wrong with any of them."""
    wrong = []
    for word in words:
        try:
            check(word)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))


def _words(value: object) -> object:
    """Split a list as people write it: by commas, spaces, or both."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Port = Annotated[int, _whole(0, 65535)]
Seconds = Annotated[float, _seconds(may_be_none=False)]
SecondsOrNone = Annotated[float, _seconds(may_be_none=True)]
Count = Annotated[int, _whole(1, 100)]
ManyCount = Annotated[int, _whole(1, 1_000_000)]
Bytes = Annotated[int, _whole(1024, 2**62)]
ReadableFile = Annotated[str, AfterValidator(_readable_file)]
AuthoritiesFile = Annotated[ReadableFile, AfterValidator(_authorities)]
CertificatesFile = Annotated[ReadableFile, AfterValidator(_certificates)]
KeyFile = Annotated[ReadableFile, AfterValidator(_key)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


def setting(default: Any, meaning: str, expected: str, default_in_words: str = "") -> Any:
    """Return a field: what it is for, what is accepted, and the default as a person reads it, where not obvious."""
    return Field(
        default,
        description=meaning,
        json_schema_extra={"expected": expected, "default_in_words": default_in_words},
    )


class Group(BaseModel):
    """Settings that belong together. Printing them shows secrets as stars."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def contradictions(self) -> Iterator[str]:
        """Yield a line for each problem that several settings have together: which, what is wrong, what is expected.

        A line names every setting that it rests on.
        """
        yield from ()

    def remarks(self) -> Iterator[str]:
        """Yield a line for what can be done and is most likely not meant."""
        yield from ()
