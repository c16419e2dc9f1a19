"""A real Prometheus of either version scrapes the scrape server."""

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.prometheus import PrometheusBinaries, run_prometheus_server
from tests.integration.gateway_process import wait_until
from tests.scrape.scrape_process import run_scrape_process
from tests.scrape.test_legacy_page import read_golden
from tests.support.scripted_server import (
    ReceivedRequest,
    ScriptedServer,
    build_http_response,
    build_sending_script,
    run_scripted_server,
)

REPORT = b'{"time":"2026-11-20T20:25:31.402686","labels":{"cluster":"edge"}}'


def send(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Send one request; return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@contextmanager
def run_old_agent() -> Iterator[ScriptedServer]:
    """Run an agent that answers as the recorded one."""
    data = build_http_response(read_golden("000_agent_get-data.json"), "200 OK", "Content-Type: text/html")

    def answer(connection: Any, request: ReceivedRequest, _server: ScriptedServer) -> None:
        connection.sendall(data if request.path == "/get-data" else build_http_response(b"", "404 Not Found"))

    with run_scripted_server(answer) as server:
        yield server


def query(prometheus_url: str, expression: str) -> list[dict[str, Any]]:
    """Return the result of an instant query."""
    port = int(prometheus_url.rpartition(":")[2])
    parameters = urllib.parse.urlencode({"query": expression})
    result: list[dict[str, Any]] = json.loads(send(port, "GET", f"/api/v1/query?{parameters}")[1])["data"]["result"]
    return result


def check_prometheus_scrapes(folder: Path, binaries: PrometheusBinaries | None = None) -> None:
    """Check that Prometheus stores the metrics of an old agent and of a registered node, and discovers agents."""
    page = build_sending_script(build_http_response(b"a 1\n", "200 OK", "Content-Type: text/plain"))
    with run_old_agent() as old_agent, run_scripted_server(page) as agent, run_scrape_process(folder) as server:
        (port,) = server.ports
        assert send(port, "POST", f"/add-agent?port={old_agent.port}")[0] == 200
        report = REPORT[:-1] + b',"metrics":{"port":%d}}' % agent.port
        assert send(port, "POST", "/discovery/nodes/host-1?ttl=60", report) == (200, "")
        config = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: old
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: discovered
    http_sd_configs: [{{url: "http://127.0.0.1:{port}/sd/agents?via=self", refresh_interval: 1s}}]
"""
        (folder / "prometheus").mkdir()
        with run_prometheus_server(folder / "prometheus", config, binaries=binaries) as prometheus:
            wait_until(lambda: query(prometheus.url, 'a{job="agents"}'), "discovered agents are scraped")
            wait_until(lambda: query(prometheus.url, "container_info"), "the page of all agents is scraped")
            (sample,) = query(prometheus.url, 'container_cpu_percent{container_name="web"}')
            assert sample["value"][1] == "1234"
            assert sample["metric"]["hostname"] == "localhost.server4"
            (sample,) = query(prometheus.url, "aggregator_node_up")
            assert (sample["metric"]["cluster"], sample["metric"]["node"]) == ("edge", "host-1")
            (sample,) = query(prometheus.url, "a{job='agents'}")
            assert sample["metric"]["instance"] == f"127.0.0.1:{agent.port}"
            assert (sample["metric"]["cluster"], sample["metric"]["node"]) == ("edge", "host-1")
            assert not [name for name in sample["metric"] if name.startswith("exported_")]
