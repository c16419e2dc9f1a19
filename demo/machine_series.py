"""The series that exporters on one host measure: processors, memory, disks, interfaces, devices."""

from demo.exposition import ExpositionPage, format_labels
from demo.fleet_parts import GPU_MAX_MEGAHERTZ, GPU_MEMORY_MEBIBYTES, GPU_MODEL
from demo.inventory import SimulatedHost
from demo.motion import compute_counter, compute_phase, compute_wave

LOAD_PERIOD_SECONDS = 1800.0
PLUG_STATE_SECONDS = 45


def compute_load(host: SimulatedHost, at_seconds: float) -> float:
    """Return the CPU usage of a host, between 0 and 1."""
    return _compute_mean_load(host) * (
        0.5 + compute_wave(at_seconds, LOAD_PERIOD_SECONDS, compute_phase(host.fleet_index) + 0.25)
    )


def _compute_mean_load(host: SimulatedHost) -> float:
    return 0.08 + 0.45 * compute_phase(host.fleet_index * 3 + 1)


def add_processors(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add frequencies and times of every CPU, and the boot time."""
    hertz = host.hardware.max_hertz
    up_seconds = at_seconds - host.boot_time_seconds
    now_hertz = int(hertz * (0.35 + 0.6 * compute_load(host, at_seconds)))
    user = round(
        compute_counter(up_seconds, _compute_mean_load(host), LOAD_PERIOD_SECONDS, _compute_boot_phase(host)), 2
    )
    for cpu in range(host.hardware.cores):
        own = f'{host.labels},cpu="{cpu}"'
        tlum = f'{host.telemetry_agent_labels},cpu="{cpu}"'
        page.add_sample("node_cpu_frequency_max_hertz", own, hertz)
        page.add_sample("node_cpu_scaling_frequency_hertz", own, now_hertz)
        page.add_sample("tlum_cpu_max_freq", tlum, hertz // 1_000_000)
        page.add_sample("tlum_cpu_freq", tlum, now_hertz // 1_000_000)
        page.add_sample("node_cpu_seconds_total", f'{own},mode="user"', user)
        page.add_sample("node_cpu_seconds_total", f'{own},mode="idle"', round(up_seconds - user, 2))
    page.add_sample("node_time_seconds", host.labels, at_seconds)
    page.add_sample("node_boot_time_seconds", host.labels, host.boot_time_seconds)


def _compute_boot_phase(host: SimulatedHost) -> float:
    """Return the phase of the load at boot, so that counters and forecasts agree."""
    return compute_phase(host.fleet_index) + host.boot_time_seconds / LOAD_PERIOD_SECONDS % 1.0


def add_temperatures(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add temperatures, and the energy used since boot if the hardware measures it."""
    for number, zone in enumerate(host.hardware.thermal_zones):
        degrees = round(36 + 5 * number + 40 * compute_load(host, at_seconds - 20), 1)
        page.add_sample("node_thermal_zone_temp", f'{host.labels},zone="{number}",type="{zone}"', degrees)
    if host.hardware.uname_machine == "x86_64":
        up_seconds = at_seconds - host.boot_time_seconds
        joules = compute_counter(up_seconds, host.hardware.mean_watts, LOAD_PERIOD_SECONDS, _compute_boot_phase(host))
        page.add_sample("scaph_host_energy_microjoules_total", host.cluster_exporter_labels, int(joules * 1e6))


def add_memory(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add total, free and available memory."""
    total = host.hardware.memory_bytes
    page.add_sample("node_memory_MemTotal_bytes", host.labels, total)
    page.add_sample(
        "node_memory_MemAvailable_bytes", host.labels, int(total * (1 - compute_memory_used_ratio(host, at_seconds)))
    )
    page.add_sample(
        "node_memory_MemFree_bytes", host.labels, int(total * 0.4 * (1 - compute_memory_used_ratio(host, at_seconds)))
    )


def compute_memory_used_ratio(host: SimulatedHost, at_seconds: float) -> float:
    """Return the memory usage of a host, between 0 and 1."""
    return (
        0.25
        + 0.35 * compute_phase(host.fleet_index * 5)
        + 0.15 * compute_wave(at_seconds, 240, compute_phase(host.fleet_index))
    )


def add_filesystems(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add the disk, its boot partition and a tmpfs."""
    used = (
        0.2
        + 0.4 * compute_phase(host.fleet_index * 11)
        + 0.02 * compute_wave(at_seconds, 900, compute_phase(host.fleet_index))
    )
    disk = host.hardware.disk_bytes
    for device, fstype, mountpoint, size, share in (
        ("/dev/nvme0n1p2", "ext4", "/", disk, used),
        ("/dev/nvme0n1p1", "vfat", "/boot/efi", 512 * 1024**2, 0.05),
        ("tmpfs", "tmpfs", "/run", host.hardware.memory_bytes // 10, 0.01),
    ):
        series_labels = f"{host.labels},{format_labels(device=device, fstype=fstype, mountpoint=mountpoint)}"
        page.add_sample("node_filesystem_size_bytes", series_labels, size)
        page.add_sample("node_filesystem_avail_bytes", series_labels, int(size * (1 - share)))


def add_network(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add interfaces; the second one of a server has no link, a wireless one reports no speed."""
    _add_interface(page, host, at_seconds, "eth0", "full")
    addresses = [("eth0", host.ip, "24", "global")]
    if host.hardware.second_interface:
        addresses.append(("eth0", f"fe80::5054:ff:fe12:{host.mac_suffix}", "64", "link-local"))
        _add_interface(page, host, at_seconds, host.hardware.second_interface, "unknown")
    for device, ip, prefix, scope in addresses:
        own = format_labels(device=device, address=ip, netmask=prefix, scope=scope)
        page.add_sample("node_network_address_info", f"{host.labels},{own}", 1)


def _add_interface(page: ExpositionPage, host: SimulatedHost, at_seconds: float, device: str, duplex: str) -> None:
    own = f'{host.labels},device="{device}"'
    is_up = device != "eth1"
    page.add_sample(
        "node_network_info", f"{own},{format_labels(duplex=duplex, operstate='up' if is_up else 'down')}", 1
    )
    page.add_sample("node_network_up", own, int(is_up))
    if device == "eth0":
        page.add_sample("node_network_speed_bytes", own, 125_000_000)
    rate = 1_500_000 * _compute_mean_load(host) if is_up else 0
    up_seconds = at_seconds - host.boot_time_seconds
    for direction, share in (("receive", 1.0), ("transmit", 0.4)):
        moved = int(compute_counter(up_seconds, rate * share, 180, compute_phase(host.fleet_index)))
        page.add_sample(f"node_network_{direction}_bytes_total", own, moved)


def add_peripherals(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add devices: in use, free or unplugged."""
    for number, (device, resource) in enumerate(host.peripherals):
        state = (1, 0, 1, -1)[(int(at_seconds // PLUG_STATE_SECONDS) + host.fleet_index + number) % 4]
        page.add_sample("node_mounted", f"{host.labels},{format_labels(device=device, resource_path=resource)}", state)


def add_gpus(page: ExpositionPage, host: SimulatedHost, at_seconds: float) -> None:
    """Add the series of the NVIDIA exporter for each GPU."""
    for number in range(host.hardware.gpus):
        offset = compute_phase(host.fleet_index * 4 + number)
        busy = compute_wave(at_seconds, 150, offset)
        gpu = format_labels(gpu=f"{number}", device=f"nvidia{number}", UUID=f"GPU-{host.machine_id[:8]}-{number}")
        own = f'{host.labels},{gpu},modelName="{GPU_MODEL}"'
        millijoules = int(1_000 * compute_counter(at_seconds - host.boot_time_seconds, 45, 150, offset))
        page.add_sample("DCGM_FI_DEV_SM_CLOCK", own, int(300 + (GPU_MAX_MEGAHERTZ - 300) * busy))
        page.add_sample("DCGM_FI_DEV_MAX_SM_CLOCK", own, GPU_MAX_MEGAHERTZ)
        page.add_sample("DCGM_FI_DEV_FB_TOTAL", own, GPU_MEMORY_MEBIBYTES)
        page.add_sample("DCGM_FI_DEV_FB_USED", own, int(GPU_MEMORY_MEBIBYTES * busy))
        page.add_sample("DCGM_FI_DEV_GPU_UTIL", own, int(100 * busy))
        page.add_sample("DCGM_FI_DEV_GPU_TEMP", own, int(38 + 35 * busy))
        page.add_sample("DCGM_FI_DEV_POWER_USAGE", own, 45 + 150 * busy)
        page.add_sample("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", own, millijoules)
