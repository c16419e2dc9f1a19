"""The dashboard of one host, from node_exporter or from the agent.

It has the UID of the node_exporter dashboard in the older monitoring stack, and answers its questions.
"""

from tools.monitoring.dashboards.parts import (
    Dashboard,
    Panel,
    Query,
    Row,
    Telemetry,
    Variable,
    draw_lines,
    draw_stat,
    draw_table,
)

_HOST = 'job="$job", instance="$instance"'
_DISKS = f'{_HOST}, fstype!~"tmpfs|overlay|squashfs|ramfs"'
_FREE_SPACE = f"node_filesystem_avail_bytes{{{_DISKS}}} / node_filesystem_size_bytes{{{_DISKS}}}"
_LINKS = f'{_HOST}, device!="lo"'


def _rate(name: str, selector: str = _HOST) -> str:
    return f"rate({name}{{{selector}}}[$__rate_interval])"


def _memory(name: str) -> str:
    return f"node_memory_{name}_bytes{{{_HOST}}}"


def _draw_rates(title: str, *series: tuple[str, str], unit: str = "short", selector: str = _HOST) -> Panel:
    """Return a panel with the rates of some counters by legend."""
    return draw_lines(title, *(Query(_rate(name, selector), legend) for name, legend in series), unit=unit)


def _draw_values(title: str, *series: tuple[str, str], unit: str = "short") -> Panel:
    """Return a panel with some gauges by legend."""
    return draw_lines(title, *(Query(f"{name}{{{_HOST}}}", legend) for name, legend in series), unit=unit)


_BUSY_CPU = _rate("node_cpu_seconds_total", f'{_HOST}, mode!="idle"')
_IDLE_CPU = _rate("node_cpu_seconds_total", f'{_HOST}, mode="idle"')
_OVERVIEW = Row(
    "Overview",
    (
        draw_stat(
            "CPU", Query(f"1 - avg({_IDLE_CPU})", "used"), unit="percentunit",
            steps=((0.8, "orange"), (0.95, "red")),
        ),
        draw_stat(
            "Memory", Query(f"1 - {_memory('MemAvailable')} / {_memory('MemTotal')}", "used"), unit="percentunit",
            steps=((0.8, "orange"), (0.95, "red")), description="Memory that is not available to new programs.",
        ),
        draw_stat(
            "Fullest disk",
            Query(f"1 - min({_FREE_SPACE})", "used"),
            unit="percentunit", steps=((0.8, "orange"), (0.95, "red")),
        ),
        draw_stat("CPUs", Query(f"count({_IDLE_CPU})", "CPUs")),
        draw_stat("Memory size", Query(_memory("MemTotal"), "memory"), unit="bytes"),
        draw_stat("Up for", Query(f"time() - node_boot_time_seconds{{{_HOST}}}", "uptime"), unit="s"),
    ),
)  # fmt: skip

_MAIN = Row(
    "CPU, memory, disks and network",
    (
        draw_lines(
            "CPU by mode",
            Query(
                f"sum by (mode) ({_BUSY_CPU}) / scalar(count({_IDLE_CPU}))",
                "{{mode}}",
            ),
            unit="percentunit",
            is_stacked=True,
        ),
        draw_lines(
            "Memory",
            Query(f"{_memory('MemTotal')} - {_memory('MemAvailable')}", "used"),
            Query(_memory("MemAvailable"), "available"),
            unit="bytes",
            is_stacked=True,
        ),
        draw_lines(
            "Used space of file systems",
            Query(
                f"1 - max by (mountpoint) ({_FREE_SPACE})",
                "{{mountpoint}}",
            ),
            unit="percentunit",
            maximum=1,
        ),
        draw_lines(
            "Network traffic",
            Query(_rate("node_network_receive_bytes_total", _LINKS), "{{device}} in"),
            Query(_rate("node_network_transmit_bytes_total", _LINKS), "{{device}} out"),
            unit="Bps",
        ),
        draw_table(
            "File systems",
            Query(f"max by (device, fstype, mountpoint) (node_filesystem_size_bytes{{{_DISKS}}})", "Size", "bytes"),
            Query(
                f"max by (device, fstype, mountpoint) (node_filesystem_avail_bytes{{{_DISKS}}})", "Available", "bytes"
            ),
            columns=("device", "fstype", "mountpoint"),
            width=24,
        ),
    ),
)

_LOAD = Row(
    "Load and processes",
    (
        _draw_values("Load average", *((f"node_load{minutes}", f"{minutes} min") for minutes in (1, 5, 15))),
        _draw_values("Processes", ("node_procs_running", "running"), ("node_procs_blocked", "blocked")),
        _draw_rates(
            "Context switches, interrupts and forks",
            ("node_context_switches_total", "context switches"),
            ("node_intr_total", "interrupts"),
            ("node_forks_total", "forks"),
        ),
        _draw_values("File descriptors", ("node_filefd_allocated", "allocated"), ("node_filefd_maximum", "maximum")),
    ),
    Telemetry.STACK,
)

_MEMORY = Row(
    "Memory in detail",
    (
        _draw_values(
            "Caches",
            ("node_memory_Cached_bytes", "page cache"),
            ("node_memory_Buffers_bytes", "buffers"),
            ("node_memory_Slab_bytes", "slab"),
            ("node_memory_MemFree_bytes", "free"),
            unit="bytes",
        ),
        _draw_values(
            "Swap", ("node_memory_SwapTotal_bytes", "total"), ("node_memory_SwapFree_bytes", "free"), unit="bytes"
        ),
        _draw_values(
            "Active, inactive, dirty",
            ("node_memory_Active_bytes", "active"),
            ("node_memory_Inactive_bytes", "inactive"),
            ("node_memory_Dirty_bytes", "dirty"),
            ("node_memory_Writeback_bytes", "being written"),
            unit="bytes",
        ),
        _draw_rates(
            "Page faults and swapping",
            ("node_vmstat_pgmajfault", "major faults"),
            ("node_vmstat_pgfault", "faults"),
            ("node_vmstat_pswpin", "pages in"),
            ("node_vmstat_pswpout", "pages out"),
        ),
    ),
    Telemetry.STACK,
)

_DISK = Row(
    "Disks in detail",
    (
        _draw_rates(
            "Throughput",
            ("node_disk_read_bytes_total", "{{device}} read"),
            ("node_disk_written_bytes_total", "{{device}} written"),
            unit="Bps",
        ),
        _draw_rates(
            "Operations",
            ("node_disk_reads_completed_total", "{{device}} reads"),
            ("node_disk_writes_completed_total", "{{device}} writes"),
            unit="iops",
        ),
        _draw_rates("Time with I/O", ("node_disk_io_time_seconds_total", "{{device}}"), unit="percentunit"),
        draw_lines(
            "Used inodes",
            Query(
                f"1 - max by (mountpoint) (node_filesystem_files_free{{{_DISKS}}} / node_filesystem_files{{{_DISKS}}})",
                "{{mountpoint}}",
            ),
            unit="percentunit",
            maximum=1,
        ),
    ),
    Telemetry.STACK,
)

_NETWORK = Row(
    "Network in detail",
    (
        _draw_rates(
            "Packets",
            ("node_network_receive_packets_total", "{{device}} in"),
            ("node_network_transmit_packets_total", "{{device}} out"),
            unit="pps",
            selector=_LINKS,
        ),
        _draw_rates(
            "Errors and dropped packets",
            ("node_network_receive_errs_total", "{{device}} errors in"),
            ("node_network_transmit_errs_total", "{{device}} errors out"),
            ("node_network_receive_drop_total", "{{device}} dropped in"),
            ("node_network_transmit_drop_total", "{{device}} dropped out"),
            unit="pps",
            selector=_LINKS,
        ),
        _draw_values(
            "Sockets",
            ("node_sockstat_TCP_inuse", "TCP in use"),
            ("node_sockstat_TCP_tw", "TCP time wait"),
            ("node_sockstat_UDP_inuse", "UDP in use"),
        ),
        _draw_rates(
            "TCP",
            ("node_netstat_Tcp_ActiveOpens", "connections opened"),
            ("node_netstat_Tcp_PassiveOpens", "connections accepted"),
            ("node_netstat_Tcp_RetransSegs", "segments sent again"),
        ),
    ),
    Telemetry.STACK,
)

NODE = Dashboard(
    uid="rYdddlPWk",
    title="Node",
    description="One host with node_exporter, or with the agent of a Docker host, which has the first two rows.",
    rows=(_OVERVIEW, _MAIN, _LOAD, _MEMORY, _DISK, _NETWORK),
    variables=(
        Variable("job", "label_values(node_memory_MemTotal_bytes, job)", "Job", preferred="node-exporter"),
        Variable("instance", 'label_values(node_memory_MemTotal_bytes{job="$job"}, instance)', "Instance"),
    ),
)
