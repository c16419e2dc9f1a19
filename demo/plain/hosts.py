"""Plain machines, and what node_exporter exposes about them.

A machine is busier, and uses more memory, than the containers on it: `reserved_cores` and `reserved_memory_bytes` are
the most that they can use.
"""

from dataclasses import dataclass

from demo.exposition import ExpositionPage, format_labels
from demo.fleet_parts import HardwareModel
from demo.motion import compute_counter, compute_phase, compute_wave

DAY_SECONDS = 86_400
KERNEL = "6.1.0-25-amd64"
OS_NAME = "Debian GNU/Linux 12 (bookworm)"
# The share of its cores and of its memory that a machine uses without containers.
SYSTEM_SHARE = 0.06
# The share of the load that oscillates.
SWING = 0.1
LOAD_PERIOD_SECONDS = 1200.0
SYSTEM_MODE_SHARE = 0.25


@dataclass(frozen=True)
class PlainHost:
    """One machine. `name` is that of its node or scrape target, `nodename` that of the kernel."""

    number: int
    name: str
    nodename: str
    ip: str
    hardware: HardwareModel
    boot_time_seconds: float
    reserved_cores: float
    reserved_memory_bytes: int

    @property
    def machine_id(self) -> str:
        """The ID of the machine, which is also that of the system."""
        return f"{self.number + 1:032x}"

    @property
    def machine_labels(self) -> str:
        """The labels of series of cAdvisor about the machine."""
        return format_labels(
            boot_id=f"b0071d00-0000-4000-8000-{self.number:012x}",
            machine_id=self.machine_id,
            system_uuid=self.machine_id,
        )

    @property
    def mean_busy_cores(self) -> float:
        """The number of cores that are busy on average."""
        return SYSTEM_SHARE * self.hardware.cores + self.reserved_cores / (1 - SWING / 2)

    def compute_busy_seconds(self, at_seconds: float) -> float:
        """Return for how many seconds the cores have been busy since boot, in total."""
        up_seconds, offset = at_seconds - self.boot_time_seconds, compute_phase(self.number)
        steady = (1 - SWING) * self.mean_busy_cores * up_seconds
        return steady + compute_counter(up_seconds, SWING * self.mean_busy_cores, LOAD_PERIOD_SECONDS, offset)

    def compute_used_memory(self, at_seconds: float) -> int:
        """Return the bytes of memory that are not available."""
        swing = compute_wave(at_seconds, LOAD_PERIOD_SECONDS, compute_phase(self.number))
        return self.reserved_memory_bytes + int(SYSTEM_SHARE * self.hardware.memory_bytes * (1 + SWING * swing))


def render_node_exporter(host: PlainHost, at_seconds: float) -> str:
    """Return what node_exporter exposes on a machine."""
    page = ExpositionPage()
    _add_system(page, host, at_seconds)
    _add_processors(page, host, at_seconds)
    _add_memory(page, host, at_seconds)
    _add_filesystems(page, host)
    _add_network(page, host, at_seconds)
    return page.render()


def _add_system(page: ExpositionPage, host: PlainHost, at_seconds: float) -> None:
    uname = format_labels(
        nodename=host.nodename,
        machine=host.hardware.uname_machine,
        sysname="Linux",
        release=KERNEL,
        version="#1 SMP",
        domainname="(none)",
    )
    page.add_sample("node_uname_info", uname, 1)
    page.add_sample("node_os_info", format_labels(id="debian", name="Debian GNU/Linux", pretty_name=OS_NAME), 1)
    page.add_sample("node_boot_time_seconds", "", host.boot_time_seconds)
    page.add_sample("node_time_seconds", "", at_seconds)
    for minutes in (1, 5, 15):
        swing = SWING * (compute_wave(at_seconds, LOAD_PERIOD_SECONDS, compute_phase(host.number + minutes)) - 0.5)
        page.add_sample(f"node_load{minutes}", "", round(host.mean_busy_cores * (1 + swing), 2))


def _add_processors(page: ExpositionPage, host: PlainHost, at_seconds: float) -> None:
    cores = host.hardware.cores
    busy = host.compute_busy_seconds(at_seconds) / cores
    idle = at_seconds - host.boot_time_seconds - busy
    times = (("idle", idle), ("system", SYSTEM_MODE_SHARE * busy), ("user", (1 - SYSTEM_MODE_SHARE) * busy))
    for cpu in range(cores):
        for mode, seconds in times:
            page.add_sample("node_cpu_seconds_total", format_labels(cpu=f"{cpu}", mode=mode), round(seconds, 2))
        hertz = int(host.hardware.max_hertz * (0.35 + 0.6 * host.mean_busy_cores / cores))
        page.add_sample("node_cpu_frequency_max_hertz", f'cpu="{cpu}"', host.hardware.max_hertz)
        page.add_sample("node_cpu_scaling_frequency_hertz", f'cpu="{cpu}"', hertz)
    for zone, kind in enumerate(host.hardware.thermal_zones):
        degrees = 34 + 40 * host.mean_busy_cores / cores + 3 * compute_wave(at_seconds, 300, zone / 2)
        page.add_sample("node_thermal_zone_temp", format_labels(type=kind, zone=f"{zone}"), round(degrees, 1))


def _add_memory(page: ExpositionPage, host: PlainHost, at_seconds: float) -> None:
    total = host.hardware.memory_bytes
    available = total - host.compute_used_memory(at_seconds)
    cached = available // 3
    for name, size in (
        ("MemTotal", total),
        ("MemAvailable", available),
        ("MemFree", available - cached),
        ("Cached", cached),
        ("Buffers", 8 * 1024**2),
        ("SwapTotal", 0),
        ("SwapFree", 0),
    ):
        page.add_sample(f"node_memory_{name}_bytes", "", size)


def _add_filesystems(page: ExpositionPage, host: PlainHost) -> None:
    disk = host.hardware.disk_bytes
    for device, fstype, mountpoint, size, used in (
        ("/dev/sda1", "ext4", "/", disk, 0.25 + 0.4 * compute_phase(host.number * 7)),
        ("tmpfs", "tmpfs", "/run", host.hardware.memory_bytes // 10, 0.01),
    ):
        labels = format_labels(device=device, fstype=fstype, mountpoint=mountpoint)
        page.add_sample("node_filesystem_size_bytes", labels, size)
        page.add_sample("node_filesystem_avail_bytes", labels, int(size * (1 - used)))


def _add_network(page: ExpositionPage, host: PlainHost, at_seconds: float) -> None:
    """Add the interface of the host, and the loopback interface, whose speed is unknown."""
    up_seconds, offset = at_seconds - host.boot_time_seconds, compute_phase(host.number)
    for device, address, netmask, scope, state, rate in (
        ("eth0", host.ip, "24", "global", "up", 900_000),
        ("lo", "127.0.0.1", "8", "link-local", "unknown", 30_000),
    ):
        own = f'device="{device}"'
        duplex = "full" if device == "eth0" else ""
        page.add_sample("node_network_info", format_labels(device=device, duplex=duplex, operstate=state), 1)
        page.add_sample("node_network_up", own, int(state == "up"))
        page.add_sample(
            "node_network_address_info", format_labels(address=address, device=device, netmask=netmask, scope=scope), 1
        )
        if device == "eth0":
            page.add_sample("node_network_speed_bytes", own, 125_000_000)
        for direction, share in (("receive", 1.0), ("transmit", 0.4)):
            moved = int(compute_counter(up_seconds, rate * share, 180, offset))
            page.add_sample(f"node_network_{direction}_bytes_total", own, moved)
