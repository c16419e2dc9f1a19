"""Numbers of the host, from psutil."""

import os
import platform
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

import psutil

# File systems that are not disks, or that repeat others: as node_exporter leaves them out.
_IGNORED_FILE_SYSTEMS = frozenset({"autofs", "fuse.lxcfs", "nsfs", "overlay", "proc", "squashfs", "sysfs", "tmpfs"})


@dataclass(frozen=True)
class FileSystem:
    """A mounted file system."""

    device: str
    kind: str
    mount_point: str
    size_bytes: int
    used_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class NetworkInterface:
    """A network interface. `speed_bits` is 0 if it is unknown; `duplex` is full, half or unknown."""

    name: str
    is_up: bool
    duplex: str
    speed_bits: int
    mtu_bytes: int
    mac_address: str
    # Address and length of the network prefix.
    addresses: tuple[tuple[str, str], ...]
    receive_bytes: int
    transmit_bytes: int


@dataclass(frozen=True)
class HostFacts:
    """The host at one time."""

    time_seconds: float
    boot_time_seconds: float
    # Seconds of each CPU by mode.
    cpu_seconds: tuple[Mapping[str, float], ...]
    memory_total_bytes: int
    memory_free_bytes: int
    memory_available_bytes: int
    memory_used_bytes: int
    file_systems: tuple[FileSystem, ...]
    interfaces: tuple[NetworkInterface, ...]


@dataclass(frozen=True)
class SystemName:
    """What `uname` reports."""

    system: str
    release: str
    version: str
    machine: str
    node: str


_DUPLEX_NAMES: Mapping[int, str] = {psutil.NIC_DUPLEX_FULL: "full", psutil.NIC_DUPLEX_HALF: "half"}


def read_system_name() -> SystemName:
    """Return the names of system and host."""
    names = os.uname()
    return SystemName(names.sysname, names.release, names.version, names.machine, names.nodename)


def get_host_name() -> str:
    """Return the name of this host."""
    return socket.gethostname() or platform.node() or "unknown"


def read_host() -> HostFacts:
    """Return the numbers of the host. It may block as long as a mounted network file system does."""
    memory = psutil.virtual_memory()
    return HostFacts(
        time_seconds=time.time(),
        boot_time_seconds=psutil.boot_time(),
        cpu_seconds=tuple(times._asdict() for times in psutil.cpu_times(percpu=True)),
        memory_total_bytes=memory.total,
        memory_free_bytes=memory.free,
        memory_available_bytes=memory.available,
        memory_used_bytes=memory.used,
        file_systems=_list_file_systems(),
        interfaces=_list_interfaces(),
    )


def _list_file_systems() -> tuple[FileSystem, ...]:
    """Return the file systems that can be read."""
    found = []
    for partition in select_partitions(psutil.disk_partitions(all=False)):
        try:
            usage = psutil.disk_usage(partition.mountpoint)
        except OSError:
            # Not readable for this user, or gone since it was listed.
            continue
        found.append(
            FileSystem(partition.device, partition.fstype, partition.mountpoint, usage.total, usage.used, usage.free)
        )
    return tuple(found)


class Partition(Protocol):
    """A mount, as psutil lists it."""

    @property
    def device(self) -> str:
        """The path of the device."""

    @property
    def mountpoint(self) -> str:
        """Where it is mounted."""

    @property
    def fstype(self) -> str:
        """The kind of the file system."""


def select_partitions(partitions: Iterable[Partition]) -> list[Partition]:
    """Return the partitions that are disks, each device at its shortest mount point.

    A service of systemd and a container see parts of a disk, and even single files, as further mounts of its device.
    """
    selected: dict[str, Partition] = {}
    for partition in sorted(partitions, key=lambda each: (len(each.mountpoint), each.mountpoint)):
        # False as well where the folder may not be searched.
        if partition.fstype not in _IGNORED_FILE_SYSTEMS and os.path.isdir(partition.mountpoint):  # noqa: PTH112 - as above
            selected.setdefault(partition.device, partition)
    return sorted(selected.values(), key=lambda each: each.mountpoint)


def _list_interfaces() -> tuple[NetworkInterface, ...]:
    counters, addresses = psutil.net_io_counters(pernic=True), psutil.net_if_addrs()
    return tuple(
        NetworkInterface(
            name=name,
            is_up=status.isup,
            duplex=_DUPLEX_NAMES.get(status.duplex, "unknown"),
            speed_bits=max(0, status.speed) * 1_000_000,
            mtu_bytes=status.mtu,
            mac_address=next((each.address for each in addresses.get(name, ()) if each.family == psutil.AF_LINK), ""),
            addresses=tuple(
                (each.address.partition("%")[0], _count_prefix_bits(each.netmask))
                for each in addresses.get(name, ())
                if each.family in (socket.AF_INET, socket.AF_INET6)
            ),
            receive_bytes=counters[name].bytes_recv,
            transmit_bytes=counters[name].bytes_sent,
        )
        for name, status in sorted(psutil.net_if_stats().items())
        if name in counters
    )


def _count_prefix_bits(netmask: str | None) -> str:
    """Return the length of a prefix such as 255.255.255.0, "" if there is none."""
    try:
        return str(int(ip_address(netmask or "")).bit_count())
    except ValueError:
        return ""


class CpuLoadMeter:
    """The load of all CPUs since the last reading, in percent. Its first reading is 0."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def read_percent(self) -> float:
        """Return the load since the last call."""
        times = psutil.cpu_times()
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        idle = times.idle + getattr(times, "iowait", 0.0)
        last, self._last = self._last, (total, idle)
        if last is None or total <= last[0]:
            return 0.0
        busy = (total - last[0]) - (idle - last[1])
        return round(min(100.0, max(0.0, busy / (total - last[0]) * 100)), 1)
