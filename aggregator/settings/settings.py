"""Loading settings: read once from the environment, checked together, frozen.

Each process has a class of settings, composed of groups. docs/configuration.md and the help of the command line are
generated from the fields.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeVar, get_args, get_origin
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from aggregator.errors import FileError, SettingsError
from aggregator.settings.types import EXPECTED_SEPARATOR, SettingsGroup, quote_value
from aggregator.util.files import read_bounded_file

# Of difflib, 0 to 1: JWKS_URI resembles JWKS_URL, METRICS_PATH does not resemble METRICS_PORT.
MIN_SIMILARITY_RATIO = 0.87
# Shorter names resemble too many unrelated variables.
MIN_VARIABLE_CHARACTERS = 5
_VARIABLE_NAME_PATTERN = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
# OpenTelemetry itself reads dozens of the first; Kubernetes sets the second in every pod.
_IGNORED_PREFIXES = ("OTEL_", "KUBERNETES_SERVICE_PORT_")
# A longer user name in a URL is a token.
MIN_TOKEN_CHARACTERS = 16
# The credentials in a URL end at the last @, as in urlsplit.
_USERINFO_PATTERN = re.compile(r"//([^/\s?#]*)@")
_HEADER_VALUE_PATTERN = re.compile(r"=([^,\s]+)")
_PROXY_VARIABLE_PATTERN = re.compile(r"\w+_PROXY", re.IGNORECASE)
_COLLECTOR_HEADERS_PATTERN = re.compile("OTEL_.*_HEADERS")
SECRET_FILE_SUFFIX = "_FILE"  # noqa: S105 - a suffix of variable names

_SettingsT = TypeVar("_SettingsT", bound=SettingsGroup)


def _is_secret_field(info: FieldInfo) -> bool:
    annotation = info.annotation
    return annotation is SecretStr or any(SecretStr in (kind, *get_args(kind)) for kind in get_args(annotation))


def list_secret_names(settings_type: type[SettingsGroup]) -> frozenset[str]:
    """Return the settings that are secrets."""
    return frozenset(name for name, info in settings_type.model_fields.items() if _is_secret_field(info))


def _list_names_readable_from_files(settings_type: type[SettingsGroup]) -> frozenset[str]:
    """Return the secrets that NAME_FILE can contain instead: environments are less protected than files.

    A class may define NAME_FILE itself, for a file that is reloaded.
    """
    return frozenset(
        name for name in list_secret_names(settings_type) if name + SECRET_FILE_SUFFIX not in settings_type.model_fields
    )


def load_settings(environment: Mapping[str, str], settings_type: type[_SettingsT]) -> _SettingsT:
    """Return the settings of a process from its environment; raise SettingsError with all problems.

    An empty variable counts as not set. NAME_FILE is the path of a file that contains the secret NAME.
    """
    fields = settings_type.model_fields
    values = {name: environment[name].strip() for name in fields if environment.get(name, "").strip()}
    for name in settings_type.find_ignored_names(values):
        del values[name]
    problems: dict[str, str] = {}
    names_from_files = set()
    names_readable_from_files = _list_names_readable_from_files(settings_type)
    for name, info in fields.items():
        if name in names_readable_from_files:
            path = environment.get(name + SECRET_FILE_SUFFIX, "").strip()
            if _read_secret_file(name, path, values, problems):
                names_from_files.add(name)
        if name in values and not _is_utf8_text(values[name]):
            problems[name] = f"{name}: is not UTF-8 text; expected: {_read_field_extra(info)['expected']}"
            del values[name]
        if name in values and _is_choice_field(info):
            values[name] = values[name].lower()
    try:
        settings = settings_type.model_validate(values)
    except ValidationError as error:
        field_problems = _describe_problems(error, values, settings_type, environment)
        for name in names_from_files & field_problems.keys():
            field_problems[name] = f"{name}{SECRET_FILE_SUFFIX}{field_problems[name].removeprefix(name)}"
        problems |= {name: line for name, line in field_problems.items() if name not in problems}
        settings = settings_type.model_validate(
            {**settings_type.PLACEHOLDER_VALUES, **{name: values[name] for name in values.keys() - problems.keys()}}
        )
    all_problems = [*problems.values(), *_select_certain_conflicts(settings, frozenset(problems))]
    if all_problems:
        raise SettingsError(all_problems)
    return settings


def _select_certain_conflicts(settings: SettingsGroup, invalid_names: frozenset[str]) -> Iterator[str]:
    """Yield the conflicts that do not depend on an invalid setting, which has its default here."""
    uncertain_words = settings.list_dependent_words(invalid_names)
    for line in settings.find_conflicts():
        if uncertain_words.isdisjoint(re.findall(r"\w+", line)):
            yield line


def _read_secret_file(name: str, path: str, values: dict[str, str], problems: dict[str, str]) -> bool:
    """Add the contents of a file to the values, or a problem to the problems; return whether it added a value."""
    if not path:
        return False
    if name in values:
        problems[name] = f"{name}{SECRET_FILE_SUFFIX}: is set together with {name}; expected: only one of them"
        return False
    try:
        text = read_bounded_file(path).decode().strip()
    except (FileError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, FileError) else "is not UTF-8 text"
        problems[name] = f"{name}{SECRET_FILE_SUFFIX}: {reason}; expected: a file that contains {name}"
        return False
    if not text:
        problems[name] = f"{name}{SECRET_FILE_SUFFIX}: is empty; expected: a file that contains {name}"
        return False
    values[name] = text
    return True


def _is_utf8_text(value: str) -> bool:
    """Return False for bytes that are not UTF-8, which Python decodes to surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_choice_field(info: FieldInfo) -> bool:
    return any(get_origin(kind) is Literal for kind in (info.annotation, *get_args(info.annotation)))


def _describe_problems(
    error: ValidationError,
    values: Mapping[str, str],
    settings_type: type[SettingsGroup],
    environment: Mapping[str, str],
) -> dict[str, str]:
    """Return a line for each invalid setting, by name."""
    misspelled = {
        suggestion: variable for variable, suggestion in find_misspelled_variables(environment, settings_type)
    }
    problems: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        name = str(detail["loc"][0])
        if name not in problems:
            message = detail["msg"].removeprefix("Value error, ")
            if name not in values:
                message = f"is not set, but {misspelled[name]} is" if name in misspelled else "is not set"
            elif detail["type"] == "literal_error":
                message = f"is {quote_value(values[name])}"
            if EXPECTED_SEPARATOR not in message:
                message += EXPECTED_SEPARATOR + _read_field_extra(settings_type.model_fields[name])["expected"]
            problems[name] = f"{name}: {message}"
    return problems


def describe_settings(settings_type: type[SettingsGroup]) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, default, accepted values and description of each setting of a process, for people."""
    names_readable_from_files = _list_names_readable_from_files(settings_type)
    for name, info in settings_type.model_fields.items():
        extra = _read_field_extra(info)
        description = info.description or ""
        if name in names_readable_from_files:
            description += f". {name}{SECRET_FILE_SUFFIX}: path of a file that contains it"
        yield name, extra["default_in_words"] or _format_default(info), extra["expected"], description


def _read_field_extra(info: FieldInfo) -> dict[str, str]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}  # type: ignore[return-value] # set by define_setting


def _format_default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "required"
    # All decimal numbers are durations.
    return f"{info.default:g} s" if isinstance(info.default, float) else str(info.default)


def find_misspelled_variables(
    environment: Mapping[str, str], settings_type: type[SettingsGroup]
) -> Iterator[tuple[str, str]]:
    """Yield each variable that is probably a misspelled setting, and the setting."""
    secret_names = list_secret_names(settings_type)
    known = {*settings_type.model_fields, *(name + SECRET_FILE_SUFFIX for name in secret_names)}
    return suggest_settings(environment, known)


def suggest_settings(environment: Mapping[str, str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each unknown variable whose name resembles that of a setting, and the setting.

    Only secrets can be read from a file: for another setting, NAME_FILE is reported with NAME.
    """
    names = sorted(known)
    for variable in sorted(environment.keys() - set(names)):
        is_candidate = (
            len(variable) >= MIN_VARIABLE_CHARACTERS
            and _VARIABLE_NAME_PATTERN.fullmatch(variable)
            and environment[variable].strip()
        )
        if is_candidate and not variable.startswith(_IGNORED_PREFIXES):
            similar = difflib.get_close_matches(variable.upper(), names, 1, MIN_SIMILARITY_RATIO)
            without_suffix = variable.upper().removesuffix(SECRET_FILE_SUFFIX)
            if without_suffix in names and variable.upper() not in names:
                similar = [without_suffix]
            for suggestion in similar:
                yield variable, suggestion


def find_secrets(settings: BaseModel, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield all secrets: whole settings, and the passwords, tokens and header values in them, encoded and decoded.

    Files that are reloaded are not included; their reader adds the secrets to the redactor.
    """
    secret_texts = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    # Read by OpenTelemetry itself.
    secret_texts |= {name: value for name, value in environment.items() if _COLLECTOR_HEADERS_PATTERN.fullmatch(name)}
    for name, text in secret_texts.items():
        yield text
        yield from _find_url_credentials(text)
        # Name and cluster in the fragment of an upstream URL are public.
        if name != "PROMETHEUS_ADDRESS":
            yield from _find_header_values(text)
    for name, text in environment.items():
        # The address of a proxy without credentials is public.
        if _PROXY_VARIABLE_PATTERN.fullmatch(name):
            yield from _find_url_credentials(text)


def _find_url_credentials(text: str) -> Iterator[str]:
    """Yield the credentials in the URLs of a text, as written and as sent."""
    for userinfo in _USERINFO_PATTERN.findall(text):
        user, _, password = userinfo.partition(":")
        is_secret = _is_token_user(unquote(user), password)
        if password or is_secret:
            yield f"{unquote(user)}:{unquote(password)}"
            yield from (password, unquote(password))
        if is_secret:
            yield from (user, unquote(user))


def _is_token_user(user: str, password: str) -> bool:
    """Return whether a user name is a secret: as long as a token, or without a password and not a plain word."""
    return len(user) >= MIN_TOKEN_CHARACTERS or (not password and not user.isalpha())


def _find_header_values(text: str) -> Iterator[str]:
    """Yield the values of headers, and their long words: in `Token x` only the second word is secret."""
    for value in _HEADER_VALUE_PATTERN.findall(text):
        yield from (value, unquote(value))
        yield from (word for word in unquote(value).split() if len(word) >= MIN_TOKEN_CHARACTERS)
