"""The command line."""

import re

import pytest

from aggregator import __version__
from aggregator.cli import main
from aggregator.settings.gateway import Settings


def test_the_help_lists_every_setting_with_its_default() -> None:
    """The help lists every setting, in lines of at most 100 characters."""
    text = main.build_parser().format_help()
    for name in Settings.model_fields:
        assert f"\n  {name}\n" in text
    assert len(re.findall(r"\((?:default: |required\))", " ".join(text.split()))) == len(Settings.model_fields)
    assert max(map(len, text.partition("settings, from")[2].splitlines())) <= 100


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version and exits with code 0."""
    with pytest.raises(SystemExit) as ended:
        main.build_parser().parse_args(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"aggregator {__version__}\n"


def test_the_usual_settings_come_first() -> None:
    """The help begins with the settings that most installations set; times have a unit."""
    names = re.findall(r"(?m)^  ([A-Z_]+)$", main.build_parser().format_help().partition("settings, from")[2])
    assert tuple(names[: len(main.USUAL_SETTINGS)]) == main.USUAL_SETTINGS
    assert "(default: 300 s)" in " ".join(main.build_parser().format_help().split())


@pytest.mark.parametrize("argument", ["--port", "serve", "-x"])
def test_unknown_arguments_are_errors(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All settings come from the environment; unknown arguments exit with code 2."""
    with pytest.raises(SystemExit) as ended:
        main.build_parser().parse_args([argument])
    assert ended.value.code == 2
    assert argument in capsys.readouterr().err


def test_no_argument_is_needed() -> None:
    """The gateway runs without arguments."""
    assert vars(main.build_parser().parse_args([])) == {}
