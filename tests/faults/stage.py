"""A gateway on a proxy on a Prometheus, and what can be seen of it from outside."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psutil

from demo.prometheus import Moment, holding
from tests.faults.proxy import Proxy, proxy
from tests.integration.process import Gateway, running, until
from tests.integration.telemetry import fleet
from tests.server.call import Reply, channel, over
from tests.server.exchange import Answer, ask

NODES = 2
USER, PASSWORD = "scraper", "sw0rdfish"
MEBIBYTE = 2**20


@contextmanager
def prometheus(nodes: int = NODES) -> Iterator[str]:
    """Run a Prometheus that holds a fleet."""
    with holding([Moment(fleet(nodes), time.time())]) as url:
        yield url


@dataclass(frozen=True)
class Seen:
    """What both protocols told at a time: whether they say that it is whole, and the memory of each node."""

    is_complete: bool
    memory_bytes: dict[str, int | None]


@dataclass(frozen=True)
class Stage:
    """The gateway, and the proxy that it asks."""

    proxy: Proxy
    gateway: Gateway
    channel: grpc.Channel

    def over_http(self) -> Seen:
        """Ask over HTTP, and fail on anything but 200 with all nodes."""
        return self._shown_by(ask(self.gateway.http))

    def over_grpc(self) -> Seen:
        """Ask over gRPC, and fail on anything but OK with all nodes."""
        return self._told_by(over(self.channel))

    def sees(self, expected: Seen) -> bool:
        """Return whether both protocols tell this now."""
        return self.over_http() == expected == self.over_grpc()

    def log_from(self, offset: int) -> str:
        """Return what the log holds from a byte on."""
        with self.gateway.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode()

    def resident_mebibytes(self) -> float:
        """Return the memory that it has at the moment."""
        return float(psutil.Process(self.gateway.process.pid).memory_info().rss) / MEBIBYTE

    def peak_mebibytes(self) -> float:
        """Return the most memory that it ever had, as the kernel counts it."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text(encoding="ascii", errors="replace")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return psutil.Process(self.gateway.process.pid).num_fds()

    def _shown_by(self, answer: Answer) -> Seen:
        assert answer.status == 200, answer.body
        document = answer.json()
        assert document["timestamp"].get("timeSinceOldest", 0.0) >= 0
        nodes: dict[str, Any] = document["cluster"]["edge-a"]["node"]
        memory = {name: node.get("staticMetrics", {}).get("RAMMemory") for name, node in nodes.items()}
        return Seen(answer.headers["X-Topology-Complete"] == "true", _all_of(memory))

    def _told_by(self, reply: Reply) -> Seen:
        assert reply.code is grpc.StatusCode.OK, reply.details
        memory = {node.id: node.resources.memoryInBytes or None for node in reply.model.nodes}
        return Seen(reply.trailing["x-topology-complete"] == "true", _all_of(memory))


def _all_of(memory: "dict[str, int | None]") -> "dict[str, int | None]":
    assert sorted(memory) == [f"node-{number}" for number in range(NODES)]
    return memory


@contextmanager
def stage(prometheus_url: str, folder: Path, **settings: str) -> Iterator[Stage]:
    """Run proxy and gateway while the block runs; the gateway has refreshed well at least once."""
    with proxy(prometheus_url) as between:
        address = between.url.replace("//", f"//{USER}:{PASSWORD}@")
        with running(folder, PROMETHEUS_ADDRESS=address, **settings) as gateway:
            until(lambda: ask(gateway.http, "/readyz").status == 200, "ready")
            with channel(gateway.grpc) as opened:
                yield Stage(between, gateway, opened)
