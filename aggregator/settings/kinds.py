"""What kinds of settings there are, and how one is described: shared by the groups of settings beside this file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aggregator import certificates
from aggregator.errors import CertificateError


def _plain_number(value: object) -> object:
    """Refuse digits that Python takes for a number and a person would not: 1_000, ٣."""
    if isinstance(value, str) and (not value.strip().isascii() or "_" in value):
        raise ValueError("is no number")
    return value


def _readable_file(text: str) -> str:
    """Check that a file can be read now; what it holds is checked by whoever reads it."""
    try:
        Path(text).read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot be read ({getattr(error, 'strerror', None) or 'no such name'})") from None
    return text


def shown(text: str) -> str:
    """Return a text from the environment so that a message can hold it: an environment may have any bytes."""
    return ascii(text)[1:-1] if text.strip() else "an empty place"


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


def _words(value: object) -> object:
    """Split a list as people write it: by commas, spaces, or both."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Port = Annotated[int, BeforeValidator(_plain_number), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(_plain_number), Field(gt=0, le=86400, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, BeforeValidator(_plain_number), Field(ge=0, le=86400, allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, le=100)]
ManyCount = Annotated[int, BeforeValidator(_plain_number), Field(ge=1, le=1_000_000)]
Bytes = Annotated[int, BeforeValidator(_plain_number), Field(ge=1024)]
ReadableFile = Annotated[str, AfterValidator(_readable_file)]
CertificatesFile = Annotated[ReadableFile, AfterValidator(_certificates)]
KeyFile = Annotated[ReadableFile, AfterValidator(_key)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


def setting(default: Any, meaning: str, expected: str, shown: str = "") -> Any:
    """Return a field: what it is for, what is accepted, and the default as a person reads it, where not obvious."""
    return Field(default, description=meaning, json_schema_extra={"expected": expected, "shown": shown})


class Group(BaseModel):
    """Settings that belong together. Printing them shows secrets as stars."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    def contradictions(self) -> Iterator[str]:
        """Yield a line for each problem that several settings have together: which, what is wrong, what is expected."""
        yield from ()
