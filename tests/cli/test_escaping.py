"""Texts from upstreams and gateways reach the terminal escaped, whatever command prints them."""

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from aggregator.cli import main
from aggregator.models.topology import Cluster, Topology
from aggregator.views.v1_format import render_v1_json
from tests.support.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    build_http_response,
    build_sending_script,
    run_scripted_server,
)

# Sets the title of the window, rings, returns to the beginning of the line, reorders, and begins new lines.
HOSTILE_TEXT = "\x1b]0;pwn\x07\r\u202e\u2066\x85\u2028\x9bm"
HOSTILE_ERROR = json.dumps({"status": "error", "errorType": "bad_data", "error": HOSTILE_TEXT}).encode()


def run_command(environ: Mapping[str, str], *arguments: str) -> int:
    """Run a command of the command line in this process."""
    parsed = main.build_parser().parse_args(arguments)
    exit_code: int = parsed.run(parsed, environ)
    return exit_code


def assert_printable(capsys: pytest.CaptureFixture[str], *, contains: str = "pwn") -> None:
    """Check that all output consists of printable lines, and that the hostile text is in it."""
    captured = capsys.readouterr()
    assert contains in captured.out + captured.err
    for line in (captured.out + captured.err).split("\n"):
        assert line.isprintable()


@pytest.mark.parametrize("command", [("show",), ("doctor",), ("doctor", "--json"), ("record", "FILE")])
def test_errors_of_an_upstream_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """The error text of an upstream is printed without control characters."""
    arguments = [str(tmp_path / "recording") if each == "FILE" else each for each in command]
    with run_scripted_server(build_sending_script(build_http_response(HOSTILE_ERROR, "400 Bad Request"))) as upstream:
        assert run_command({"PROMETHEUS_ADDRESS": upstream.url}, *arguments) == 1
    assert_printable(capsys)


def test_errors_of_a_recording_are_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error texts in a recording are printed without control characters."""
    recording = str(tmp_path / "recording")
    with run_scripted_server(build_sending_script(build_http_response(HOSTILE_ERROR, "400 Bad Request"))) as upstream:
        run_command({"PROMETHEUS_ADDRESS": upstream.url}, "record", recording)
    capsys.readouterr()
    assert run_command({"PROMETHEUS_ADDRESS": f"replay:{recording}"}, "show") == 1
    assert_printable(capsys)


def test_problem_details_of_a_gateway_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """The detail of a problem document is printed without control characters."""
    problem = json.dumps({"detail": HOSTILE_TEXT}).encode()
    with run_scripted_server(build_sending_script(build_http_response(problem, "503 Unavailable"))) as gateway:
        assert run_command({}, "show", "--url", gateway.url) == 1
    assert_printable(capsys)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_topology_of_a_gateway_is_escaped(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    """Names in a topology are printed without control characters, as a tree and as JSON."""
    topology = Topology(clusters={HOSTILE_TEXT: Cluster(key=HOSTILE_TEXT, uid="u")})
    document = render_v1_json(topology, 0.0)
    with run_scripted_server(build_sending_script(build_http_response(document))) as gateway:
        assert run_command({}, "show", "--url", gateway.url, *options) == 0
    assert_printable(capsys)


def respond_as_prometheus(connection: socket.socket, request: ReceivedRequest, _server: ScriptedServer) -> None:
    """Answer queries with the time, and identify as a hostile version."""
    body: object = {"data": {"version": HOSTILE_TEXT}}
    if request.path.endswith("/query"):
        result = [{"metric": {}, "value": [time.time(), str(time.time())]}]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
    connection.sendall(build_http_response(json.dumps(body).encode()))


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_version_of_an_upstream_is_escaped(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    """The doctor prints the version that an upstream reports without control characters."""
    with run_scripted_server(respond_as_prometheus) as upstream:
        run_command({"PROMETHEUS_ADDRESS": upstream.url}, "doctor", *options)
    assert_printable(capsys)


def test_settings_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Values that settings errors quote are printed without control characters."""
    assert run_command({"PROMETHEUS_ADDRESS": "http://a", "TRUSTED_PROXIES": f"pwn{HOSTILE_TEXT}"}, "show") == 2
    assert_printable(capsys)
