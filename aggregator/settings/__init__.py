"""All settings: read once from an environment that is passed in, checked together, frozen.

docs/configuration.md and `aggregator --help` are printed from the fields of the groups.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aggregator import ports
from aggregator.errors import SettingsError
from aggregator.settings.access import AccessSettings
from aggregator.settings.kinds import shown
from aggregator.settings.lookalikes import lookalikes
from aggregator.settings.refreshing import RefreshSettings
from aggregator.settings.serving import ServingSettings
from aggregator.settings.telling import TellingSettings
from aggregator.settings.upstream import UpstreamSettings

FILE_SUFFIX = "_FILE"
# Stands in for what is required, where that is bad and the others are to be judged all the same.
_JUDGEABLE = {"PROMETHEUS_ADDRESS": "http://localhost"}


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
    if "AGGREGATOR_PORT" in given and not ports.stand_in(given["AGGREGATOR_PORT"], given.get("HTTP_PORT", "")):
        del given["AGGREGATOR_PORT"]
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
        misspelled = {meant: variable for variable, meant in misspelled_in(environment)}
        problems |= _problems(error, given, problems, misspelled)
        settings = Settings.model_validate(_JUDGEABLE | {name: given[name] for name in given.keys() - problems.keys()})
    found = [*problems.values(), *_judgeable(settings.contradictions(), set(problems))]
    if found:
        raise SettingsError(found)
    return settings


def misspelled_in(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that looks like a setting and is none, and the setting that was most likely meant."""
    known = {*Settings.model_fields, *(name + FILE_SUFFIX for name in SECRETS)}
    return lookalikes(environment, known)


def _judgeable(contradictions: Iterable[str], bad: set[str]) -> Iterator[str]:
    """Yield what settings have against each other, without what rests on the default of one that is bad itself."""
    if bad & {"HTTP_PORT", "AGGREGATOR_PORT", "GRPC_PORT"}:
        # Which port HTTP has depends on all three.
        bad = bad | {"HTTP"}
    for line in contradictions:
        if bad.isdisjoint(re.findall(r"\w+", line)):
            yield line


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


def _problems(
    error: ValidationError, given: Mapping[str, str], known: Mapping[str, str], misspelled: Mapping[str, str]
) -> dict[str, str]:
    """Return a line for each setting that is bad and not known to be, by its name."""
    told: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        if name not in told and name not in known:
            wrong = detail["msg"].removeprefix("Value error, ")
            if name not in given:
                wrong = f"is not set, but {misspelled[name]} is" if name in misspelled else "is not set"
            elif detail["type"] == "literal_error":
                wrong = f"is {shown(given[name])}"
            told[name] = f"{name}: {wrong}; expected: {_extra(Settings.model_fields[name])['expected']}"
    return told


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
