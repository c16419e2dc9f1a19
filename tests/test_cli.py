"""The command line."""

import pytest

from aggregator import __version__, cli
from aggregator.settings import Settings


def test_the_help_lists_every_setting_with_its_default() -> None:
    """Whoever asks for help learns all that can be set, in lines that fit a screen."""
    text = cli.parser().format_help()
    for name in Settings.model_fields:
        assert f"\n  {name}\n" in text
    assert " ".join(text.split()).count("(default: ") == len(Settings.model_fields)
    assert max(map(len, text.partition("settings, from")[2].splitlines())) <= 100


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version and ends well."""
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"aggregator {__version__}\n"


@pytest.mark.parametrize("argument", ["--port", "serve", "-x"])
def test_there_is_nothing_else(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All settings come from the environment: an argument is refused with status 2."""
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args([argument])
    assert ended.value.code == 2
    assert argument in capsys.readouterr().err


def test_no_argument_is_needed() -> None:
    """The program runs without any."""
    assert vars(cli.parser().parse_args([])) == {}
