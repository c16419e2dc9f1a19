"""Arguments, output and exit codes of the doctor; tests/integration/test_doctor.py runs it on real upstreams."""

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from aggregator.cli import main
from aggregator.cli.doctor import findings
from aggregator.cli.doctor.command import KEY_VARIABLES, QUERY_VARIABLES, check_settings
from aggregator.cli.doctor.keys import check_keys
from aggregator.cli.doctor.report import (
    MAX_LINE_COLUMNS,
    DoctorReport,
    UpstreamStatus,
    render_report_json,
    render_report_lines,
)
from aggregator.models.builder.merge import UnplacedTarget
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from tests.integration import misbehaving_upstreams
from tests.integration.gateway_process import (
    GATEWAY_COMMAND,
    START_TIMEOUT_SECONDS,
    build_environment,
    run_to_completion,
)
from tests.server.auth.fake_issuers import build_jwks, generate_rsa_key
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

SEEN_UPSTREAM = UpstreamStatus("eu", "http://eu:9090", "Prometheus", "2.42.0", 0.0, 0.01)
LONG_REPORT = DoctorReport(
    "1.0",
    ok=False,
    upstreams=(SEEN_UPSTREAM,),
    problems=(
        findings.describe_partial_responses("eu", ["uptime"], ["a store is away " * 20]),
        findings.describe_unplaced_samples(1, ["uptime (no node matches its labels: 1)"]),
        findings.describe_unplaced_targets([UnplacedTarget("", "node", "192.0.2.9:9100", "a reason")] * 7),
    ),
)


def test_text_fits_a_terminal() -> None:
    """Long findings are wrapped, and each one has its advice."""
    lines = list(render_report_lines(LONG_REPORT))
    assert max(map(len, lines)) <= MAX_LINE_COLUMNS
    assert sum(line.startswith("  * [") for line in lines) == sum(line.startswith("     -> ") for line in lines) == 3
    assert lines[-1] == "3 problems found"
    assert "  * [partial-answers] eu: partial responses to query uptime: a store is away" in "\n".join(lines)


def test_published_keys_of_the_report() -> None:
    """The JSON of the report has the keys that scripts read."""
    report = json.loads(render_report_json(LONG_REPORT))
    assert report["upstreams"][0].keys() >= {"source", "url", "kind", "version", "clock_ahead_seconds"}
    assert report["upstreams"][0]["answered_seconds"] == 0.01
    assert list(report["problems"][0]) == ["code", "what", "advice", "source", "details"]


def test_no_argument_is_required() -> None:
    """Settings come from the environment; the only option is the format."""
    assert main.build_parser().parse_args(["doctor"]).json is False
    assert main.build_parser().parse_args(["doctor", "--json"]).json is True


def test_the_help_names_the_variables_that_matter() -> None:
    """`doctor --help` names settings that exist."""
    assert {*QUERY_VARIABLES, *KEY_VARIABLES} <= set(Settings.model_fields)
    completed = run_to_completion("doctor", "--help")
    words = set(re.findall(r"[A-Z_]{4,}", completed.stdout))
    assert {*QUERY_VARIABLES, *KEY_VARIABLES} <= words


def test_likely_mistakes_in_settings_are_notes() -> None:
    """A misspelled variable is a note without its value, and so is a setting without effect."""
    environ = {"PROMETHEUS_ADDRESS": "http://h", "CLUSTER_ROLE": "sw0rdfish", "QUERY_TIMEOUT": "30"}
    notes = list(check_settings(load_settings(environ, Settings), environ))
    assert [(note.code, note.advice) for note in notes] == [
        ("unknown-variable", "did you mean CLUSTER_ROLES?"),
        ("no-effect", "change or remove one of both settings"),
    ]
    assert "sw0rdfish" not in str(notes)
    report = LONG_REPORT.extend((), notes)
    assert (report.notes, report.problems, report.ok) == (tuple(notes), LONG_REPORT.problems, False)


KEY_SET = build_jwks(generate_rsa_key("k1").to_jwk())


@pytest.mark.parametrize(
    ("body", "variables", "codes"),
    [
        (KEY_SET, {}, []),
        (b"<html>", {}, ["keys-not-fetched"]),
        (KEY_SET, {"ALGORITHMS": "ES256"}, ["no-usable-keys"]),
        (KEY_SET, {"ISSUER": "http://127.0.0.1:9/realms/a", "JWKS_URL": ""}, ["keys-not-fetched"]),
        (KEY_SET, {"JWKS_URL": ""}, []),
    ],
    ids=["usable", "no key set", "other algorithm", "unreachable issuer", "no tokens"],
)
def test_keys_of_issuers_are_checked(body: bytes, variables: dict[str, str], codes: list[str]) -> None:
    """An issuer whose keys cannot be fetched, or are not usable, is a problem that names it."""
    with run_scripted_server(build_sending_script(build_http_response(body))) as issuer:
        environ = {"PROMETHEUS_ADDRESS": "http://h", "JWKS_URL": f"{issuer.url}/keys"} | variables
        problems = check_keys(load_settings(environ, Settings))
    assert [problem.code for problem in problems] == codes
    assert all("127.0.0.1:" in problem.message for problem in problems)


def test_json_has_the_same_findings() -> None:
    """--json prints the same findings, with the same exit code."""
    plain, data = (
        run_to_completion("doctor", *options, PROMETHEUS_ADDRESS="http://127.0.0.1:1") for options in ([], ["--json"])
    )
    (problem,) = json.loads(data.stdout)["problems"]
    assert (plain.returncode, data.returncode) == (1, 1)
    for text in (problem["code"], problem["what"], problem["advice"]):
        assert text in " ".join(plain.stdout.split())


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_secret_is_not_printed(tmp_path: Path, options: list[str]) -> None:
    """Neither format contains a password or a token."""
    token = tmp_path / "token"
    token.write_text("sw0rdfish-token")
    for environment in (
        {"PROMETHEUS_ADDRESS": "http://ops:sw0rdfish@127.0.0.1:1/x"},
        {"PROMETHEUS_ADDRESS": "http://127.0.0.1:1", "PROMETHEUS_BEARER_TOKEN_FILE": str(token)},
    ):
        completed = run_to_completion("doctor", *options, **environment)
        assert completed.returncode == 1
        assert "sw0rdfish" not in completed.stdout + completed.stderr
        assert "127.0.0.1:1" in completed.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_signal_is_not_success(number: signal.Signals, code: int) -> None:
    """A signal before the end of the run does not result in exit code 0."""
    with misbehaving_upstreams.run_silent_upstream() as (place, listener):
        environment = build_environment({"PROMETHEUS_ADDRESS": f"http://{place}"})
        with subprocess.Popen([*GATEWAY_COMMAND, "doctor"], env=environment, stdout=subprocess.PIPE) as process:
            listener.settimeout(START_TIMEOUT_SECONDS)
            with listener.accept()[0]:
                process.send_signal(number)
                assert process.wait(START_TIMEOUT_SECONDS) == code
