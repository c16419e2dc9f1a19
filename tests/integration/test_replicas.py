"""Two gateways on one Prometheus: equal versions at equal times, so that a watch continues at the other one."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.integration.fleet_exposition import FIRST_MEMORY_BYTES, build_fleet_exposition
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.support.http_client import send_request

# Every second the fleet has other values, for as long as the tests take at most.
DATA_SECONDS = 400
# Refreshes that take long on a busy machine are further apart.
TIMEOUT_SECONDS = 150.0
COMMON_VERSIONS = 2


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GatewayProcess, GatewayProcess]]:
    """Two ready gateways that refresh every four seconds, and were not started at the same time."""
    now = int(time.time())
    text = build_fleet_exposition(2)
    scrapes = [
        ScrapedExposition(text.replace(str(FIRST_MEMORY_BYTES), str(FIRST_MEMORY_BYTES + 1000 * second)), now + second)
        for second in range(-10, DATA_SECONDS)
    ]
    with run_prometheus_with_data(scrapes) as url:
        settings = {"PROMETHEUS_ADDRESS": url, "REFRESH_INTERVAL": "4"}
        with run_gateway(tmp_path_factory.mktemp("first"), **settings) as first:
            wait_until(lambda: send_request(first.http_port, "/readyz").status == 200, "the first is ready")
            with run_gateway(tmp_path_factory.mktemp("second"), **settings) as second:
                wait_until(lambda: send_request(second.http_port, "/readyz").status == 200, "the second is ready")
                yield first, second


def wait_for_common_versions(replicas: tuple[GatewayProcess, GatewayProcess]) -> list[tuple[str, str]]:
    """Return the versions that both replicas show at some times, in the order of these times."""
    versions: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def list_common() -> list[tuple[str, str]]:
        for gateway, seen in zip(replicas, versions, strict=True):
            headers = send_request(gateway.http_port, "/").headers
            seen[headers["X-Topology-Time"]] = headers["X-Topology-Version"]
        common = sorted(versions[0].keys() & versions[1].keys())
        return [(versions[0][each], versions[1][each]) for each in common] if len(common) >= COMMON_VERSIONS else []

    return wait_until(list_common, "common times", TIMEOUT_SECONDS)


def test_replicas_publish_equal_versions(replicas: tuple[GatewayProcess, GatewayProcess]) -> None:
    """At each time that both replicas show, they show the same version, though the data change every second."""
    common = wait_for_common_versions(replicas)
    assert all(first == second for first, second in common)
    assert len(set(common)) == len(common)


@dataclass(frozen=True)
class Stream:
    """The server-sent events of a watch."""

    response: http.client.HTTPResponse

    def read_event(self) -> tuple[str, str, Any]:
        """Return the name, the ID and the data of the next event."""
        fields: dict[str, str] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields["event"], fields.get("id", ""), json.loads(fields["data"])


@contextmanager
def watch(gateway: GatewayProcess, last_event_id: str = "") -> Iterator[Stream]:
    """Open a watch of the nodes."""
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.http_port, timeout=60)) as connection:
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        connection.request("GET", "/api/v1/watch?kind=nodes", headers=headers)
        yield Stream(connection.getresponse())


def test_a_watch_continues_at_another_replica(replicas: tuple[GatewayProcess, GatewayProcess]) -> None:
    """A client that has a version of one replica gets only changes from the other one, no snapshot."""
    known, _ = wait_for_common_versions(replicas)[-1]
    with watch(replicas[1], known) as stream:
        names = []
        while "changes" not in names:
            name, _, data = stream.read_event()
            names.append(name)
    # A bookmark confirms the version if it is still the current one.
    assert [name for name in names if name != "bookmark"] == ["completeness", "changes"]
    assert data["version"] != known
