"""Hosts as the exporters of their operating systems report them, from real or published output of each exporter."""

import pytest

from aggregator.models.topology import Filesystem, Interface, Node, Sensor
from aggregator.views.legacy_1_2_5 import build_interface
from tests.support.scenarios import build_scenario, read_scenario, read_scraped


def build_host(text: str) -> Node:
    """Build the topology of one host."""
    topology, stats = build_scenario(text)
    (node,) = topology.nodes.values()
    assert not stats.unplaced
    assert not stats.dropped
    return node


@pytest.fixture(scope="module")
def linux_host() -> Node:
    """Return a host with node_exporter on Linux."""
    return build_host(read_scraped("node_exporter-1.5", job="node", instance="edge1:9100"))


def test_an_unknown_speed_is_absent(linux_host: Node) -> None:
    """A driver that does not know the speed of its link reports a negative one."""
    speeds = {name: interface.speed_bytes_per_second for name, interface in linux_host.interfaces.items()}
    assert speeds == {
        "docker0": 1.25e9,
        "eth0": None,
        "ifb0": None,
        "ifb1": None,
        "lo": None,
        "veth9fba164": 1.25e9,
    }


@pytest.mark.parametrize(("reported", "speed"), [(-125000, None), (0, None), (536870911875000, None), (1, 1)])
def test_impossible_speeds_are_unknown(reported: int, speed: int | None) -> None:
    """Speeds that no link has mean that the driver does not know it."""
    assert Interface("eth0", reported_speed_bytes_per_second=reported).speed_bytes_per_second == speed


def test_the_state_of_interfaces_without_one_is_unknown(linux_host: Node) -> None:
    """Loopback interfaces and tunnels have no state, although node_exporter reports them as down."""
    states = {name: (each.is_up, each.operational_state) for name, each in linux_host.interfaces.items()}
    assert states == {
        "docker0": (True, "up"),
        "eth0": (True, "up"),
        "ifb0": (False, "down"),
        "ifb1": (False, "down"),
        "lo": (None, "unknown"),
        "veth9fba164": (True, "up"),
    }


def test_the_formats_of_the_go_service_show_what_is_reported(linux_host: Node) -> None:
    """Their status and speed are those of node_exporter, unknown or not."""
    assert build_interface(linux_host.interfaces["lo"]).status == "down"
    assert build_interface(linux_host.interfaces["eth0"]).speed == -125000


def test_addresses_and_packet_sizes_of_interfaces(linux_host: Node) -> None:
    """An interface has its MAC address, except `lo`, and the largest packet that it sends."""
    eth0, loopback = linux_host.interfaces["eth0"], linux_host.interfaces["lo"]
    assert (eth0.mac_address, eth0.mtu_bytes, eth0.ip) == ("02:fc:00:00:00:01", 1400, "192.0.2.2")
    assert (loopback.mac_address, loopback.mtu_bytes) == (None, 65536)


def test_nodes_without_node_exporter() -> None:
    """Kubelet statistics of OpenTelemetry fill memory, CPU usage and network traffic of a node."""
    node = build_host(read_scenario("exporters/opentelemetry-kubelet-statistics"))
    assert (node.host_memory_bytes, node.memory_bytes, node.available_memory_bytes) == (8e9, 8e9, 6e9)
    assert node.cpu_usage_percent == 25
    assert {
        name: (each.receive_bytes_per_second, each.transmit_bytes_per_second) for name, each in node.interfaces.items()
    } == {"eth0": (1000, 500), "lo": (1, 1)}


def test_file_systems_without_node_exporter() -> None:
    """Host metrics of OpenTelemetry fill the file systems of a node; a disk counts once, even if mounted twice."""
    node = build_host(read_scenario("exporters/opentelemetry-host-metrics"))
    assert list(node.filesystems.values()) == [
        Filesystem("/dev/sda1", fstype="ext4", size_bytes=1e11, root_available_bytes=5e10),
        Filesystem("/dev/sdb1", fstype="xfs", size_bytes=8e10),
    ]


def test_kubelet_statistics_of_icos_telemetry() -> None:
    """They belong to the host with the name of the node in the cluster; node_exporter takes precedence."""
    icos = 'k8s_cluster_uid="c1",icos_agent_id="a1"'
    series = f"""
tlum_orch_info{{type="ocm",agent_id="a1",agent_name="a1",{icos}}} 1
node_uname_info{{icos_host_id="m1",icos_host_name="c1:w1",nodename="w1",machine="x86_64",{icos}}} 1
node_network_receive_bytes_total{{icos_host_id="m1",icos_host_name="c1:w1",device="eth0",{icos}}} /15s*7
k8s_node_network_io_bytes_total{{k8s_node_name="w1",interface="eth0",direction="receive",{icos}}} /15s*8
k8s_node_network_io_bytes_total{{k8s_node_name="w1",interface="eth0",direction="transmit",{icos}}} /15s*9
"""
    eth0 = build_host(series).interfaces["eth0"]
    assert (eth0.receive_bytes_per_second, eth0.transmit_bytes_per_second) == (7, 9)


def test_a_host_with_macos() -> None:
    """Memory, processors, disks and network of a Mac have the names of node_exporter's collectors for macOS."""
    node = build_host(read_scraped("node_exporter-macos", job="node", instance="mac:9100"))
    assert (node.host_memory_bytes, node.memory_bytes, node.free_memory_bytes) == (16e9, 16e9, 2e8)
    assert node.available_memory_bytes == 16e9 - (6e9 - 5e8 + 2e9 + 1e9)
    assert (node.cpu_cores, node.cpu_usage_percent, node.uptime_seconds) == (2, 50, 8200)
    assert (node.name, node.operating_system, node.kernel_version) == ("mac-mini.local", "Darwin", "24.1.0")
    assert {name: each.root_available_bytes for name, each in node.filesystems.items()} == {"/dev/disk3s1s1": 4.25e11}
    assert {name: each.receive_bytes_per_second for name, each in node.interfaces.items()} == {"en0": 100}
    assert node.sensors == {"PMU tdie1": Sensor("PMU tdie1", 41.5)}


def test_a_host_with_freebsd() -> None:
    """Memory of a BSD that is free, inactive or cached is available."""
    node = build_host(read_scraped("node_exporter-freebsd", job="node", instance="nas:9100"))
    assert (node.host_memory_bytes, node.free_memory_bytes, node.available_memory_bytes) == (8e9, 2e9, 5.1e9)
    assert (node.cpu_cores, node.cpu_usage_percent) == (1, 25)
    assert (node.operating_system, node.kernel_version) == ("FreeBSD 14.1-RELEASE", "14.1-RELEASE")


@pytest.mark.parametrize("name", ["node_exporter-macos", "node_exporter-freebsd"])
def test_hosts_without_uname_are_nodes(name: str) -> None:
    """The boot time or the memory size creates a host of macOS and BSD, too."""
    text = read_scraped(name, job="node", instance="host:9100")
    for left_out in ("node_uname_info", "node_boot_time_seconds"):
        text = "\n".join(line for line in text.splitlines() if not line.startswith(left_out))
        assert build_host(text).node_label == "host"


def test_memory_of_bsd_without_a_cache() -> None:
    """NetBSD has no cache, so free and inactive memory is available."""
    text = read_scraped("node_exporter-freebsd", job="node", instance="nas:9100")
    node = build_host("\n".join(line for line in text.splitlines() if "cache_bytes" not in line))
    assert node.available_memory_bytes == 5e9


def test_the_software_and_the_processor_of_a_host(linux_host: Node) -> None:
    """A host has the name and version of its operating system, of its kernel, and the model of its CPU."""
    assert linux_host.operating_system == "Debian GNU/Linux 12 (bookworm)"
    assert linux_host.kernel_version == "6.1.0-25-amd64"
    assert linux_host.cpu_model == "Intel(R) Xeon(R) Processor"


def test_sensors() -> None:
    """Thermal zones and sensors of hardware monitors are listed; what no sensor can measure is unknown."""
    node = build_host(read_scraped("node_exporter-sensors", job="node", instance="edge1:9100"))
    assert {name: sensor.temperature_celsius for name, sensor in node.sensors.items()} == {
        "acpitz/0": 27.8,
        "nvme_nvme0/temp1": 42.85,
        "platform_coretemp_0/temp1": 44,
        "platform_coretemp_0/temp2": 41,
        "platform_nct6775_656/temp3": None,
        "platform_nct6775_656/temp4": None,
        "x86_pkg_temp/1": 43,
    }
    assert node.temperature_celsius == 43
