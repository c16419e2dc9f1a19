"""Types of settings: how values are parsed and checked. Errors never contain URLs, which may contain passwords."""

import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, ClassVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from aggregator.errors import CertificateError, FileError
from aggregator.util.files import read_bounded_file

MAX_DURATION_SECONDS = 86400
# For what concerns hosts instead of requests.
MAX_LONG_DURATION_SECONDS = 366 * 86400
MAX_QUOTED_CHARACTERS = 30
# Between what is wrong with a setting and what is accepted.
EXPECTED_SEPARATOR = "; expected: "
_INTEGER_PATTERN = re.compile(r"[+-]?[0-9]+", re.ASCII)
# Without a unit, the number may have a sign and an exponent.
_DURATION_PATTERN = re.compile(
    r"(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)(?P<unit>ms|s|m|h|d)"
    r"|(?P<seconds>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)",
    re.ASCII,
)
_SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_HOST_PATTERN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
# Upstreams get durations in whole milliseconds.
MIN_DURATION_SECONDS = 0.001
DURATION_EXPECTED = "seconds, or a duration such as 500ms, 10s or 2m; 1ms to 24h"
DURATION_OR_ZERO_EXPECTED = "seconds, or a duration such as 500ms, 10s or 2m; 0, or 1ms to 24h"
LONG_DURATION_EXPECTED = "seconds, or a duration such as 10s, 2m or 7d; 1ms to 366d"


def quote_value(text: str) -> str:
    """Return a value from the environment for a message: short, ASCII, on one line."""
    if not text.strip():
        return "an empty entry"
    return ascii(text if len(text) <= MAX_QUOTED_CHARACTERS else text[: MAX_QUOTED_CHARACTERS - 3] + "...")[1:-1]


def _build_integer_parser(minimum: int, maximum: float) -> BeforeValidator:
    """Return a validator for integers of a range, in ASCII digits without underscores."""

    def parse_integer(value: object) -> object:
        if not isinstance(value, str):
            return value
        # Python refuses to parse thousands of digits.
        if not _INTEGER_PATTERN.fullmatch(value) or len(value) > 30:
            raise ValueError(f"is {quote_value(value)}, not an integer")
        if not minimum <= int(value) <= maximum:
            raise ValueError(f"is {quote_value(value)}")
        return int(value)

    return BeforeValidator(parse_integer)


def _build_seconds_parser(*, allows_zero: bool, maximum: float = MAX_DURATION_SECONDS) -> BeforeValidator:
    """Return a validator for durations from a millisecond on, which returns seconds."""

    def parse_seconds(value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _DURATION_PATTERN.fullmatch(value)
        if match is None:
            raise ValueError(f"is {quote_value(value)}, not a duration")
        number, unit, seconds_text = match["number"], match["unit"], match["seconds"]
        seconds = float(seconds_text) if unit is None else float(number) * _SECONDS_PER_UNIT[unit]
        if not (MIN_DURATION_SECONDS <= seconds <= maximum or (seconds == 0 and allows_zero)):
            raise ValueError(f"is {quote_value(value)}")
        return seconds

    return BeforeValidator(parse_seconds)


def _check_readable_file(text: str) -> str:
    """Return the path of a file that can be read now."""
    _read_file(text)
    return text


def _read_file(path: str) -> bytes:
    try:
        return read_bounded_file(path)
    except FileError as error:
        raise ValueError(str(error)) from None


def _check_ca_file(path: str) -> str:
    """Return the path of a file in which OpenSSL finds certificates."""
    # Text between the certificates may have any encoding.
    pem = _read_file(path).decode("ascii", "ignore")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError("contains no certificates") from None
    return path


def _check_certificate_file(path: str) -> str:
    from aggregator.util import certificates  # noqa: PLC0415 - the library takes 8 MiB, which are needed only for TLS

    with _convert_certificate_error():
        certificates.parse_certificates(_read_file(path), path)
    return path


def _check_key_file(path: str) -> str:
    from aggregator.util import certificates  # noqa: PLC0415 - as above

    with _convert_certificate_error():
        certificates.check_private_key(_read_file(path), path)
    return path


@contextmanager
def _convert_certificate_error() -> Iterator[None]:
    try:
        yield
    except CertificateError as error:
        raise ValueError(str(error)) from None


def validate_each(check: Callable[[str], object]) -> AfterValidator:
    """Return a validator that checks all items of a list and raises one ValueError with all problems."""

    def check_items(items: tuple[str, ...]) -> tuple[str, ...]:
        problems = []
        for item in items:
            try:
                check(item)
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))
        return items

    return AfterValidator(check_items)


def split_words(text: str) -> tuple[str, ...]:
    """Split a list of words, such as URLs or networks, at commas and whitespace."""
    return tuple(text.replace(",", " ").split())


def split_names(text: str) -> tuple[str, ...]:
    """Split a list of names, which may contain spaces, at commas."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def parse_text(parse: Callable[[str], Any]) -> BeforeValidator:
    """Return a validator that parses a text from the environment; a default is not parsed."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _remove_duplicates(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("is an empty list")
    return tuple(dict.fromkeys(names))


Port = Annotated[int, _build_integer_parser(0, 65535)]

PositiveSeconds = Annotated[float, _build_seconds_parser(allows_zero=False)]

NonNegativeSeconds = Annotated[float, _build_seconds_parser(allows_zero=True)]

LongSeconds = Annotated[float, _build_seconds_parser(allows_zero=False, maximum=MAX_LONG_DURATION_SECONDS)]

ConcurrencyLimit = Annotated[int, _build_integer_parser(1, 100)]

ConnectionLimit = Annotated[int, _build_integer_parser(1, 1_000_000)]

CountLimit = Annotated[int, _build_integer_parser(1, 100_000_000)]

SizeBytes = Annotated[int, _build_integer_parser(1024, 2**62)]

ReadableFile = Annotated[str, AfterValidator(_check_readable_file)]

CaFile = Annotated[ReadableFile, AfterValidator(_check_ca_file)]

PemCertificateFile = Annotated[ReadableFile, AfterValidator(_check_certificate_file)]

PemKeyFile = Annotated[ReadableFile, AfterValidator(_check_key_file)]

WordList = Annotated[tuple[str, ...], parse_text(split_words)]

NameList = Annotated[tuple[str, ...], parse_text(split_names), AfterValidator(_remove_duplicates)]


def define_setting(default: Any, description: str, expected: str, default_in_words: str = "") -> Any:
    """Return a field with its description, the accepted values, and its default in words if that is not obvious."""
    return Field(
        default,
        description=description,
        json_schema_extra={"expected": expected, "default_in_words": default_in_words},
    )


class SettingsGroup(BaseModel):
    """Base of the groups of settings; repr masks secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    # In place of an invalid required setting, so that the others can be checked.
    PLACEHOLDER_VALUES: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def find_ignored_names(cls, values: Mapping[str, str]) -> Iterator[str]:
        """Yield the settings among these values that have no effect and are not checked."""
        yield from ()

    @classmethod
    def list_dependent_words(cls, invalid_names: frozenset[str]) -> frozenset[str]:
        """Return the invalid names, and the words for what depends on them in lines of `find_conflicts`."""
        return invalid_names

    def find_conflicts(self) -> Iterator[str]:
        """Yield a line for each conflict between settings: name, problem, expected.

        A line contains the names of all settings that it depends on.
        """
        yield from ()

    def find_warnings(self) -> Iterator[str]:
        """Yield a line for each valid setting that is probably a mistake."""
        yield from ()


def split_http_url(text: str) -> SplitResult:
    """Return the parts of an HTTP URL with a valid host; raise ValueError for anything else.

    The port is not checked.
    """
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("does not begin with http:// or https://")
    if not parts.hostname:
        raise ValueError("has no host")
    if not _is_valid_host(parts.hostname):
        raise ValueError("has an invalid host")
    return parts


def _is_valid_host(host: str) -> bool:
    """Return whether a host is an IP address, or a name that can be looked up."""
    if ":" in host:
        # urlsplit has checked it.
        return True
    try:
        return bool(_HOST_PATTERN.fullmatch(host.encode("idna").decode("ascii")))
    except UnicodeError:
        return False


def check_url_port(parts: SplitResult) -> None:
    """Raise ValueError if the port is invalid."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    # HTTP clients take port 0 for the default port.
    if port == 0:
        raise ValueError("has an invalid port")


def check_network(word: str) -> None:
    """Raise ValueError unless a word is an IP address or a network."""
    try:
        ip_network(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a network") from None


def is_loopback(host: str) -> bool:
    """Return whether a listen address is one of the loopback interface; any other host name is not."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
