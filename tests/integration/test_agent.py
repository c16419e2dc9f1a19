"""The agent as a process: start, requests, stop."""

import http.client
import json
import signal
import ssl
from pathlib import Path

import pytest

from tests.integration.gateway_process import START_TIMEOUT_SECONDS, run_agent, run_to_completion
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files

pytestmark = pytest.mark.concurrent
# Of an idle agent, with the libraries of development. The goal is 60 MiB without them.
MAX_RESIDENT_BYTES = 75 * 2**20


def read(port: int, path: str, context: ssl.SSLContext | None = None) -> str:
    """Return the body of a response."""
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_SECONDS)
        if context is None
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=START_TIMEOUT_SECONDS, context=context)
    )
    connection.request("GET", path)
    body = connection.getresponse().read().decode()
    connection.close()
    return body


def test_an_agent_serves_and_stops(tmp_path: Path) -> None:
    """An agent serves without an Engine, uses little memory, and ends with code 0 after SIGTERM."""
    with run_agent(tmp_path) as agent:
        page = read(agent.agent_port, "/metrics")
        assert "docker_engine_up 0\n" in page
        lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
        assert float(lines["process_resident_memory_bytes"]) < MAX_RESIDENT_BYTES
        assert json.loads(read(agent.agent_port, "/get-data"))["docker-running"] is False
        agent.process.send_signal(signal.SIGTERM)
        assert agent.wait_for_exit(START_TIMEOUT_SECONDS) == 0
        assert agent.read_log_entries()[-1]["event"] == "stopped"


def test_the_secret_is_not_logged(tmp_path: Path) -> None:
    """The log names the INI file, and contains neither its secret nor that of a setting."""
    ini = tmp_path / "haven-agent.ini"
    ini.write_text("[main]\nmaster = 127.0.0.1:9\nsecret = sw0rdfish-1\n", encoding="utf-8")
    with run_agent(tmp_path, "-vv", AGENT_TOKEN="sw0rdfish-2") as agent:
        assert agent.agent_port
        agent.process.send_signal(signal.SIGTERM)
        assert agent.wait_for_exit(START_TIMEOUT_SECONDS) == 0
        assert agent.find_events("configuration read")[0]["files"] == [str(ini)]
        assert "sw0rdfish" not in agent.log


def test_an_agent_with_tls(tmp_path: Path) -> None:
    """With a certificate, the agent serves over TLS."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path / "tls", authority.issue())
    with run_agent(tmp_path, AGENT_TLS_CERT=files.cert, AGENT_TLS_KEY=files.key) as agent:
        context = ssl.create_default_context(cadata=authority.pem.decode())
        assert read(agent.agent_port, "/", context) == "OK"


def test_a_port_in_use_ends_the_agent(tmp_path: Path) -> None:
    """A port that is in use is one line that names the setting, and exit code 1."""
    with run_agent(tmp_path) as agent:
        completed = run_to_completion("agent", "-p", str(agent.agent_port), HOME=str(tmp_path))
        assert completed.returncode == 1
        assert completed.stderr.splitlines()[-1].startswith("AGENT_PORT: cannot listen")
