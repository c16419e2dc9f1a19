"""The INI files of the old node agent."""

from pathlib import Path

from aggregator.agent.config import list_ini_paths, read_ini_files

SAMPLE = "[main]\ndocker = 127.0.0.1:2375\nmaster = a:8761\ntimeout = 5\nsecret = s\nlog_level = WARNING\n"


def write(folder: Path, name: str, text: str) -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_keys_are_settings(tmp_path: Path) -> None:
    """Each key of the section is a setting; names of log levels may be those of Python."""
    path = write(tmp_path, "a.ini", SAMPLE)
    assert read_ini_files([path]).values == {
        "DOCKER_HOST": "127.0.0.1:2375",
        "MASTER": "a:8761",
        "REPORT_INTERVAL": "5",
        "MASTER_SECRET": "s",
        "LOG_LEVEL": "warning",
    }
    assert read_ini_files([path]).files == (path,)


def test_later_files_win_and_the_named_one_over_all(tmp_path: Path) -> None:
    """A later file overrides an earlier one, and the file of -f all others, which it did not in the old agent."""
    first, second = write(tmp_path, "a.ini", SAMPLE), write(tmp_path, "b.ini", "[main]\nmaster=b:1\nsecret=\n")
    named = write(tmp_path, "c.ini", "[main]\nmaster=c:1\n")
    values = read_ini_files([first, str(tmp_path / "missing.ini"), second]).values
    assert (values["MASTER"], values["MASTER_SECRET"]) == ("b:1", "s")
    assert read_ini_files([first, second], named).values["MASTER"] == "c:1"


def test_the_order_of_the_files() -> None:
    """Per name, the working folder comes first and /etc last; our name overrides those of the old agents."""
    assert list_ini_paths("/w", "/c") == [
        *("/w/haven-agent.ini", "/c/haven-agent.ini", "/etc/haven-agent.ini"),
        *("/w/dm-agent.ini", "/c/dm-agent.ini", "/etc/dm-agent.ini"),
        *("/w/aggregator-agent.ini", "/c/aggregator-agent.ini", "/etc/aggregator-agent.ini"),
    ]


def test_problems_name_the_file(tmp_path: Path) -> None:
    """A file that is no INI file, and a missing file of -f, are problems; unknown keys are remarks."""
    broken, named = write(tmp_path, "a.ini", "no section"), str(tmp_path / "missing.ini")
    strange = write(tmp_path, "b.ini", "[main]\nmastr=a:1\n")
    result = read_ini_files([broken, strange], named)
    assert result.problems == (
        f"{broken}: is not an INI file; expected: the section [main] with key = value",
        f"{named}: does not exist; expected: an INI file",
    )
    assert result.remarks == (f"{strange}: unknown key mastr",)
