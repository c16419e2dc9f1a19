"""A gateway process behind a fault proxy and a Prometheus, with measurements from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.faults.fault_proxy import FaultProxy, run_proxy
from tests.integration.fleet_exposition import build_fleet_exposition, build_hosts_exposition
from tests.integration.gateway_process import GatewayProcess, run_gateway, wait_until
from tests.support.grpc_client import CallResult, call_on_channel, open_channel
from tests.support.http_client import ClientResponse, send_request

NODE_COUNT = 2
USER, PASSWORD = "scraper", "sw0rdfish"
MEBIBYTE = 2**20


@contextmanager
def run_fleet_prometheus(nodes: int = NODE_COUNT) -> Iterator[str]:
    """Run a Prometheus that contains the metrics of a fleet."""
    with run_prometheus_with_data([ScrapedExposition(build_fleet_exposition(nodes), time.time())]) as url:
        yield url


@contextmanager
def run_hosts_prometheus() -> Iterator[str]:
    """Run a Prometheus with the same cluster as hosts, for a gateway with `TELEMETRY=docker` and half the queries."""
    with run_prometheus_with_data([ScrapedExposition(build_hosts_exposition(NODE_COUNT), time.time())]) as url:
        yield url


@dataclass(frozen=True)
class ServedState:
    """What a protocol serves: whether the topology is complete, and the memory of each node."""

    is_complete: bool
    memory_bytes: dict[str, int | None]


@dataclass(frozen=True)
class GatewaySetup:
    """The gateway and the proxy that it queries."""

    proxy: FaultProxy
    gateway: GatewayProcess
    channel: grpc.Channel

    def read_over_http(self) -> ServedState:
        """Fetch the topology over HTTP; fail unless the response is 200 with all nodes."""
        return self._parse_http(send_request(self.gateway.http_port))

    def read_over_grpc(self) -> ServedState:
        """Fetch the topology over gRPC; fail unless the status is OK with all nodes."""
        return self._parse_grpc(call_on_channel(self.channel))

    def serves(self, expected: ServedState) -> bool:
        """Return whether both protocols serve this state now."""
        return self.read_over_http() == expected == self.read_over_grpc()

    def read_log_from(self, offset: int) -> str:
        """Return the log from a byte offset to its end."""
        with self.gateway.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode()

    def measure_resident_mebibytes(self) -> float:
        """Return the resident memory of the gateway."""
        return float(psutil.Process(self.gateway.process.pid).memory_info().rss) / MEBIBYTE

    def measure_peak_mebibytes(self) -> float:
        """Return the peak resident memory of the gateway (VmHWM)."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def count_descriptors(self) -> int:
        """Return how many files and sockets the gateway has open."""
        return psutil.Process(self.gateway.process.pid).num_fds()

    def _parse_http(self, response: ClientResponse) -> ServedState:
        assert response.status == 200, response.body
        document = response.json()
        assert document["timestamp"].get("timeSinceOldest", 0.0) >= 0
        nodes: dict[str, Any] = document["cluster"]["edge-a"]["node"]
        memory = {name: node.get("staticMetrics", {}).get("RAMMemory") for name, node in nodes.items()}
        return ServedState(response.headers["X-Topology-Complete"] == "true", _require_all_nodes(memory))

    def _parse_grpc(self, result: CallResult) -> ServedState:
        assert result.code is grpc.StatusCode.OK, result.details
        memory = {node.id: node.resources.memoryInBytes or None for node in result.model.nodes}
        return ServedState(result.trailing_metadata["x-topology-complete"] == "true", _require_all_nodes(memory))


def _require_all_nodes(memory: "dict[str, int | None]") -> "dict[str, int | None]":
    assert sorted(memory) == [f"node-{number}" for number in range(NODE_COUNT)]
    return memory


@contextmanager
def run_gateway_setup(prometheus_url: str, folder: Path, **settings: str) -> Iterator[GatewaySetup]:
    """Run proxy and gateway while the block runs; the gateway is ready."""
    with run_proxy(prometheus_url) as proxy:
        address = proxy.url.replace("//", f"//{USER}:{PASSWORD}@")
        with run_gateway(folder, PROMETHEUS_ADDRESS=address, **settings) as gateway:
            wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
            with open_channel(gateway.grpc_port) as channel:
                yield GatewaySetup(proxy, gateway, channel)
