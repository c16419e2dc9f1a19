"""What the Engine API reports about an Engine and its containers. Values of an unexpected type are read as missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What can be done to a container.
ACTIONS = ("start", "stop", "pause", "unpause", "restart", "kill")
# The states of a container, and the results of its health check.
CONTAINER_STATES = ("created", "restarting", "running", "removing", "paused", "exited", "dead")
HEALTH_STATUSES = ("none", "starting", "healthy", "unhealthy")

# What the Engine writes for a time that does not exist.
_ZERO_YEAR = "0001-"


@dataclass(frozen=True)
class EngineFacts:
    """An Engine, from `/version` and `/info`."""

    name: str
    # "docker" or "podman".
    engine: str
    version: str
    git_commit: str
    api_version: str
    storage_driver: str
    cgroup_version: str
    is_swarm_active: bool
    image_count: int
    container_count: int
    running_count: int
    # As configured: `key=value`, or a text without `=`.
    labels: tuple[str, ...]
    is_rootless: bool = False

    @property
    def has_container_usage(self) -> bool:
        """Whether the Engine can measure containers.

        A rootless Engine can create cgroups for its containers only with cgroup v2. With v1, Podman reports the memory
        of its own service for each container.
        """
        return not (self.is_rootless and self.cgroup_version == "1")


@dataclass(frozen=True)
class EngineContainer:
    """A container, from the list of all containers."""

    id: str
    name: str
    image: str
    image_id: str
    # None if the Engine reports no labels at all, which is not the same as an empty mapping for old masters.
    labels: Mapping[str, str] | None
    state: str
    status: str
    created_seconds: int

    @property
    def is_running(self) -> bool:
        """Whether the container has processes, and therefore a usage."""
        return self.state in ("running", "paused", "restarting")


@dataclass(frozen=True)
class ContainerDetails:
    """What only the inspection of a container reports; `health` is "none" without a health check."""

    health: str
    restart_count: int
    exit_code: int
    is_oom_killed: bool
    started_seconds: float | None
    memory_limit_bytes: int


@dataclass(frozen=True)
class NetworkUsage:
    """Bytes of one interface of a container since its start."""

    interface: str
    receive_bytes: int
    transmit_bytes: int


@dataclass(frozen=True)
class Usage:
    """The counters of a running container, from one-shot statistics."""

    cpu_nanoseconds: int
    cpu_user_nanoseconds: int
    cpu_system_nanoseconds: int
    # Of the whole host.
    host_cpu_nanoseconds: int
    online_cpus: int
    cfs_periods: int
    cfs_throttled_periods: int
    cfs_throttled_nanoseconds: int
    memory_bytes: int
    # The host's memory if the container has no limit.
    memory_limit_bytes: int
    memory_inactive_file_bytes: int
    # None if the Engine does not report them, as Podman.
    memory_cache_bytes: int | None
    memory_rss_bytes: int | None
    process_count: int
    networks: tuple[NetworkUsage, ...]
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True)
class ContainerEvent:
    """A change of one container: the action, such as `start` or `oom`."""

    container_id: str
    action: str


def _get_mapping(value: object, *keys: str) -> Mapping[str, Any]:
    """Return a nested object, empty if it is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _get_text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _find_count(value: Mapping[str, Any], *keys: str) -> int | None:
    """Return the first number of these keys, None if there is none; counters are never negative."""
    for key in keys:
        number = value.get(key)
        if isinstance(number, int | float) and not isinstance(number, bool):
            return max(0, int(number))
    return None


def _get_count(value: Mapping[str, Any], *keys: str) -> int:
    """Return the first number of these keys, 0 if there is none."""
    return _find_count(value, *keys) or 0


def _get_list(value: Mapping[str, Any], key: str) -> list[Any]:
    items = value.get(key)
    return items if isinstance(items, list) else []


def read_engine(version: Mapping[str, Any], info: Mapping[str, Any]) -> EngineFacts:
    """Return the facts of an Engine."""
    components = (_get_text(part, "Name") for part in _get_list(version, "Components") if isinstance(part, dict))
    return EngineFacts(
        name=_get_text(info, "Name"),
        engine="podman" if any("podman" in name.lower() for name in components) else "docker",
        version=_get_text(version, "Version"),
        git_commit=_get_text(version, "GitCommit"),
        api_version=_get_text(version, "ApiVersion"),
        storage_driver=_get_text(info, "Driver"),
        cgroup_version=_get_text(info, "CgroupVersion"),
        is_swarm_active=_get_text(_get_mapping(info, "Swarm"), "LocalNodeState") == "active",
        image_count=_get_count(info, "Images"),
        container_count=_get_count(info, "Containers"),
        running_count=_get_count(info, "ContainersRunning"),
        labels=tuple(label for label in _get_list(info, "Labels") if isinstance(label, str)),
        # Podman reports a field, and Docker a security option.
        is_rootless=info.get("Rootless") is True or "name=rootless" in _get_list(info, "SecurityOptions"),
    )


def read_container(item: Mapping[str, Any]) -> EngineContainer:
    """Return the container of an item of `/containers/json`. Its first name counts, without the slash."""
    names = [name for name in _get_list(item, "Names") if isinstance(name, str)]
    labels = item.get("Labels")
    return EngineContainer(
        id=_get_text(item, "Id"),
        name=names[0].rpartition("/")[2] if names else _get_text(item, "Id")[:12],
        image=_get_text(item, "Image"),
        image_id=_get_text(item, "ImageID"),
        labels={key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else None,
        state=_get_text(item, "State").lower(),
        status=_get_text(item, "Status"),
        created_seconds=_get_count(item, "Created"),
    )


def read_details(inspection: Mapping[str, Any]) -> ContainerDetails:
    """Return the details of an inspected container."""
    state = _get_mapping(inspection, "State")
    return ContainerDetails(
        health=_get_text(_get_mapping(state, "Health"), "Status") or "none",
        restart_count=_get_count(inspection, "RestartCount"),
        exit_code=_get_count(state, "ExitCode"),
        is_oom_killed=state.get("OOMKilled") is True,
        started_seconds=_parse_time(_get_text(state, "StartedAt")),
        memory_limit_bytes=_get_count(_get_mapping(inspection, "HostConfig"), "Memory"),
    )


def _parse_time(text: str) -> float | None:
    """Return a time of the Engine as Unix seconds, None if it does not exist."""
    if text.startswith(_ZERO_YEAR):
        return None
    try:
        # Python reads at most six digits of a fraction before version 3.12, and no other number than three or six.
        seconds, _, rest = text.partition(".")
        fraction = rest.rstrip("Z").partition("+")[0].partition("-")[0]
        zone = rest[len(fraction) :] if rest else ""
        return datetime.fromisoformat(f"{seconds}{zone}").timestamp() + (float(f"0.{fraction}") if fraction else 0.0)
    except ValueError:
        return None


def read_usage(statistics: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a container, None if the statistics are those of a container without processes."""
    cpu, memory = _get_mapping(statistics, "cpu_stats"), _get_mapping(statistics, "memory_stats")
    if _get_text(statistics, "read").startswith(_ZERO_YEAR):
        return None
    cpu_usage, throttling = _get_mapping(cpu, "cpu_usage"), _get_mapping(cpu, "throttling_data")
    details = _get_mapping(memory, "stats")
    read_bytes, write_bytes = _sum_block_bytes(_get_mapping(statistics, "blkio_stats"))
    return Usage(
        cpu_nanoseconds=_get_count(cpu_usage, "total_usage"),
        cpu_user_nanoseconds=_get_count(cpu_usage, "usage_in_usermode"),
        cpu_system_nanoseconds=_get_count(cpu_usage, "usage_in_kernelmode"),
        host_cpu_nanoseconds=_get_count(cpu, "system_cpu_usage"),
        online_cpus=_get_count(cpu, "online_cpus") or len(_get_list(cpu_usage, "percpu_usage")),
        cfs_periods=_get_count(throttling, "periods"),
        cfs_throttled_periods=_get_count(throttling, "throttled_periods"),
        cfs_throttled_nanoseconds=_get_count(throttling, "throttled_time"),
        memory_bytes=_get_count(memory, "usage"),
        memory_limit_bytes=_get_count(memory, "limit"),
        # cgroup 1, cgroup 2, and what remains when a kernel reports neither.
        memory_inactive_file_bytes=_get_count(details, "total_inactive_file", "inactive_file", "cache"),
        memory_cache_bytes=_find_count(details, "total_cache", "cache", "file"),
        memory_rss_bytes=_find_count(details, "total_rss", "rss", "anon"),
        process_count=_get_count(_get_mapping(statistics, "pids_stats"), "current"),
        networks=tuple(
            NetworkUsage(interface, _get_count(counters, "rx_bytes"), _get_count(counters, "tx_bytes"))
            for interface, counters in sorted(_get_mapping(statistics, "networks").items())
            if isinstance(counters, dict)
        ),
        read_bytes=read_bytes,
        write_bytes=write_bytes,
    )


def _sum_block_bytes(block_statistics: Mapping[str, Any]) -> tuple[int, int]:
    """Return the bytes read and written, over all devices. cgroup 1 writes `Read`, cgroup 2 `read`."""
    totals = {"read": 0, "write": 0}
    for entry in _get_list(block_statistics, "io_service_bytes_recursive"):
        operation = _get_text(entry, "op").lower() if isinstance(entry, dict) else ""
        if operation in totals:
            totals[operation] += _get_count(entry, "value")
    return totals["read"], totals["write"]


def read_event(event: Mapping[str, Any]) -> ContainerEvent:
    """Return the event of one line of `/events`. The action of a health check has its result behind a colon."""
    action = _get_text(event, "Action").partition(":")[0]
    return ContainerEvent(_get_text(_get_mapping(event, "Actor"), "ID"), action)
