"""The settings of the example service: environment variables, checked together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

POOL_SIZE_LIMIT = 50

_Value = TypeVar("_Value")


class SettingsError(Exception):
    """Settings are missing or invalid; the text names each of them."""


@dataclass(frozen=True)
class DatabaseSettings:
    """Where PostgreSQL is, and how many connections the service may open."""

    host: str
    port: int
    name: str
    user: str
    password: str
    pool_size: int


@dataclass(frozen=True)
class ServiceSettings:
    """All settings; `allows_faults` enables the requests that break an endpoint on purpose."""

    host: str
    port: int
    database: DatabaseSettings
    allows_faults: bool


def load_settings(environ: Mapping[str, str]) -> ServiceSettings:
    """Return the settings; raise SettingsError with all problems."""
    reader = _Reader(environ)
    settings = ServiceSettings(
        host=reader.read_text("REST_API_HOST", "127.0.0.1"),
        port=reader.read_number("REST_API_PORT", 5001, 65535),
        database=DatabaseSettings(
            host=reader.read_text("POSTGRES_HOST", "127.0.0.1"),
            port=reader.read_number("POSTGRES_PORT", 5432, 65535),
            name=reader.read_text("POSTGRES_DB"),
            user=reader.read_text("POSTGRES_USER"),
            password=reader.read_text("POSTGRES_PASSWORD"),
            pool_size=reader.read_number("POSTGRES_POOL_SIZE", 5, POOL_SIZE_LIMIT),
        ),
        allows_faults=reader.read_choice("EXAMPLE_FAULTS", {"off": False, "on": True}, "off"),
    )
    if reader.problems:
        raise SettingsError("; ".join(reader.problems))
    return settings


class _Reader:
    """Reads variables and collects what is wrong with them. An empty variable counts as missing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def read_text(self, name: str, default: str | None = None) -> str:
        text = self._environ.get(name) or default
        if text is None:
            self.problems.append(f"{name} is missing")
        return text or ""

    def read_number(self, name: str, default: int, limit: int) -> int:
        return self._read(name, default, lambda text: _parse_number(text, limit), f"a number from 1 to {limit}")

    def read_choice(self, name: str, choices: Mapping[str, bool], default: str) -> bool:
        return self._read(name, choices[default], choices.get, " or ".join(choices))

    def _read(self, name: str, default: _Value, parse: Callable[[str], _Value | None], expected: str) -> _Value:
        text = self._environ.get(name)
        if not text:
            return default
        value = parse(text)
        if value is None:
            self.problems.append(f"{name} must be {expected}, got {text}")
            return default
        return value


def _parse_number(text: str, limit: int) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) <= limit else None
