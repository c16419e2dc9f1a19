"""How the doctor is asked and what it prints; before real upstreams it is in tests/integration/test_doctor.py."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from aggregator import cli
from aggregator.doctor import advice
from aggregator.doctor.report import Report, Seen
from aggregator.doctor.text import WIDTH, written
from tests.integration import upstream
from tests.integration.process import COMMAND, START_SECONDS, ended, environment

SEEN = Seen("eu", "http://eu:9090", "Prometheus", "2.42.0", 0.0, 0.01)
LONG = Report(
    "1.0",
    ok=False,
    upstreams=(SEEN,),
    problems=(
        advice.partial("eu", ["uptime"], ["a store is away " * 20]),
        advice.samples_without_place(1, ["uptime (no node with its labels: 1)"]),
        advice.no_icos_labels(2),
    ),
)


def test_text_fits_a_terminal() -> None:
    """However long what is found is, no line is longer than a terminal is wide, and each has its advice."""
    lines = written(LONG).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert sum(line.startswith("  * [") for line in lines) == sum(line.startswith("     -> ") for line in lines) == 3
    assert lines[-1] == "3 things are wrong"
    assert "  * [partial-answers] eu: partial answers to query uptime: a store is away" in written(LONG)


def test_it_needs_no_argument() -> None:
    """Settings come from the environment; the one option is the form."""
    assert cli.parser().parse_args(["doctor"]).json is False
    assert cli.parser().parse_args(["doctor", "--json"]).json is True


def test_json_tells_the_same() -> None:
    """What --json prints has the same findings, and the same exit code."""
    plain, data = (ended("doctor", *options, PROMETHEUS_ADDRESS="http://127.0.0.1:1") for options in ([], ["--json"]))
    (problem,) = json.loads(data.stdout)["problems"]
    assert (plain.returncode, data.returncode) == (1, 1)
    for text in (problem["code"], problem["what"], problem["advice"]):
        assert text in " ".join(plain.stdout.split())


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_secret_is_not_printed(tmp_path: Path, options: list[str]) -> None:
    """Neither form shows a password or a token."""
    token = tmp_path / "token"
    token.write_text("sw0rdfish-token")
    for chosen in (
        {"PROMETHEUS_ADDRESS": "http://ops:sw0rdfish@127.0.0.1:1/x"},
        {"PROMETHEUS_ADDRESS": "http://127.0.0.1:1", "PROMETHEUS_BEARER_TOKEN_FILE": str(token)},
    ):
        done = ended("doctor", *options, **chosen)
        assert done.returncode == 1
        assert "sw0rdfish" not in done.stdout + done.stderr
        assert "127.0.0.1:1" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_broken_off_is_not_well(number: signal.Signals, code: int) -> None:
    """A doctor that a signal ends before it has looked does not end as if all were well."""
    with upstream.silent() as (place, listener):
        chosen = environment({"PROMETHEUS_ADDRESS": f"http://{place}"})
        with subprocess.Popen([*COMMAND, "doctor"], env=chosen, stdout=subprocess.PIPE) as process:
            listener.settimeout(START_SECONDS)
            with listener.accept()[0]:
                process.send_signal(number)
                assert process.wait(START_SECONDS) == code
