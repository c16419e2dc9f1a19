"""The scrape server as a process: its command line, its signals, and a real Prometheus that scrapes it."""

import json
import signal
import ssl
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.prometheus import find_free_port
from tests.integration.gateway_process import wait_until
from tests.scrape.prometheus_check import REPORT, check_prometheus_scrapes, send
from tests.scrape.scrape_process import build_environment, run_command, run_process, run_scrape_process
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files
from tests.support.scripted_server import (
    build_http_response,
    build_sending_script,
    run_scripted_server,
)


def test_a_real_prometheus_scrapes_the_server(tmp_path: Path) -> None:
    """Prometheus stores the metrics of an old agent and of a registered node, and discovers agents over HTTP."""
    check_prometheus_scrapes(tmp_path)


def test_nothing_registered_is_lost(tmp_path: Path) -> None:
    """A node that got 200 is there after SIGKILL and a restart; SIGTERM ends the server with code 0."""
    with run_scrape_process(tmp_path) as server:
        (port,) = server.ports
        assert send(port, "POST", "/discovery/nodes/host-1?ttl=60", REPORT)[0] == 200
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    (tmp_path / "scrape.log").unlink()
    with run_scrape_process(tmp_path) as server:
        (port,) = server.ports
        (node,) = json.loads(send(port, "GET", "/ui/api/nodes/")[1])
        assert (node["name"], node["on"], node["cluster"]) == ("host-1", True, "edge")
        assert server.stop(signal.SIGTERM) == 0
        assert server.find_events("stopped")


def test_several_ports_have_the_same_content(tmp_path: Path) -> None:
    """The flag -p takes several ports, and overrides the setting, as -f does."""
    other_list = tmp_path / "other.yaml"
    with run_scrape_process(tmp_path, "-p", "0", "-f", str(other_list), SCRAPE_PORT="1") as server:
        (port,) = server.ports
        assert send(port, "POST", "/add-agent?port=5050")[0] == 200
        assert "127.0.0.1:5050" in other_list.read_text()
    (tmp_path / "scrape.log").unlink()
    free_ports = [find_free_port(), find_free_port()]
    with run_scrape_process(tmp_path, "-p", ",".join(map(str, free_ports))) as server:
        wait_until(lambda: len(server.ports) == 2, "both ports are open")
        assert [send(port, "GET", "/")[1] for port in free_ports] == ["OK\n", "OK\n"]


def test_a_second_server_does_not_start(tmp_path: Path) -> None:
    """A registry file in use, and a port in use, are one line and code 1."""
    with run_scrape_process(tmp_path) as server:
        (port,) = server.ports
        completed = run_command(tmp_path, "scrape", SCRAPE_PORT="0")
        assert (completed.returncode, completed.stderr.count("\n")) == (1, 1)
        assert "in use by another scrape server" in completed.stderr
        completed = run_command(tmp_path, "scrape", SCRAPE_PORT=str(port), REGISTRY_FILE=str(tmp_path / "other"))
        assert completed.returncode == 1
        assert "SCRAPE_PORT: cannot listen" in completed.stderr


def test_invalid_settings_are_reported_together(tmp_path: Path) -> None:
    """All invalid settings are named, and the exit code is 2."""
    completed = run_command(
        tmp_path, "scrape", "-p", "x", SCRAPE_ALLOW="y", DEFAULT_TTL="1", AGENT_COMMANDS="on", SCRAPE_TIMEOUT="z"
    )
    assert completed.returncode == 2
    assert sorted(line.partition(":")[0] for line in completed.stderr.splitlines()) == [
        *("AGENT_COMMANDS", "DEFAULT_TTL", "SCRAPE_ALLOW", "SCRAPE_PORT", "SCRAPE_TIMEOUT")
    ]


def test_the_server_warns_about_what_is_open(tmp_path: Path) -> None:
    """Registration and reading without a secret, and settings without effect, are warnings; with secrets, none is."""
    with run_scrape_process(tmp_path, SCRAPE_HOST="0.0.0.0", CLIENT_WORKERS="4") as server:  # noqa: S104 - what is tested
        assert server.ports
        assert len(server.find_events("registration without a secret")) == 1
        assert len(server.find_events("open to the network")) == 1
        assert len(server.find_events("setting without effect")) == 1
        server.stop(signal.SIGTERM)
    log = tmp_path / "scrape.log"
    log.unlink()
    secrets = {"DISCOVERY_SECRET": "discovery-secret", "SCRAPE_TOKEN": "reader-token", "AGENTS_TOKEN": "agents-token"}
    with run_scrape_process(tmp_path, SCRAPE_HOST="0.0.0.0", LOG_LEVEL="debug", **secrets) as server:  # noqa: S104 - as above
        (port,) = server.ports
        assert send(port, "GET", "/metrics")[0] == 401
        assert not server.find_events("registration without a secret")
        assert not server.find_events("open to the network")
        assert not any(secret in log.read_text() for secret in secrets.values())


def test_the_server_speaks_tls(tmp_path: Path) -> None:
    """With a certificate, the server requires TLS."""
    authority = CertificateAuthority()
    files = write_certificate_files(tmp_path, authority.issue())
    with run_scrape_process(tmp_path, SCRAPE_TLS_CERT=files.cert, SCRAPE_TLS_KEY=files.key) as server:
        (port,) = server.ports
        context = ssl.create_default_context(cadata=authority.pem.decode())
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/", context=context) as reply:
            assert reply.read() == b"OK\n"


def test_limits_that_exclude_each_other(tmp_path: Path) -> None:
    """A shortest ttl above the longest one is reported as such, not as an invalid default."""
    completed = run_command(tmp_path, "scrape", MIN_TTL="2h", MAX_TTL="1h")
    assert completed.returncode == 2
    assert completed.stderr == "MIN_TTL: is 7200 s; expected: at most MAX_TTL, 3600 s\n"


def test_urls_are_merged_once(tmp_path: Path) -> None:
    """`--once` prints the merged page on stdout and a line for each URL on stderr; code 1 if one failed."""
    script = build_sending_script(build_http_response(b"# TYPE a gauge\na 1\n"))
    with run_scripted_server(script) as first, run_scripted_server(script) as second:
        urls = [f"{first.url}/metrics", f"{second.url}/metrics"]
        completed = run_command(tmp_path, "scrape", "--once", *urls)
        assert completed.returncode == 0
        samples = {
            (sample.name, sample.labels["instance"]): sample.value
            for family in text_string_to_metric_families(completed.stdout)
            for sample in family.samples
        }
        for server in (first, second):
            assert samples["a", f"127.0.0.1:{server.port}"] == samples["up", f"127.0.0.1:{server.port}"] == 1
        assert len(completed.stderr.splitlines()) == 2
    completed = run_command(tmp_path, "scrape", "--once", urls[0])
    assert completed.returncode == 1
    assert "failed (refused)" in completed.stderr
    assert "aggregator_scrape_target_error" in completed.stdout


def test_an_address_is_not_a_url(tmp_path: Path) -> None:
    """`--once` without a scheme is one line and code 2, and prints no page."""
    completed = run_command(tmp_path, "scrape", "--once", "127.0.0.1:9100")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == "--once: a URL must begin with http:// or https://, got 127.0.0.1:9100\n"


def test_tokens_are_managed_while_the_server_runs(tmp_path: Path) -> None:
    """A token is printed once, kept as a digest, listed without it, and removed."""
    with run_scrape_process(tmp_path) as server:
        assert server.ports
        completed = run_command(tmp_path, "tokens", "add", "host-1", "--from", "10.0.0.0/8")
        token = completed.stdout.strip()
        assert (completed.returncode, len(token)) == (0, 43)
        assert completed.stderr == f"added to {tmp_path}/registry.sqlite; this token is not shown again\n"
        assert run_command(tmp_path, "tokens", "add", "host-1").returncode == 1
        assert "host-1" in (listed := run_command(tmp_path, "tokens", "list").stdout)
        assert "10.0.0.0/8" in listed
        assert token not in listed
        for file in tmp_path.glob("registry.sqlite*"):
            assert token.encode() not in file.read_bytes()
        assert run_command(tmp_path, "tokens", "remove", "host-1").returncode == 0
        assert run_command(tmp_path, "tokens", "remove", "host-1").returncode == 1


@pytest.mark.parametrize("arguments", [("list",), ("remove", "host-1")])
def test_no_registry_is_created_to_look_at_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """`list` and `remove` name the file that does not exist, and do not create it."""
    completed = run_command(tmp_path, "tokens", *arguments)
    assert completed.returncode == 1
    assert completed.stderr == f"REGISTRY_FILE: {tmp_path}/registry.sqlite does not exist\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("add", "a b"), ("add", "a", "--from", "x")])
def test_invalid_tokens_are_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A name that no node can have, and an invalid network, are one line and code 1."""
    completed = run_command(tmp_path, "tokens", *arguments)
    assert (completed.returncode, completed.stderr.count("\n"), completed.stdout) == (1, 1, "")


def test_an_agent_that_cannot_be_scraped_says_so(tmp_path: Path) -> None:
    """An agent on loopback with a master elsewhere logs that it cannot be scraped, unless it sends its page."""
    settings = {"AGENT_PORT": "0", "MASTER": "192.0.2.1:9", "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    for push_page, count in (("off", 1), ("on", 0)):
        log = tmp_path / push_page
        environment = build_environment(tmp_path, settings | {"PUSH_PAGE": push_page})
        with run_process(log, "agent", environment=environment) as agent:
            wait_until(lambda log=log: "engine unavailable" in log.read_text(), "the agent runs")  # type: ignore[misc] # bound at once
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(20) == 0
        assert log.read_text().count("agent cannot be scraped") == count


def test_our_agent_registers_and_stops(tmp_path: Path) -> None:
    """Our agent reports with the token of its node, is scraped with the key of that, and is offline after SIGTERM."""
    with run_scrape_process(tmp_path) as server:
        (port,) = server.ports
        secret = run_command(tmp_path, "tokens", "add", "host-1").stdout.strip()
        agent_settings = {
            "NODE_NAME": "host-1",
            "AGENT_PORT": str(find_free_port()),
            "AGENT_TOKEN": "another-token",
            "MASTER": f"127.0.0.1:{port}",
            "MASTER_SECRET": secret,
            "REPORT_INTERVAL": "1",
            "DOCKER_HOST": f"unix://{tmp_path}/no-engine.sock",
        }
        environment = build_environment(tmp_path, agent_settings)
        with run_process(tmp_path / "agent.log", "agent", environment=environment) as agent:
            wait_until(lambda: "docker_engine_up" in send(port, "GET", "/scrape?agents")[1], "the agent is scraped")
            page = send(port, "GET", "/scrape?target=host-1")[1]
            assert 'up{job="agents",' in page
            assert 'node="host-1"} 1\n' in page
            (node,) = json.loads(send(port, "GET", "/api/v1/registrations")[1])["registrations"]
            assert (node["name"], node["online"], node["hasToken"]) == ("host-1", True, True)
            assert 'server_docker_running{hostname="host-1"} 0\n' in send(port, "GET", "/metrics?layout=2023")[1]
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(10) == 0
        (node,) = json.loads(send(port, "GET", "/api/v1/registrations")[1])["registrations"]
        assert (node["name"], node["online"]) == ("host-1", False)
