"""The command `aggregator agent`: flags, and one document without a server."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from aggregator.agent.config import IniValues
from aggregator.cli import main
from aggregator.cli.agent import merge_variables
from aggregator.settings.agent import AgentSettings
from aggregator.settings.settings import load_settings

INI = IniValues({"MASTER": "ini:1", "MASTER_SECRET": "of-the-ini", "REPORT_INTERVAL": "7", "LOG_LEVEL": "error"})


def parse(*arguments: str) -> argparse.Namespace:
    """Return the parsed arguments of the command."""
    parsed: argparse.Namespace = main.build_parser().parse_args(["agent", *arguments])
    return parsed


def merge(environ: Mapping[str, str], *arguments: str) -> dict[str, str]:
    """Return the variables of flags, environment and INI file."""
    return merge_variables(parse(*arguments), environ, INI)


def test_flags_before_environment_before_files() -> None:
    """Flags override environment variables, which override INI files."""
    assert merge({})["MASTER"] == "ini:1"
    assert merge({"MASTER": "env:1", "REPORT_INTERVAL": " "})["MASTER"] == "env:1"
    assert merge({"REPORT_INTERVAL": " "})["REPORT_INTERVAL"] == "7"
    assert merge({"MASTER": "env:1"}, "-m", "flag:1")["MASTER"] == "flag:1"


def test_a_secret_file_is_a_source_of_its_secret() -> None:
    """A file that a variable names overrides the secret of an INI file, and a flag overrides the file."""
    environ = {"MASTER_SECRET_FILE": "/run/secret"}
    assert "MASTER_SECRET" not in merge(environ)
    variables = merge(environ, "-s", "of-the-flag")
    assert (variables["MASTER_SECRET"], "MASTER_SECRET_FILE" in variables) == ("of-the-flag", False)


def test_the_flags_of_both_old_agents() -> None:
    """The letters of both old agents are accepted, also `-port`."""
    arguments = ["-d", "127.0.0.1:2375", "-m", "a:8761", "-s", "secret", "-t", "5", "-port", "5051", "-vv"]
    settings = load_settings(merge({}, *arguments), AgentSettings)
    assert str(settings.engine_address) == "127.0.0.1:2375"
    assert (settings.master_urls, settings.REPORT_INTERVAL) == (("http://a:8761",), 5.0)
    assert (settings.AGENT_PORT, settings.LOG_LEVEL) == (5051, "debug")
    assert parse("-f", "x.ini", "-u", "me", "install").user == "me"


@pytest.mark.parametrize(
    ("flags", "level"), [([], "error"), (["-v"], "info"), (["-vv"], "debug"), (["-vvvv"], "debug")]
)
def test_verbosity(flags: list[str], level: str) -> None:
    """`-v` is info, `-vv` and more is debug; without it, other sources decide."""
    assert merge({}, *flags)["LOG_LEVEL"] == level


def run(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Run the command and return its exit code."""
    parsed = parse(*arguments)
    code: int = parsed.run(parsed, environ)
    return code


def test_a_report_is_printed(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`--once report` prints the report of this host, also without an Engine, and on stderr why that is missing."""
    environ = {"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "NODE_NAME": "edge-1"}
    assert run(["--once", "report"], environ) == 0
    output = capfdbinary.readouterr()
    document = json.loads(output.out)
    assert (document["name"], document["containers"]) == ("edge-1", [])
    assert (b"engine unavailable" in output.err, b"No such file or directory" in output.err) == (True, True)
    assert document["system"]["memory"]["total"] > 0


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({"MASTER": "10.0.0.1:8761"}, None),
        ({"MASTER": "127.0.0.1:8761"}, 5050),
        ({"MASTER": "10.0.0.1:8761", "AGENT_HOST": "10.0.0.2", "AGENT_OPEN": "yes"}, 5050),
    ],
)
def test_a_report_names_a_port_that_the_master_can_reach(
    environ: dict[str, str], port: int | None, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An agent that listens on loopback names its port to a master on the same machine only."""
    assert (
        run(["--once", "report"], {"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none.sock"} | environ) == 0
    )
    metrics = json.loads(capfdbinary.readouterr().out).get("metrics")
    assert metrics == (None if port is None else {"scheme": "http", "port": port, "path": "/metrics"})


def test_problems_of_files_and_settings_are_reported_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Invalid settings, and a file of -f that does not exist, end the command with code 2 and a line for each."""
    path = str(tmp_path / "none.ini")
    assert run(["-f", path, "-p", "x"], {"HOME": str(tmp_path)}) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [path, "AGENT_PORT"]


def test_installation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`install` writes the settings of flags and environment, with the contents of secret files, and nothing else."""
    (tmp_path / "token").write_text("correct-horse\n", encoding="utf-8")
    environ = {"HOME": str(tmp_path), "AGENT_TOKEN_FILE": str(tmp_path / "token"), "PASSWORD": "other"}
    assert run(["install", "--root", str(tmp_path), "-m", "a:1"], environ) == 0
    settings = (tmp_path / "etc/aggregator-agent.env").read_text(encoding="utf-8")
    assert settings.splitlines()[1:] == ['AGENT_TOKEN="correct-horse"', 'MASTER="a:1"']
    assert run(["install", "--root", str(tmp_path)], environ) == 1
    assert "uninstall it first" in capsys.readouterr().err
    assert run(["uninstall", "--root", str(tmp_path)], environ) == 0
    assert not list((tmp_path / "etc/systemd/system").iterdir())


def test_a_failed_registration_leaves_the_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If `--add-to` fails after the installation, what was installed is printed, and the exit code is 1."""
    assert run(["install", "--root", str(tmp_path), "--add-to", "127.0.0.1:9"], {"HOME": str(tmp_path)}) == 1
    output = capsys.readouterr()
    assert output.out.startswith(f"wrote {tmp_path}/etc/systemd/system/aggregator-agent.service\n")
    assert output.err == "127.0.0.1:9: cannot register: cannot connect: Connection refused\n"
