"""The INI files of the Haven node agent: section `main` with docker, master, timeout, secret and log_level."""

import configparser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Of the old agent, of the one before it, and ours.
FILE_NAMES = ("haven-agent", "dm-agent", "aggregator-agent")
_SECTION = "main"
SETTINGS_BY_KEY = {
    "docker": "DOCKER_HOST",
    "master": "MASTER",
    "timeout": "REPORT_INTERVAL",
    "secret": "MASTER_SECRET",
    "log_level": "LOG_LEVEL",
}
# Names of levels in Python that are no levels of LOG_LEVEL.
_LOG_LEVELS = {"warn": "warning", "critical": "error", "fatal": "error", "notset": "debug"}


@dataclass(frozen=True)
class IniValues:
    """What the INI files say: values by the name of the setting, the files that were read, and remarks for the log."""

    values: dict[str, str]
    files: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def list_ini_paths(working_folder: str, config_folder: str) -> list[str]:
    """Return the files that the old agents read, those that override others last."""
    return [f"{folder}/{name}.ini" for name in FILE_NAMES for folder in (working_folder, config_folder, "/etc")]


def read_ini_files(paths: Iterable[str], required_path: str | None = None) -> IniValues:
    """Read the files that exist; values of later ones win, and those of `required_path`, which must exist, over all."""
    values: dict[str, str] = {}
    files: list[str] = []
    remarks: list[str] = []
    problems: list[str] = []
    for path in (*paths, *([required_path] if required_path else [])):
        parser = configparser.RawConfigParser(strict=False)
        try:
            with open(path, encoding="utf-8") as file:  # noqa: PTH123 - the path is a text of the command line
                parser.read_file(file)
        except FileNotFoundError:
            if path == required_path:
                problems.append(f"{path}: does not exist; expected: an INI file")
            continue
        except OSError as error:
            (problems if path == required_path else remarks).append(f"{path}: cannot be read ({error.strerror})")
            continue
        except (configparser.Error, UnicodeDecodeError):
            problems.append(f"{path}: is not an INI file; expected: the section [{_SECTION}] with key = value")
            continue
        files.append(path)
        found, unknown_keys = _read_section(parser)
        values |= found
        remarks += [f"{path}: unknown key {key}" for key in unknown_keys]
    return IniValues(values, tuple(files), tuple(remarks), tuple(problems))


def _read_section(parser: configparser.RawConfigParser) -> tuple[dict[str, str], Sequence[str]]:
    """Return the settings of the section, and its unknown keys."""
    items = dict(parser.items(_SECTION)) if parser.has_section(_SECTION) else {}
    values = {
        SETTINGS_BY_KEY[key]: value.strip() for key, value in items.items() if key in SETTINGS_BY_KEY and value.strip()
    }
    if "LOG_LEVEL" in values:
        level = values["LOG_LEVEL"].lower()
        values["LOG_LEVEL"] = _LOG_LEVELS.get(level, level)
    return values, sorted(items.keys() - SETTINGS_BY_KEY.keys())
