"""The 1.2.5 layout of topologies."""

import json
from typing import Any

import pytest

from aggregator.models.topology import (
    Cluster,
    Container,
    Device,
    Filesystem,
    Interface,
    Node,
    Pod,
    Topology,
    Workload,
)
from aggregator.views import legacy_1_2_5

NOW_SECONDS = 1795208200.0


def render_document(node: Node | None = None, *pods: Pod, **fields: Any) -> dict[str, Any]:
    """Return the document of a cluster "c" with one node and some pods."""
    present_node = node or Node(cluster="c", key="n")
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", type="ocm", name="c")},
        nodes={(present_node.cluster, present_node.key): present_node},
        pods={(pod.cluster, pod.key): pod for pod in pods},
        **fields,
    )
    document: dict[str, Any] = json.loads(legacy_1_2_5.render_legacy(topology, NOW_SECONDS))
    return document


def render_node(**fields: Any) -> dict[str, Any]:
    """Return the JSON of a node with these fields."""
    node: dict[str, Any] = render_document(Node(cluster="c", key="n", **fields))["cluster"]["c"]["node"]["n"]
    return node


def render_pod(**fields: Any) -> dict[str, Any]:
    """Return the JSON of a pod with these fields."""
    document = Pod(cluster="c", key="p", name="p", **fields)
    pod: dict[str, Any] = render_document(Node(cluster="c", key="n", host_id="h"), document)["cluster"]["c"]["pod"]["p"]
    return pod


def test_an_empty_topology_has_clusters_and_timestamp() -> None:
    """An empty topology has the members `timestamp` and `cluster`, which clients expect."""
    assert legacy_1_2_5.render_legacy(Topology(), NOW_SECONDS) == b'{\n\t"timestamp": {},\n\t"cluster": {}\n}'


def test_a_nuvla_node_is_keyed_by_its_agent() -> None:
    """The key of a node with an agent is the ID of the agent, unless another node has that key; keys give the order."""
    nodes = [
        Node(cluster="c", key="8d1c", host_id="8d1c", name="a", agent_id="nuvlabox/2"),
        Node(cluster="c", key="a", name="a", agent_id="nuvlabox/2"),
        Node(cluster="c", key="b", name="b", agent_id="z"),
        Node(cluster="c", key="n", name="n"),
        Node(cluster="c", key="o", name="o", agent_id="nuvlabox/2"),
        Node(cluster="c", key="z", name="z", agent_id="nuvlabox/1"),
    ]
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", type="nuvla")},
        nodes={(node.cluster, node.key): node for node in nodes},
    )
    document = json.loads(legacy_1_2_5.render_legacy(topology, NOW_SECONDS))
    shown = {key: node["name"] for key, node in document["cluster"]["c"]["node"].items()}
    assert list(shown.items()) == [
        ("8d1c", "a"),
        ("b", "b"),
        ("n", "n"),
        ("nuvlabox/1", "z"),
        ("nuvlabox/2", "a"),
        ("o", "o"),
    ]


def test_objects_are_never_omitted() -> None:
    """Objects of the contract are {} if they are empty; other members without a value are omitted."""
    assert render_node() == {
        "location": {},
        "staticMetrics": {},
        "dynamicMetrics": {"availableStorage": {}},
    }
    assert render_document()["cluster"]["c"].keys() == {"type", "uuid", "name", "serviceLevelAgreement", "API", "node"}


def test_members_are_in_the_order_of_the_contract() -> None:
    """The members of a node are in the order of the Go structs."""
    node = render_node(
        type="ocm",
        host_id="h",
        name="n",
        reported_latitude=1.5,
        reported_longitude=2.5,
        sca_score=3,
        vulnerabilities={"Low": 1},
        interfaces={"eth0": Interface("eth0")},
        devices={"d": Device("d")},
        architecture="x86_64",
        cpu_cores=4.0,
        cpu_max_frequency_hertz=1,
        gpu_count=1.0,
        gpu_max_frequency_hertz=1,
        gpu_memory_bytes=1,
        memory_bytes=1,
        filesystems={"sda": Filesystem("sda", "ext4", 1.0, 1.0)},
        uptime_seconds=1.0,
        cpu_frequency_hertz=1.0,
        temperature_celsius=1.0,
        energy_joules=1.0,
        gpu_frequency_hertz=1,
        gpu_temperature_celsius=1.0,
        gpu_energy_joules=1.0,
        free_memory_bytes=1,
    )
    assert list(node) == [
        "type",
        "uuid",
        "name",
        "location",
        "vulnerabilities",
        "ScaScore",
        "staticMetrics",
        "dynamicMetrics",
        "networkInterfaces",
        "devices",
    ]
    assert list(node["location"]) == ["latitude", "longitude"]
    assert list(node["staticMetrics"]) == [
        "cpuArchitecture",
        "cpuCores",
        "cpuMaxFrequency",
        "gpuCores",
        "gpuMaxFrequency",
        "gpuRAMMemory",
        "RAMMemory",
        "storage",
    ]
    assert list(node["dynamicMetrics"]) == [
        "upTime",
        "cpuFrequency",
        "cpuTemperature",
        "cpuEnergyConsumption",
        "gpuFrequency",
        "gpuTemperature",
        "gpuEnergyConsumption",
        "freeRAM",
        "availableStorage",
    ]


def test_positions_are_as_reported() -> None:
    """Each half of a position is written as reported, even if it is out of range; nothing is derived from it."""
    assert render_node(reported_longitude=181.0, country="SI", city="Kranj")["location"] == {"longitude": 181}


@pytest.mark.parametrize(
    "fields",
    [
        {"cpu_cores": 0.0, "cpu_max_frequency_hertz": 0, "memory_bytes": 0, "gpu_count": 0.0},
        {"sca_score": 0, "reported_latitude": 0.0, "uptime_seconds": 0.0, "free_memory_bytes": 0, "name": ""},
        {"cpu_cores": 0.9, "temperature_celsius": -0.0, "architecture": "", "cpu_frequency_hertz": 0.0},
    ],
)
def test_zero_is_omitted(fields: dict[str, Any]) -> None:
    """A value is omitted if it is zero, as in the Go service."""
    assert render_node(**fields) == render_node()


def test_zero_in_a_map_is_kept() -> None:
    """Entries of a map are written even if they are zero, sorted by key."""
    node = render_node(vulnerabilities={"Low": 0, "Critical": 2})
    assert list(node["vulnerabilities"].items()) == [("Critical", 2), ("Low", 0)]


def test_cores_are_truncated_and_some_numbers_are_text() -> None:
    """3.9 cores become 3; the CPU frequency and GPU values are text without an exponent."""
    node = render_node(
        cpu_cores=3.9, cpu_frequency_hertz=2.5e9, gpu_max_frequency_hertz=1_410_000_000, gpu_memory_bytes=1
    )
    assert node["staticMetrics"] == {"cpuCores": 3, "gpuMaxFrequency": "1410000000", "gpuRAMMemory": "1"}
    assert node["dynamicMetrics"]["cpuFrequency"] == "2500000000"


def test_an_interface() -> None:
    """An interface has the misspelled members of the contract, and the mask of the address that it shows."""
    interface = Interface("eth0", "full", -125000, {"fe80::1": "64", "10.0.0.1": "24"}, True, 1.5, 2.0)
    assert render_node(interfaces={"eth0": interface})["networkInterfaces"]["eth0"] == {
        "name": "eth0",
        "type": "full",
        "speed": -125000,
        "ip": "10.0.0.1",
        "status": "up",
        "subnetMask": "24",
        "ingressUssage": "1.5",
        "engressUssage": "2",
    }


@pytest.mark.parametrize(("is_up", "expected"), [(True, "up"), (False, "down"), (None, None)])
def test_the_status_of_an_interface(is_up: bool | None, expected: str | None) -> None:
    """The status is up or down, and omitted if unknown."""
    node = render_node(interfaces={"lo": Interface("lo", is_reported_up=is_up)})
    assert node["networkInterfaces"]["lo"].get("status") == expected


@pytest.mark.parametrize(
    ("state", "expected"), [(-1, "detached"), (0, "busy"), (1, "available"), (7, "unknown"), (None, None)]
)
def test_the_status_of_a_device(state: int | None, expected: str | None) -> None:
    """The state of a device becomes a word; its type is the name up to the first underscore."""
    device = render_node(devices={"usb-video_1b3f_2247": Device("usb-video_1b3f_2247", state)})["devices"]
    assert device["usb-video_1b3f_2247"].get("status") == expected
    assert device["usb-video_1b3f_2247"]["type"] == "usb-video"


def test_storage() -> None:
    """File systems with a known size are listed; available space is that of the root file system."""
    filesystems = {
        "sda": Filesystem("sda", "ext4", 1e11, None),
        "sdb": Filesystem("sdb", None, 2e11, 5e10),
        "sdc": Filesystem("sdc", "xfs", None, None),
    }
    node = render_node(filesystems=filesystems)
    assert node["staticMetrics"]["storage"] == [
        {"name": "sda", "type": "ext4", "capacity": 100000000000},
        {"name": "sdb", "capacity": 200000000000},
    ]
    assert node["dynamicMetrics"]["availableStorage"] == {"name": "sdb", "free": 50000000000}


def test_a_pod_with_containers() -> None:
    """Containers have the address of their pod and the machine ID of their node; memory is text, CPU usage a number."""
    pod = render_pod(
        node="n",
        ip="10.42.0.1",
        phase="Running",
        containers={"c": Container("c", 0.25, 1048576)},
        workloads={"i": Workload("i", "shop", "web")},
    )
    assert pod == {
        "name": "p",
        "ip": "10.42.0.1",
        "status": "Running",
        "numberOfContainers": 1,
        "numberOfApps": 1,
        "container": {
            "c": {"name": "c", "ip": "10.42.0.1", "node": "h", "containerMemory": "1048576", "cpuUsage": 0.25}
        },
    }


def test_a_pod_without_a_node() -> None:
    """Containers of a pod without a known node have no member `node`."""
    assert "node" not in render_pod(containers={"c": Container("c")})["container"]["c"]


def test_controllers_are_before_clusters() -> None:
    """Controllers, by name, are between timestamp and clusters."""
    document = render_document(controllers=("staging-a",))
    assert list(document) == ["timestamp", "controller", "cluster"]
    assert document["controller"] == {
        "staging-a": {"name": "staging-a", "location": {}, "serviceLevelAgreement": {}, "API": {}}
    }


@pytest.mark.parametrize(
    ("oldest_seconds", "expected"),
    [
        (NOW_SECONDS - 1.5, {"oldestTimestamp": NOW_SECONDS - 1.5, "timeSinceOldest": 1.5}),
        (NOW_SECONDS + 100, {"oldestTimestamp": NOW_SECONDS + 100}),
        (None, {}),
    ],
)
def test_age_is_never_negative(oldest_seconds: float | None, expected: dict[str, float]) -> None:
    """A sample from the future has no age; without an `up` series there is no timestamp."""
    assert render_document(oldest_sample_seconds=oldest_seconds)["timestamp"] == expected
