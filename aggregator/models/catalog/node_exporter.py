"""Rows of node_exporter: hosts, processors, memory, network interfaces and file systems."""

from aggregator.models.catalog.converters import (
    parse_bool,
    parse_float,
    parse_int,
    parse_mac_address,
    parse_optional_text,
    parse_temperature,
    parse_text,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.promql import (
    avg_by,
    count_by,
    difference,
    first_of,
    group_by,
    join_labels,
    last_timestamp_by,
    max_by,
    max_integer_by,
    parse_selector,
    rate_per_second,
    total,
    used_percent,
)
from aggregator.models.catalog.row import (
    FILESYSTEM,
    HOST_LABELS,
    INTERFACE,
    NODE,
    NODE_IDENTITIES,
    NODE_IDENTITY_FIELDS,
    PLAIN_NODE,
    PLAIN_NODE_FIELDS,
    SENSOR,
    EntityKind,
    EntitySelector,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
    create_position_fields,
)

NODE_EXPORTER = "node_exporter"


def node_exporter_collector(name: str) -> Exporter:
    """Return node_exporter with one of its collectors."""
    return Exporter(NODE_EXPORTER, f"collector {name}", ExporterKind.HOST)


IDLE_CPU_SELECTOR = 'node_cpu_seconds_total{mode="idle"}'
# File systems that are no storage of the host: in memory, of the kernel, read-only images, and those of other machines.
# fuseblk is a disk with NTFS or exFAT.
NON_DISK_FSTYPES = (
    *("tmpfs", "ramfs", "devtmpfs", "overlay", "squashfs", "erofs", "iso9660", "udf", "nsfs", "rootfs", "autofs"),
    *("cgroup.*", "fuse[.].*", "devfs", "fdescfs", "procfs", "linprocfs", "linsysfs", "nullfs"),
    *("nfs.*", "cifs", "smb.*", "afpfs", "webdav", "davfs", "9p", "virtiofs", "afs", "ceph", "glusterfs", "lustre"),
    *("beegfs", "gpfs", "ncpfs"),
)
DISK_MATCHERS = f'{{fstype!~"{"|".join(NON_DISK_FSTYPES)}"}}'
# As the dashboards of node_exporter compute it for macOS.
_MACOS_AVAILABLE_MEMORY = difference(
    difference(
        total(difference("node_memory_total_bytes", "node_memory_internal_bytes"), "node_memory_purgeable_bytes"),
        "node_memory_wired_bytes",
    ),
    "node_memory_compressed_bytes",
)
_UNCACHED_AVAILABLE_MEMORY = total("node_memory_free_bytes", "node_memory_inactive_bytes")
_BSD_AVAILABLE_MEMORY = total(_UNCACHED_AVAILABLE_MEMORY, "node_memory_cache_bytes")
# In alphabetical order: the builder compares conflicting series label by label in this order, and the greatest wins, as
# in the Go service.
UNAME_LABELS = (
    *("cluster", "icos_agent_id", "icos_alpha_latitude", "icos_alpha_longitude", "icos_cluster_id"),
    *("icos_controller_id", "icos_host_id", "icos_host_name", "k8s_cluster_uid", "machine", "net_host_name"),
    *("node", "nodename", "release"),
)
# A pod or container that runs node_exporter has these labels; they lead to its node.
TARGET_POD_LABELS = ("cluster", "node", "namespace", "pod")
NO_ICOS_LABELS = '{icos_agent_id="",icos_host_id="",icos_host_name=""}'
NEW_NODE_BY_UNAME = EntitySelector(EntityKind.NODE, identities=(*NODE_IDENTITIES, ("nodename",)))

ROWS = (
    Row(
        "hosts",
        first_of(
            last_timestamp_by("node_boot_time_seconds" + NO_ICOS_LABELS, TARGET_POD_LABELS),
            last_timestamp_by("node_memory_MemTotal_bytes" + NO_ICOS_LABELS, TARGET_POD_LABELS),
            last_timestamp_by("node_memory_total_bytes" + NO_ICOS_LABELS, TARGET_POD_LABELS),
            last_timestamp_by("node_memory_size_bytes" + NO_ICOS_LABELS, TARGET_POD_LABELS),
        ),
        PLAIN_NODE,
        PLAIN_NODE_FIELDS,
        "hosts that run node_exporter, without ICOS labels",
        node_exporter_collector("stat"),
        vital=True,
    ),
    Row(
        "nodes_by_uname",
        last_timestamp_by("node_uname_info", UNAME_LABELS),
        NEW_NODE_BY_UNAME,
        (
            *NODE_IDENTITY_FIELDS,
            FieldMapping("name", parse_optional_text, "nodename", identifies=True),
            FieldMapping("architecture", parse_optional_text, "machine"),
            FieldMapping("kernel_version", parse_optional_text, "release"),
            *create_position_fields("icos_alpha_latitude", "icos_alpha_longitude"),
        ),
        "hosts, from the uname collector of node_exporter",
        node_exporter_collector("uname"),
        vital=True,
    ),
    Row(
        "cpu_count",
        count_by(group_by(IDLE_CPU_SELECTOR, (*HOST_LABELS, "cpu")), HOST_LABELS),
        NODE,
        (FieldMapping("cpu_cores", parse_unsigned_float),),
        "number of CPU cores that the host reports",
        node_exporter_collector("cpu"),
    ),
    Row(
        "memory_total",
        max_integer_by(
            first_of(
                parse_selector("node_memory_MemTotal_bytes"),
                parse_selector("node_memory_total_bytes"),
                parse_selector("node_memory_size_bytes"),
            ),
            HOST_LABELS,
        ),
        NODE,
        (
            FieldMapping("host_memory_bytes", parse_unsigned_int),
            FieldMapping("memory_bytes", parse_unsigned_int),
        ),
        "memory size that the host reports",
        node_exporter_collector("meminfo"),
    ),
    Row(
        "memory_free",
        max_integer_by(
            first_of(parse_selector("node_memory_MemFree_bytes"), parse_selector("node_memory_free_bytes")), HOST_LABELS
        ),
        NODE,
        (FieldMapping("free_memory_bytes", parse_unsigned_int),),
        "unused memory, without caches and buffers",
        node_exporter_collector("meminfo"),
    ),
    Row(
        "memory_available",
        max_integer_by("node_memory_MemAvailable_bytes", HOST_LABELS),
        NODE,
        (FieldMapping("available_memory_bytes", parse_unsigned_int),),
        "memory that new programs can get without swapping",
        node_exporter_collector("meminfo"),
    ),
    Row(
        "memory_available_by_pages",
        max_by(first_of(_MACOS_AVAILABLE_MEMORY, _BSD_AVAILABLE_MEMORY, _UNCACHED_AVAILABLE_MEMORY), HOST_LABELS),
        NODE,
        (FieldMapping("available_memory_bytes", parse_int),),
        "memory that new programs can get without swapping, on macOS and BSD",
        node_exporter_collector("meminfo"),
    ),
    Row(
        "operating_system",
        group_by("node_os_info", (*HOST_LABELS, "name", "pretty_name")),
        NODE,
        (
            FieldMapping("operating_system", parse_optional_text, "pretty_name"),
            FieldMapping("operating_system", parse_optional_text, "name"),
        ),
        "name and version of the operating system",
        node_exporter_collector("os"),
    ),
    Row(
        "operating_system_by_uname",
        group_by("node_uname_info", (*HOST_LABELS, "sysname")),
        NODE,
        (FieldMapping("operating_system", parse_optional_text, "sysname"),),
        "name of the operating system",
        node_exporter_collector("uname"),
    ),
    Row(
        "cpu_model",
        group_by("node_cpu_info", (*HOST_LABELS, "model_name")),
        NODE,
        (FieldMapping("cpu_model", parse_optional_text, "model_name"),),
        "model of the CPU",
        node_exporter_collector("cpu with --collector.cpu.info"),
    ),
    Row(
        "thermal_zones",
        join_labels(max_by("node_thermal_zone_temp", (*HOST_LABELS, "type", "zone")), "sensor_name", ("type", "zone")),
        SENSOR,
        (FieldMapping("temperature_celsius", parse_temperature),),
        "temperature of each thermal zone",
        node_exporter_collector("thermal_zone"),
    ),
    Row(
        "hardware_monitors",
        join_labels(
            max_by("node_hwmon_temp_celsius", (*HOST_LABELS, "chip", "sensor")), "sensor_name", ("chip", "sensor")
        ),
        SENSOR,
        (FieldMapping("temperature_celsius", parse_temperature),),
        "temperature of each sensor of the hardware monitors",
        node_exporter_collector("hwmon"),
    ),
    Row(
        "macos_sensors",
        join_labels(max_by("node_thermal_temperature_celsius", (*HOST_LABELS, "sensor")), "sensor_name", ("sensor",)),
        SENSOR,
        (FieldMapping("temperature_celsius", parse_temperature),),
        "temperature of each sensor of a Mac",
        node_exporter_collector("thermal"),
    ),
    Row(
        "cpu_max_frequency",
        max_integer_by("node_cpu_frequency_max_hertz", HOST_LABELS),
        NODE,
        (FieldMapping("cpu_max_frequency_hertz", parse_unsigned_int),),
        "maximum CPU frequency of the fastest core",
        node_exporter_collector("cpufreq"),
    ),
    Row(
        "cpu_frequency",
        avg_by("node_cpu_scaling_frequency_hertz", HOST_LABELS),
        NODE,
        (FieldMapping("cpu_frequency_hertz", parse_unsigned_float),),
        "current CPU frequency, on average over all cores",
        node_exporter_collector("cpufreq"),
    ),
    Row(
        "cpu_usage",
        used_percent(avg_by(rate_per_second(IDLE_CPU_SELECTOR), HOST_LABELS)),
        NODE,
        (FieldMapping("cpu_usage_percent", parse_float),),
        "CPU usage over the last five minutes, on average over all cores",
        node_exporter_collector("cpu"),
    ),
    Row(
        "temperature",
        max_by("node_thermal_zone_temp", HOST_LABELS),
        NODE,
        (FieldMapping("temperature_celsius", parse_float),),
        "temperature of the hottest thermal zone",
        node_exporter_collector("thermal_zone"),
    ),
    Row(
        "uptime",
        max_by(difference("node_time_seconds", "node_boot_time_seconds"), HOST_LABELS),
        NODE,
        (FieldMapping("uptime_seconds", parse_float),),
        "time since boot, by the clock of the host",
        node_exporter_collector("stat"),
    ),
    Row(
        "interfaces",
        group_by("node_network_info", (*HOST_LABELS, "device", "duplex", "operstate", "address")),
        INTERFACE,
        (
            FieldMapping("duplex", parse_optional_text, "duplex"),
            FieldMapping("operational_state", parse_optional_text, "operstate"),
            FieldMapping("mac_address", parse_mac_address, "address"),
        ),
        "network interfaces",
        node_exporter_collector("netclass"),
    ),
    Row(
        "interface_up",
        max_by("node_network_up", (*HOST_LABELS, "device")),
        INTERFACE,
        (FieldMapping("is_reported_up", parse_bool),),
        "whether the state of a network interface is up",
        node_exporter_collector("netclass"),
    ),
    Row(
        "interface_addresses",
        group_by("node_network_address_info", (*HOST_LABELS, "device", "address", "netmask")),
        INTERFACE,
        (FieldMapping("addresses", parse_text, "netmask", key_label="address"),),
        "IP addresses of a network interface",
        node_exporter_collector("netdev with --collector.netdev.address-info"),
    ),
    Row(
        "interface_speed",
        max_integer_by("node_network_speed_bytes", (*HOST_LABELS, "device")),
        INTERFACE,
        (FieldMapping("reported_speed_bytes_per_second", parse_int),),
        "speed of a network interface; negative if its driver does not report it",
        node_exporter_collector("netclass"),
    ),
    Row(
        "interface_mtu",
        max_integer_by("node_network_mtu_bytes", (*HOST_LABELS, "device")),
        INTERFACE,
        (FieldMapping("mtu_bytes", parse_unsigned_int),),
        "largest packet that a network interface sends",
        node_exporter_collector("netclass"),
    ),
    Row(
        "interface_received",
        max_by(rate_per_second("node_network_receive_bytes_total"), (*HOST_LABELS, "device")),
        INTERFACE,
        (FieldMapping("receive_bytes_per_second", parse_float),),
        "bytes received per second over the last five minutes",
        node_exporter_collector("netdev"),
    ),
    Row(
        "interface_sent",
        max_by(rate_per_second("node_network_transmit_bytes_total"), (*HOST_LABELS, "device")),
        INTERFACE,
        (FieldMapping("transmit_bytes_per_second", parse_float),),
        "bytes sent per second over the last five minutes",
        node_exporter_collector("netdev"),
    ),
    Row(
        "filesystems",
        max_by("node_filesystem_size_bytes" + DISK_MATCHERS, (*HOST_LABELS, "device", "fstype")),
        FILESYSTEM,
        (FieldMapping("size_bytes", parse_float), FieldMapping("fstype", parse_optional_text, "fstype")),
        "file systems on disks, one for each block device",
        node_exporter_collector("filesystem"),
    ),
    Row(
        "root_filesystem",
        max_by('node_filesystem_avail_bytes{mountpoint="/"}', (*HOST_LABELS, "device")),
        FILESYSTEM,
        (FieldMapping("root_available_bytes", parse_float),),
        "space on the root file system that is available to unprivileged programs",
        node_exporter_collector("filesystem"),
    ),
)
