"""All settings: read once from an environment that is passed in, checked together, frozen.

docs/configuration.md and `aggregator --help` are printed from the fields of the groups.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args, get_origin
from urllib.parse import unquote

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aggregator.errors import SettingsError
from aggregator.settings.access import AccessSettings
from aggregator.settings.refreshing import RefreshSettings
from aggregator.settings.serving import ServingSettings
from aggregator.settings.telling import TellingSettings
from aggregator.settings.upstream import UpstreamSettings

FILE_SUFFIX = "_FILE"


class Settings(TellingSettings, RefreshSettings, ServingSettings, AccessSettings, UpstreamSettings):
    """Everything that can be set; pydantic lists the fields of the last group first."""


def _is_secret(info: FieldInfo) -> bool:
    annotation = info.annotation
    return annotation is SecretStr or any(SecretStr in (kind, *get_args(kind)) for kind in get_args(annotation))


# Every secret can be given in a file instead: an environment is read by more eyes than a file.
SECRETS = frozenset(name for name, info in Settings.model_fields.items() if _is_secret(info))


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; raise SettingsError with every problem that it has.

    A variable that is empty counts as not set, as charts write it. NAME_FILE names a file that holds a secret NAME.
    """
    given = {name: environment[name].strip() for name in Settings.model_fields if environment.get(name, "").strip()}
    problems: dict[str, str] = {}
    for name, info in Settings.model_fields.items():
        if name in SECRETS and name + FILE_SUFFIX not in Settings.model_fields:
            _read_secret(name, environment.get(name + FILE_SUFFIX, "").strip(), given, problems)
        if name in given and not _is_text(given[name]):
            problems[name] = f"{name}: is no UTF-8 text; expected: {_extra(info)['expected']}"
            del given[name]
        if name in given and _is_choice(info):
            given[name] = given[name].lower()
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError([*problems.values(), *_problems(error, given, problems)]) from None
    contradictions = [*problems.values(), *settings.contradictions()]
    if contradictions:
        raise SettingsError(contradictions)
    return settings


def _read_secret(name: str, path: str, given: dict[str, str], problems: dict[str, str]) -> None:
    if not path:
        return
    if name in given:
        problems[name] = f"{name}{FILE_SUFFIX}: is set beside {name}; expected: one of the two"
        return
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        problems[name] = f"{name}{FILE_SUFFIX}: cannot be read ({reason}); expected: a file that holds {name}"
        return
    if text:
        given[name] = text
    else:
        problems[name] = f"{name}{FILE_SUFFIX}: names an empty file; expected: a file that holds {name}"


def _is_text(value: str) -> bool:
    """Return whether a value can be written again: bytes of the environment that are no UTF-8 arrive as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_choice(info: FieldInfo) -> bool:
    return any(get_origin(kind) is Literal for kind in (info.annotation, *get_args(info.annotation)))


def _problems(error: ValidationError, given: Mapping[str, str], known: Mapping[str, str]) -> Iterator[str]:
    told: set[str] = set()
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        if name not in told and name not in known:
            told.add(name)
            wrong = "is not set" if name not in given else detail["msg"].removeprefix("Value error, ")
            expected = _extra(Settings.model_fields[name])["expected"]
            yield f"{name}: {wrong[0].lower()}{wrong[1:]}; expected: {expected}"


def secrets_of(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield every text that may never be logged: whole secrets, and the passwords within them as written and as sent.

    The headers for a trace collector are no setting of ours, but secret all the same.
    """
    held = [getattr(settings, name) for name in SECRETS]
    texts = [value.get_secret_value() for value in held if isinstance(value, SecretStr)]
    texts += [value for name, value in environment.items() if name.startswith("OTEL_") and name.endswith("_HEADERS")]
    for text in texts:
        yield text
        for user, password in re.findall(r"//([^/\s@:]*):([^/\s@]+)@", text):
            yield from (password, unquote(password))
            yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
        for value in re.findall(r"=([^,\s]+)", text):
            yield from (value, unquote(value))


def described() -> Iterator[tuple[str, str, str, str]]:
    """Yield each setting's name, default, accepted values and meaning, as a person reads them."""
    for name, info in Settings.model_fields.items():
        extra = _extra(info)
        meaning = info.description or ""
        if name in SECRETS and name + FILE_SUFFIX not in Settings.model_fields:
            meaning += f"; or in a file that {name}{FILE_SUFFIX} names"
        yield name, extra["default_in_words"] or _default(info), extra["expected"], meaning


def _extra(info: FieldInfo) -> dict[str, str]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}  # type: ignore[return-value] # as `setting` made it


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "required"
    return f"{info.default:g}" if isinstance(info.default, float) else str(info.default)
