"""What the exporters on one host measure at a time: processors, memory, disks, links, devices."""

from demo.catalogue import GPU_MAX_MEGAHERTZ, GPU_MEMORY_MEBIBYTES, GPU_MODEL
from demo.inventory import Host
from demo.motion import grown, phase, wave
from demo.page import Page, labels

LOAD_PERIOD_SECONDS = 1800.0
PLUG_SECONDS = 45


def load(host: Host, at_seconds: float) -> float:
    """Return the share of its CPUs that a host uses, between 0 and 1."""
    return _mean_load(host) * (0.5 + wave(at_seconds, LOAD_PERIOD_SECONDS, phase(host.number) + 0.25))


def _mean_load(host: Host) -> float:
    return 0.08 + 0.45 * phase(host.number * 3 + 1)


def processors(page: Page, host: Host, at_seconds: float) -> None:
    """Clocks and times of every CPU, and when the host was started."""
    hertz = host.hardware.max_hertz
    up_seconds = at_seconds - host.booted_seconds
    now_hertz = int(hertz * (0.35 + 0.6 * load(host, at_seconds)))
    user = round(grown(up_seconds, _mean_load(host), LOAD_PERIOD_SECONDS, _boot_offset(host)), 2)
    for cpu in range(host.hardware.cores):
        own = f'{host.labels},cpu="{cpu}"'
        tlum = f'{host.tlum_labels},cpu="{cpu}"'
        page.add("node_cpu_frequency_max_hertz", own, hertz)
        page.add("node_cpu_scaling_frequency_hertz", own, now_hertz)
        page.add("tlum_cpu_max_freq", tlum, hertz // 1_000_000)
        page.add("tlum_cpu_freq", tlum, now_hertz // 1_000_000)
        page.add("node_cpu_seconds_total", f'{own},mode="user"', user)
        page.add("node_cpu_seconds_total", f'{own},mode="idle"', round(up_seconds - user, 2))
    page.add("node_time_seconds", host.labels, at_seconds)
    page.add("node_boot_time_seconds", host.labels, host.booted_seconds)


def _boot_offset(host: Host) -> float:
    """Return the phase at boot of the swing that `load` shows, so that counters and forecasts tell one story."""
    return phase(host.number) + host.booted_seconds / LOAD_PERIOD_SECONDS % 1.0


def warmth(page: Page, host: Host, at_seconds: float) -> None:
    """Temperatures, and the energy used since boot where the hardware can tell."""
    for number, zone in enumerate(host.hardware.zones):
        degrees = round(36 + 5 * number + 40 * load(host, at_seconds - 20), 1)
        page.add("node_thermal_zone_temp", f'{host.labels},zone="{number}",type="{zone}"', degrees)
    if host.hardware.machine == "x86_64":
        up_seconds = at_seconds - host.booted_seconds
        joules = grown(up_seconds, host.hardware.watts, LOAD_PERIOD_SECONDS, _boot_offset(host))
        page.add("scaph_host_energy_microjoules_total", host.kube_labels, int(joules * 1e6))


def memory(page: Page, host: Host, at_seconds: float) -> None:
    """Memory in all, unused, and to be had."""
    total = host.hardware.memory_bytes
    page.add("node_memory_MemTotal_bytes", host.labels, total)
    page.add("node_memory_MemAvailable_bytes", host.labels, int(total * (1 - memory_used(host, at_seconds))))
    page.add("node_memory_MemFree_bytes", host.labels, int(total * 0.4 * (1 - memory_used(host, at_seconds))))


def memory_used(host: Host, at_seconds: float) -> float:
    """Return the share of its memory that a host uses, between 0 and 1."""
    return 0.25 + 0.35 * phase(host.number * 5) + 0.15 * wave(at_seconds, 240, phase(host.number))


def filesystems(page: Page, host: Host, at_seconds: float) -> None:
    """The disk, its boot partition, and one file system that is memory."""
    used = 0.2 + 0.4 * phase(host.number * 11) + 0.02 * wave(at_seconds, 900, phase(host.number))
    disk = host.hardware.disk_bytes
    for device, fstype, mountpoint, size, share in (
        ("/dev/nvme0n1p2", "ext4", "/", disk, used),
        ("/dev/nvme0n1p1", "vfat", "/boot/efi", 512 * 1024**2, 0.05),
        ("tmpfs", "tmpfs", "/run", host.hardware.memory_bytes // 10, 0.01),
    ):
        where = f"{host.labels},{labels(device=device, fstype=fstype, mountpoint=mountpoint)}"
        page.add("node_filesystem_size_bytes", where, size)
        page.add("node_filesystem_avail_bytes", where, int(size * (1 - share)))


def network(page: Page, host: Host, at_seconds: float) -> None:
    """Interfaces; the second one of a server has no cable, a wireless one does not tell its speed."""
    _interface(page, host, at_seconds, "eth0", "full")
    addresses = [("eth0", host.ip, "24", "global")]
    if host.hardware.second_device:
        addresses.append(("eth0", f"fe80::5054:ff:fe12:{host.mac_suffix}", "64", "link-local"))
        _interface(page, host, at_seconds, host.hardware.second_device, "unknown")
    for device, ip, prefix, scope in addresses:
        own = labels(device=device, address=ip, netmask=prefix, scope=scope)
        page.add("node_network_address_info", f"{host.labels},{own}", 1)


def _interface(page: Page, host: Host, at_seconds: float, device: str, duplex: str) -> None:
    own = f'{host.labels},device="{device}"'
    is_up = device != "eth1"
    page.add("node_network_info", f"{own},{labels(duplex=duplex, operstate='up' if is_up else 'down')}", 1)
    page.add("node_network_up", own, int(is_up))
    if device == "eth0":
        page.add("node_network_speed_bytes", own, 125_000_000)
    rate = 1_500_000 * _mean_load(host) if is_up else 0
    up_seconds = at_seconds - host.booted_seconds
    for direction, share in (("receive", 1.0), ("transmit", 0.4)):
        moved = int(grown(up_seconds, rate * share, 180, phase(host.number)))
        page.add(f"node_network_{direction}_bytes_total", own, moved)


def peripherals(page: Page, host: Host, at_seconds: float) -> None:
    """Devices, which are in use, free, or just unplugged."""
    for number, (device, resource) in enumerate(host.peripherals):
        state = (1, 0, 1, -1)[(int(at_seconds // PLUG_SECONDS) + host.number + number) % 4]
        page.add("node_mounted", f"{host.labels},{labels(device=device, resource_path=resource)}", state)


def graphics(page: Page, host: Host, at_seconds: float) -> None:
    """What NVIDIA's exporter says of each GPU."""
    for number in range(host.hardware.gpus):
        offset = phase(host.number * 4 + number)
        busy = wave(at_seconds, 150, offset)
        gpu = labels(gpu=f"{number}", device=f"nvidia{number}", UUID=f"GPU-{host.machine_id[:8]}-{number}")
        own = f'{host.labels},{gpu},modelName="{GPU_MODEL}"'
        millijoules = int(1_000 * grown(at_seconds - host.booted_seconds, 45, 150, offset))
        page.add("DCGM_FI_DEV_SM_CLOCK", own, int(300 + (GPU_MAX_MEGAHERTZ - 300) * busy))
        page.add("DCGM_FI_DEV_MAX_SM_CLOCK", own, GPU_MAX_MEGAHERTZ)
        page.add("DCGM_FI_DEV_FB_TOTAL", own, GPU_MEMORY_MEBIBYTES)
        page.add("DCGM_FI_DEV_GPU_TEMP", own, int(38 + 35 * busy))
        page.add("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", own, millijoules)
