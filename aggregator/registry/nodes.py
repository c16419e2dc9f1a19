"""Nodes that report: each is online until its ttl has passed since its last report."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from aggregator.observability.logs import get_logger
from aggregator.registry.reports import MetricsEndpoint, NodeReport, ReportedContainer, ReportedHealth

# Ten times as many as one scrape server is made for: whoever may register must not fill the memory.
MAX_NODES = 50_000
NODE_NAME_EXPECTED = "[A-Za-z0-9.-]+, at most 63 characters"
_NODE_NAME_PATTERN = re.compile(r"(?!\.)[A-Za-z0-9.-]{1,63}", re.ASCII)

_log = get_logger(__name__)


class RegistryFullError(Exception):
    """There are as many nodes as fit."""


def is_node_name(text: str) -> bool:
    """Return whether a text can be the name of a registered node."""
    return _NODE_NAME_PATTERN.fullmatch(text) is not None


@dataclass(frozen=True)
class RegistryClock:
    """Two clocks: a monotonic one, which decides whether nodes are online, and the Unix time, which is only shown."""

    monotonic_seconds: Callable[[], float] = time.monotonic
    unix_seconds: Callable[[], float] = time.time


@dataclass(frozen=True)
class TtlLimits:
    """The range of a ttl, the one of reports without it, after which silence a node is forgotten, and how many fit."""

    min_seconds: float = 10.0
    max_seconds: float = 3600.0
    default_seconds: float = 120.0
    forget_after_seconds: float = 604_800.0
    max_nodes: int = MAX_NODES

    def clamp(self, ttl_seconds: float | None) -> float:
        """Return the ttl that applies to a report."""
        if ttl_seconds is None:
            return self.default_seconds
        return min(max(ttl_seconds, self.min_seconds), self.max_seconds)


class RegisteredNode(msgspec.Struct, frozen=True):
    """What is known about a node from all its reports.

    `host` is the IP address at which its agent is scraped. `reported_at_seconds` is the Unix time of the last report.
    `clock_skew_seconds` is how far the clock of the node is ahead.
    """

    name: str
    host: str
    reported_at_seconds: float
    ttl_seconds: float
    is_online: bool = True
    address: str | None = None
    labels: dict[str, str] = {}
    containers: tuple[ReportedContainer, ...] = ()
    health: ReportedHealth = ReportedHealth()
    local_time: str | None = None
    clock_skew_seconds: float | None = None
    metrics: MetricsEndpoint | None = None
    boot_id: str | None = None
    agent: str | None = None


def merge_health(previous: ReportedHealth, reported: ReportedHealth) -> ReportedHealth:
    """Return the numbers of a report, and the previous ones where it has none."""

    def choose(old: float | None, new: float | None) -> float | None:
        return old if new is None else new

    return ReportedHealth(
        cpu_percent=choose(previous.cpu_percent, reported.cpu_percent),
        memory_total_bytes=choose(previous.memory_total_bytes, reported.memory_total_bytes),
        memory_available_bytes=choose(previous.memory_available_bytes, reported.memory_available_bytes),
        memory_used_bytes=choose(previous.memory_used_bytes, reported.memory_used_bytes),
        disks=reported.disks or previous.disks,
        interfaces=reported.interfaces or previous.interfaces,
    )


@dataclass
class RegistryChanges:
    """What has changed since the last write: nodes to write, and names of nodes to remove."""

    nodes: dict[str, RegisteredNode] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.nodes or self.removed)


class NodeRegistry:
    """All registered nodes, in memory. `take_changes` returns what the store has to write.

    A node that was online when the program stopped has its whole ttl to report again after a restart.
    """

    def __init__(
        self, nodes: Iterable[RegisteredNode] = (), limits: TtlLimits | None = None, clock: RegistryClock | None = None
    ) -> None:
        self._limits = limits or TtlLimits()
        self._clock = clock or RegistryClock()
        self._nodes = {node.name: node for node in nodes}
        self._changes = RegistryChanges()
        now, unix_now = self._clock.monotonic_seconds(), self._clock.unix_seconds()
        # The monotonic time of the last report of each node.
        self._reported_at = {
            node.name: now if node.is_online else now - max(0.0, unix_now - node.reported_at_seconds, node.ttl_seconds)
            for node in self._nodes.values()
        }

    def __len__(self) -> int:
        return len(self._nodes)

    def list_nodes(self) -> list[RegisteredNode]:
        """Return all nodes by name, with their current states."""
        self.update_states()
        return [self._nodes[name] for name in sorted(self._nodes)]

    def find_node(self, name: str) -> RegisteredNode | None:
        """Return a node with its current state, None if it is not registered."""
        if name in self._nodes:
            self._update_state(name, self._clock.monotonic_seconds())
        return self._nodes.get(name)

    def record_report(self, name: str, report: NodeReport, host: str, ttl_seconds: float | None) -> bool:
        """Register a node, or update it; return whether it is new. Raises RegistryFullError if there is no room."""
        now = self._clock.unix_seconds()
        previous = self._nodes.get(name)
        if previous is None and len(self._nodes) >= self._limits.max_nodes:
            raise RegistryFullError
        health = merge_health(previous.health, report.health) if previous else report.health
        containers = report.containers
        if containers is None:
            containers = previous.containers if previous else ()
        self._store(
            RegisteredNode(
                name=name,
                host=host,
                reported_at_seconds=now,
                ttl_seconds=self._limits.clamp(ttl_seconds),
                address=report.address,
                labels=report.labels,
                containers=containers,
                health=health,
                local_time=report.local_time,
                clock_skew_seconds=None if report.time_seconds is None else report.time_seconds - now,
                metrics=report.metrics,
                boot_id=report.boot_id,
                agent=report.agent,
            )
        )
        self._reported_at[name] = self._clock.monotonic_seconds()
        if previous is None:
            _log.info("node registered", node=name, host=host)
        elif not previous.is_online:
            _log.info("node online", node=name, host=host)
        return previous is None

    def mark_stopped(self, name: str) -> bool:
        """Mark a node as offline although its ttl has not passed; return whether it is registered."""
        node = self._nodes.get(name)
        if node is None:
            return False
        if node.is_online:
            _log.info("node stopped", node=name)
            self._store(msgspec.structs.replace(node, is_online=False))
        return True

    def remove_node(self, name: str) -> bool:
        """Forget a node; return whether it was registered."""
        if self._nodes.pop(name, None) is None:
            return False
        del self._reported_at[name]
        self._changes.nodes.pop(name, None)
        self._changes.removed.add(name)
        return True

    def update_states(self) -> None:
        """Mark nodes whose ttl has passed as offline, and forget those that were silent for too long."""
        now = self._clock.monotonic_seconds()
        for name in list(self._nodes):
            self._update_state(name, now)

    def _update_state(self, name: str, now_seconds: float) -> None:
        node, silent_seconds = self._nodes[name], now_seconds - self._reported_at[name]
        if silent_seconds > max(self._limits.forget_after_seconds, node.ttl_seconds):
            _log.warning("silent node forgotten", node=name)
            self.remove_node(name)
        elif node.is_online and silent_seconds > node.ttl_seconds:
            _log.warning("node offline", node=name, ttl_seconds=node.ttl_seconds)
            self._store(msgspec.structs.replace(node, is_online=False))

    def take_changes(self) -> RegistryChanges:
        """Return the changes since the last call."""
        changes, self._changes = self._changes, RegistryChanges()
        return changes

    def restore_changes(self, changes: RegistryChanges) -> None:
        """Add changes that could not be written to those of the next call of `take_changes`."""
        for name in [*changes.nodes, *changes.removed]:
            if name in self._nodes:
                self._changes.nodes[name] = self._nodes[name]
            else:
                self._changes.removed.add(name)

    def _store(self, node: RegisteredNode) -> None:
        self._nodes[node.name] = node
        self._changes.nodes[node.name] = node
        self._changes.removed.discard(node.name)


def iter_online_endpoints(nodes: Iterable[RegisteredNode]) -> Iterator[tuple[RegisteredNode, MetricsEndpoint]]:
    """Yield the nodes that are online and serve metrics."""
    for node in nodes:
        if node.is_online and node.metrics is not None:
            yield node, node.metrics
