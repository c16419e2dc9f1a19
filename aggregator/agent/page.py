"""The page of metrics: one table with all families, and the samples of a collection.

Names are those of cAdvisor for containers and of node_exporter for the host, where they have one. Samples have no
timestamps, so that a removed container disappears at the next scrape. docs/agent-metrics.md is generated from the
table.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aggregator import __version__
from aggregator.agent.collect import Collection, CollectionCounters, ContainerReading
from aggregator.agent.host import HostFacts, SystemName
from aggregator.agent.process_metrics import ProcessFacts
from aggregator.docker.facts import CONTAINER_STATES, HEALTH_STATUSES, EngineContainer, Usage
from aggregator.docker.usage import NANOSECONDS, compute_working_set_bytes
from aggregator.exposition.page import Family, make_sample
from aggregator.exposition.write import write_families

Labels = tuple[tuple[str, str], ...]


class FamilyDefinition(NamedTuple):
    """Name, kind and help of a family, and the labels besides those of all containers."""

    name: str
    kind: str
    labels: str
    help: str


_CONTAINER = "id, name, image"

FAMILIES = (
    FamilyDefinition("docker_engine_up", "gauge", "", "Whether the Engine answered."),
    FamilyDefinition(
        "docker_engine_info",
        "gauge",
        "engine, version, api_version, storage_driver, cgroup_version",
        "Always 1, labeled with facts about the Engine.",
    ),
    FamilyDefinition("docker_containers", "gauge", "state", "Containers by state."),
    FamilyDefinition("docker_images", "gauge", "", "Images of the Engine."),
    FamilyDefinition(
        "docker_container_info",
        "gauge",
        "id, name, image, image_id, compose_project, compose_service",
        "Always 1, for each container, also for stopped ones.",
    ),
    FamilyDefinition("docker_container_state", "gauge", "id, state", "Whether the container is in the state."),
    FamilyDefinition("docker_container_health", "gauge", "id, status", "Whether its health check has the status."),
    FamilyDefinition(
        "docker_container_restarts_total", "counter", "id", "Restarts by the restart policy of the container."
    ),
    FamilyDefinition("docker_container_exit_code", "gauge", "id", "Exit code of a container that has ended."),
    FamilyDefinition(
        "docker_container_oom_kills_total",
        "counter",
        "id",
        "Times that the kernel killed a process for lack of memory since the agent started, plus 1 if it did before.",
    ),
    FamilyDefinition(
        "container_cpu_usage_seconds_total", "counter", f"{_CONTAINER}, cpu", "CPU time; the label `cpu` is `total`."
    ),
    FamilyDefinition("container_cpu_user_seconds_total", "counter", _CONTAINER, "CPU time in user mode."),
    FamilyDefinition("container_cpu_system_seconds_total", "counter", _CONTAINER, "CPU time in the kernel."),
    FamilyDefinition(
        "container_cpu_cfs_periods_total", "counter", _CONTAINER, "Periods of the CPU limit, if there is one."
    ),
    FamilyDefinition(
        "container_cpu_cfs_throttled_periods_total", "counter", _CONTAINER, "Periods in which it was throttled."
    ),
    FamilyDefinition(
        "container_cpu_cfs_throttled_seconds_total", "counter", _CONTAINER, "Time for which it was throttled."
    ),
    FamilyDefinition("container_memory_usage_bytes", "gauge", _CONTAINER, "Memory, including the page cache."),
    FamilyDefinition(
        "container_memory_working_set_bytes", "gauge", _CONTAINER, "Memory without the inactive page cache."
    ),
    FamilyDefinition("container_memory_cache", "gauge", _CONTAINER, "Page cache in bytes."),
    FamilyDefinition("container_memory_rss", "gauge", _CONTAINER, "Anonymous memory in bytes."),
    FamilyDefinition(
        "container_spec_memory_limit_bytes", "gauge", _CONTAINER, "Memory limit of the container; 0: no limit."
    ),
    FamilyDefinition("container_network_receive_bytes_total", "counter", f"{_CONTAINER}, interface", "Bytes received."),
    FamilyDefinition("container_network_transmit_bytes_total", "counter", f"{_CONTAINER}, interface", "Bytes sent."),
    FamilyDefinition("container_fs_reads_bytes_total", "counter", _CONTAINER, "Bytes read from disks."),
    FamilyDefinition("container_fs_writes_bytes_total", "counter", _CONTAINER, "Bytes written to disks."),
    FamilyDefinition("container_processes", "gauge", _CONTAINER, "Processes and threads."),
    FamilyDefinition("container_start_time_seconds", "gauge", _CONTAINER, "Time of the last start, as Unix time."),
    FamilyDefinition("container_last_seen", "gauge", _CONTAINER, "When its numbers were read, as Unix time."),
    FamilyDefinition(
        "node_uname_info",
        "gauge",
        "sysname, release, version, machine, nodename",
        "Always 1, labeled as `uname` reports; `nodename` is the name in reports.",
    ),
    FamilyDefinition("node_time_seconds", "gauge", "", "Clock of the host, as Unix time."),
    FamilyDefinition("node_boot_time_seconds", "gauge", "", "When the host started, as Unix time."),
    FamilyDefinition("node_cpu_seconds_total", "counter", "cpu, mode", "Time of each CPU in each mode."),
    FamilyDefinition("node_memory_MemTotal_bytes", "gauge", "", "Memory of the host."),
    FamilyDefinition("node_memory_MemFree_bytes", "gauge", "", "Unused memory."),
    FamilyDefinition("node_memory_MemAvailable_bytes", "gauge", "", "Memory available to new processes."),
    FamilyDefinition("node_filesystem_size_bytes", "gauge", "device, fstype, mountpoint", "Size of a file system."),
    FamilyDefinition(
        "node_filesystem_avail_bytes", "gauge", "device, fstype, mountpoint", "Space for users other than root."
    ),
    FamilyDefinition(
        "node_network_info", "gauge", "device, address, duplex, operstate", "Always 1, for each network interface."
    ),
    FamilyDefinition("node_network_up", "gauge", "device", "Whether the interface is up."),
    FamilyDefinition("node_network_speed_bytes", "gauge", "device", "Speed in bytes per second, if it is known."),
    FamilyDefinition("node_network_mtu_bytes", "gauge", "device", "Largest packet."),
    FamilyDefinition(
        "node_network_address_info", "gauge", "device, address, netmask", "Always 1, for each address of an interface."
    ),
    FamilyDefinition("node_network_receive_bytes_total", "counter", "device", "Bytes received."),
    FamilyDefinition("node_network_transmit_bytes_total", "counter", "device", "Bytes sent."),
    FamilyDefinition(
        "docker_collection_duration_seconds", "gauge", "", "Duration of the collection that this page shows."
    ),
    FamilyDefinition(
        "docker_collection_failures_total",
        "counter",
        "reason",
        "Responses that were missing: of the Engine, of the statistics or the inspection of a container, of the host; "
        "`…_timeout`: not within COLLECT_TIMEOUT.",
    ),
    FamilyDefinition("http_requests_total", "counter", "handler, code, method", "HTTP requests completed."),
    FamilyDefinition(
        "aggregator_agent_reports_total", "counter", "master, result", "Reports to masters: `success` or `failure`."
    ),
    FamilyDefinition("aggregator_build_info", "gauge", "version", "Always 1, labeled with the running version."),
    FamilyDefinition("process_cpu_seconds_total", "counter", "", "CPU time of the agent."),
    FamilyDefinition("process_resident_memory_bytes", "gauge", "", "Resident memory of the agent."),
    FamilyDefinition("process_open_fds", "gauge", "", "Open file descriptors of the agent."),
    FamilyDefinition("process_start_time_seconds", "gauge", "", "When the agent started, as Unix time."),
)

FAILURE_REASONS = (
    *("engine", "engine_timeout", "host", "host_timeout"),
    *("inspect", "inspect_timeout", "stats", "stats_timeout"),
)
_INVALID_LABEL_CHARACTERS = re.compile("[^a-zA-Z0-9_]")
_COMPOSE_LABELS = (("compose_project", "com.docker.compose.project"), ("compose_service", "com.docker.compose.service"))


class PageWriter:
    """Writes pages: `label_names` are the labels of containers that become labels of their metrics.

    `node_name` is NODE_NAME, "" for the name of the Engine.
    """

    def __init__(
        self, label_names: tuple[str, ...], system: SystemName, node_name: str = "", *, includes_host: bool
    ) -> None:
        # Of two names that are the same label of Prometheus, the first counts.
        names_by_label = {"container_label_" + sanitize_label_name(name): name for name in reversed(label_names)}
        self._label_names = tuple((name, label) for label, name in names_by_label.items())
        self._system = system
        self._node_name = node_name
        self._includes_host = includes_host

    def write(self, collection: Collection, counters: CollectionCounters, process: ProcessFacts) -> bytes:
        """Return the page of a collection."""
        page = _PageBuilder()
        _add_engine(page, collection)
        for reading in collection.containers:
            _add_container(page, reading, counters.oom_kills[reading.container.id])
            if reading.usage is not None:
                _add_usage(page, reading, reading.usage, self._label_container(reading.container))
        if self._includes_host and collection.host is not None:
            engine_name = collection.engine.name if collection.engine is not None else ""
            _add_host(page, collection.host, self._system, self._node_name or engine_name or self._system.node)
        page.add("docker_collection_duration_seconds", collection.duration_seconds)
        for reason in FAILURE_REASONS:
            page.add("docker_collection_failures_total", counters.failures[reason], ("reason", reason))
        _add_process(page, process)
        return page.encode()

    def _label_container(self, container: EngineContainer) -> Labels:
        own_labels = container.labels or {}
        return (
            _identify(container),
            ("name", container.name),
            ("image", container.image),
            *((label, own_labels[name]) for name, label in self._label_names if name in own_labels),
        )


class _PageBuilder:
    """Samples by family, in the order of the table."""

    def __init__(self) -> None:
        self._families = {each.name: Family(each.name, each.kind, each.help) for each in FAMILIES}

    def add(self, name: str, value: float, *labels: tuple[str, str]) -> None:
        """Add a sample to its family."""
        self._families[name].samples.append(make_sample(name, labels, value))

    def add_all(self, values: Mapping[str, float], labels: Iterable[tuple[str, str]]) -> None:
        """Add a sample with these labels to each of several families."""
        for name, value in values.items():
            self.add(name, value, *labels)

    def encode(self) -> bytes:
        """Return the page with all families that have samples."""
        return write_families(family for family in self._families.values() if family.samples)


def sanitize_label_name(name: str) -> str:
    """Return the name of a container label as a part of a label of Prometheus, as cAdvisor writes it."""
    return _INVALID_LABEL_CHARACTERS.sub("_", name)


def _identify(container: EngineContainer) -> tuple[str, str]:
    """Return the label that all series of a container have. Its name is in those of cAdvisor and in the info."""
    return ("id", f"/docker/{container.id}")


def _add_engine(page: _PageBuilder, collection: Collection) -> None:
    engine = collection.engine
    page.add("docker_engine_up", 0 if engine is None else 1)
    if engine is None:
        return
    page.add(
        "docker_engine_info",
        1,
        ("engine", engine.engine),
        ("version", engine.version),
        ("api_version", engine.api_version),
        ("storage_driver", engine.storage_driver),
        ("cgroup_version", engine.cgroup_version),
    )
    states = [reading.container.state for reading in collection.containers]
    for state in dict.fromkeys((*CONTAINER_STATES, *states)):
        page.add("docker_containers", states.count(state), ("state", state))
    page.add("docker_images", engine.image_count)


def _add_container(page: _PageBuilder, reading: ContainerReading, oom_kills: int) -> None:
    """Add what is known of every container, stopped or not."""
    container, identity = reading.container, _identify(reading.container)
    labels = container.labels or {}
    page.add(
        "docker_container_info",
        1,
        identity,
        ("name", container.name),
        ("image", container.image),
        ("image_id", container.image_id),
        *((name, labels.get(label, "")) for name, label in _COMPOSE_LABELS),
    )
    for state in dict.fromkeys((*CONTAINER_STATES, container.state)):
        page.add("docker_container_state", int(state == container.state), identity, ("state", state))
    details = reading.details
    if details is None:
        return
    for status in dict.fromkeys((*HEALTH_STATUSES, details.health)):
        page.add("docker_container_health", int(status == details.health), identity, ("status", status))
    page.add("docker_container_restarts_total", details.restart_count, identity)
    page.add("docker_container_oom_kills_total", max(oom_kills, int(details.is_oom_killed)), identity)
    if container.state in ("exited", "dead"):
        page.add("docker_container_exit_code", details.exit_code, identity)


def _add_usage(page: _PageBuilder, reading: ContainerReading, usage: Usage, labels: Labels) -> None:
    """Add the numbers of a running container."""
    page.add("container_cpu_usage_seconds_total", usage.cpu_nanoseconds / NANOSECONDS, *labels, ("cpu", "total"))
    page.add_all(
        {
            "container_cpu_user_seconds_total": usage.cpu_user_nanoseconds / NANOSECONDS,
            "container_cpu_system_seconds_total": usage.cpu_system_nanoseconds / NANOSECONDS,
            "container_memory_usage_bytes": usage.memory_bytes,
            "container_memory_working_set_bytes": compute_working_set_bytes(usage),
            "container_fs_reads_bytes_total": usage.read_bytes,
            "container_fs_writes_bytes_total": usage.write_bytes,
            "container_processes": usage.process_count,
        },
        labels,
    )
    if usage.memory_cache_bytes is not None:
        page.add("container_memory_cache", usage.memory_cache_bytes, *labels)
    if usage.memory_rss_bytes is not None:
        page.add("container_memory_rss", usage.memory_rss_bytes, *labels)
    if usage.cfs_periods:
        page.add_all(
            {
                "container_cpu_cfs_periods_total": usage.cfs_periods,
                "container_cpu_cfs_throttled_periods_total": usage.cfs_throttled_periods,
                "container_cpu_cfs_throttled_seconds_total": usage.cfs_throttled_nanoseconds / NANOSECONDS,
            },
            labels,
        )
    for network in usage.networks:
        interface = ("interface", network.interface)
        page.add("container_network_receive_bytes_total", network.receive_bytes, *labels, interface)
        page.add("container_network_transmit_bytes_total", network.transmit_bytes, *labels, interface)
    if reading.details is not None:
        page.add("container_spec_memory_limit_bytes", reading.details.memory_limit_bytes, *labels)
        if reading.details.started_seconds is not None:
            page.add("container_start_time_seconds", reading.details.started_seconds, *labels)
    if reading.read_at_seconds is not None:
        page.add("container_last_seen", int(reading.read_at_seconds), *labels)


def _add_host(page: _PageBuilder, host: HostFacts, system: SystemName, node_name: str) -> None:
    page.add(
        "node_uname_info",
        1,
        ("sysname", system.system),
        ("release", system.release),
        ("version", system.version),
        ("machine", system.machine),
        # That of the reports, because in a container the host name is the ID of the container.
        ("nodename", node_name),
    )
    page.add("node_time_seconds", host.time_seconds)
    page.add("node_boot_time_seconds", host.boot_time_seconds)
    for cpu, times in enumerate(host.cpu_seconds):
        for mode, seconds in times.items():
            # The kernel counts the time of guests also as user and nice, where node_exporter leaves it.
            if not mode.startswith("guest"):
                page.add("node_cpu_seconds_total", seconds, ("cpu", str(cpu)), ("mode", mode))
    page.add("node_memory_MemTotal_bytes", host.memory_total_bytes)
    page.add("node_memory_MemFree_bytes", host.memory_free_bytes)
    page.add("node_memory_MemAvailable_bytes", host.memory_available_bytes)
    for each in host.file_systems:
        labels = (("device", each.device), ("fstype", each.kind), ("mountpoint", each.mount_point))
        page.add("node_filesystem_size_bytes", each.size_bytes, *labels)
        page.add("node_filesystem_avail_bytes", each.available_bytes, *labels)
    _add_interfaces(page, host)


def _add_interfaces(page: _PageBuilder, host: HostFacts) -> None:
    for each in host.interfaces:
        device = ("device", each.name)
        state = ("operstate", "up" if each.is_up else "down")
        page.add("node_network_info", 1, device, ("address", each.mac_address), ("duplex", each.duplex), state)
        page.add("node_network_up", int(each.is_up), device)
        if each.speed_bits:
            page.add("node_network_speed_bytes", each.speed_bits // 8, device)
        page.add("node_network_mtu_bytes", each.mtu_bytes, device)
        for address, prefix in each.addresses:
            page.add("node_network_address_info", 1, device, ("address", address), ("netmask", prefix))
        page.add("node_network_receive_bytes_total", each.receive_bytes, device)
        page.add("node_network_transmit_bytes_total", each.transmit_bytes, device)


def _add_process(page: _PageBuilder, process: ProcessFacts) -> None:
    for (handler, code, method), count in sorted(process.requests.items()):
        page.add("http_requests_total", count, ("handler", handler), ("code", code), ("method", method))
    for (master, result), count in sorted(process.reports.items()):
        page.add("aggregator_agent_reports_total", count, ("master", master), ("result", result))
    page.add("aggregator_build_info", 1, ("version", __version__))
    page.add("process_cpu_seconds_total", process.cpu_seconds)
    page.add("process_resident_memory_bytes", process.resident_bytes)
    page.add("process_open_fds", process.open_descriptors)
    page.add("process_start_time_seconds", process.started_seconds)
