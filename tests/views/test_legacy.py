"""The JSON of 1.2.5 from hand-made topologies."""

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
from aggregator.views import legacy

NOW_SECONDS = 1795208200.0


def rendered(node: Node | None = None, *pods: Pod, **fields: Any) -> dict[str, Any]:
    """Return the document of a cluster "c" with one node and some pods."""
    known = node or Node(cluster="c", key="n")
    topology = Topology(
        clusters={"c": Cluster(key="c", uid="u", type="ocm", name="c")},
        nodes={(known.cluster, known.key): known},
        pods={(pod.cluster, pod.key): pod for pod in pods},
        **fields,
    )
    document: dict[str, Any] = json.loads(legacy.render(topology, NOW_SECONDS))
    return document


def node_of(**fields: Any) -> dict[str, Any]:
    """Return the JSON of a node with these fields."""
    node: dict[str, Any] = rendered(Node(cluster="c", key="n", **fields))["cluster"]["c"]["node"]["n"]
    return node


def pod_of(**fields: Any) -> dict[str, Any]:
    """Return the JSON of a pod with these fields."""
    made = Pod(cluster="c", key="p", name="p", **fields)
    pod: dict[str, Any] = rendered(Node(cluster="c", key="n", host_id="h"), made)["cluster"]["c"]["pod"]["p"]
    return pod


def test_nothing_known_has_a_cluster_member_all_the_same() -> None:
    """Pollers need the key `cluster`; `timestamp` is never left out either."""
    assert legacy.render(Topology(), NOW_SECONDS) == b'{\n\t"timestamp": {},\n\t"cluster": {}\n}'


def test_objects_are_never_omitted() -> None:
    """Objects of the contract print {} where nothing fills them; members of other types are left out."""
    assert node_of() == {
        "location": {},
        "staticMetrics": {},
        "dynamicMetrics": {"availableStorage": {}},
    }
    assert rendered()["cluster"]["c"].keys() == {"type", "uuid", "name", "serviceLevelAgreement", "API", "node"}


def test_members_are_in_the_order_of_the_contract() -> None:
    """A node with everything prints its members in the order that the Go structs have."""
    node = node_of(
        type="ocm",
        host_id="h",
        name="n",
        latitude=1.5,
        longitude=2.5,
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


@pytest.mark.parametrize(
    "fields",
    [
        {"cpu_cores": 0.0, "cpu_max_frequency_hertz": 0, "memory_bytes": 0, "gpu_count": 0.0},
        {"sca_score": 0, "latitude": 0.0, "uptime_seconds": 0.0, "free_memory_bytes": 0, "name": ""},
        {"cpu_cores": 0.9, "temperature_celsius": -0.0, "architecture": "", "cpu_frequency_hertz": 0.0},
    ],
)
def test_zero_is_left_out(fields: dict[str, Any]) -> None:
    """A value counts as set only if it is not zero, as in the Go service."""
    assert node_of(**fields) == node_of()


def test_a_zero_in_a_map_is_told() -> None:
    """Entries of a map are told even where they are zero, sorted by their keys."""
    node = node_of(vulnerabilities={"Low": 0, "Critical": 2})
    assert list(node["vulnerabilities"].items()) == [("Critical", 2), ("Low", 0)]


def test_cores_are_cut_and_numbers_as_text_are_text() -> None:
    """3.9 cores print 3; frequencies of now and of graphics processors are text, in Hz, without exponent."""
    node = node_of(cpu_cores=3.9, cpu_frequency_hertz=2.5e9, gpu_max_frequency_hertz=1_410_000_000, gpu_memory_bytes=1)
    assert node["staticMetrics"] == {"cpuCores": 3, "gpuMaxFrequency": "1410000000", "gpuRAMMemory": "1"}
    assert node["dynamicMetrics"]["cpuFrequency"] == "2500000000"


def test_an_interface() -> None:
    """An interface has the misspelled members of the contract, and the mask of the address it shows."""
    interface = Interface("eth0", "full", -125000, {"fe80::1": "64", "10.0.0.1": "24"}, True, 1.5, 2.0)
    assert node_of(interfaces={"eth0": interface})["networkInterfaces"]["eth0"] == {
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
    """Down is said, unknown is not."""
    node = node_of(interfaces={"lo": Interface("lo", is_up=is_up)})
    assert node["networkInterfaces"]["lo"].get("status") == expected


@pytest.mark.parametrize(
    ("state", "expected"), [(-1, "detached"), (0, "busy"), (1, "available"), (7, "unknown"), (None, None)]
)
def test_the_status_of_a_device(state: int | None, expected: str | None) -> None:
    """A device's number is a word; its type is what stands before the first underscore."""
    device = node_of(devices={"usb-video_1b3f_2247": Device("usb-video_1b3f_2247", state)})["devices"]
    assert device["usb-video_1b3f_2247"].get("status") == expected
    assert device["usb-video_1b3f_2247"]["type"] == "usb-video"


def test_storage() -> None:
    """File systems of known size are listed; what is left is told of the root alone."""
    filesystems = {
        "sda": Filesystem("sda", "ext4", 1e11, None),
        "sdb": Filesystem("sdb", None, 2e11, 5e10),
        "sdc": Filesystem("sdc", "xfs", None, None),
    }
    node = node_of(filesystems=filesystems)
    assert node["staticMetrics"]["storage"] == [
        {"name": "sda", "type": "ext4", "capacity": 100000000000},
        {"name": "sdb", "capacity": 200000000000},
    ]
    assert node["dynamicMetrics"]["availableStorage"] == {"name": "sdb", "free": 50000000000}


def test_a_pod_with_containers() -> None:
    """Containers have their pod's address and their node's machine id; memory is text, CPU a number."""
    pod = pod_of(
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


def test_a_pod_of_no_known_node() -> None:
    """Where the node is not known, containers do not name one."""
    assert "node" not in pod_of(containers={"c": Container("c")})["container"]["c"]


def test_controllers_stand_before_the_clusters() -> None:
    """Controllers are told by name, between timestamp and cluster."""
    document = rendered(controllers=("staging-a",))
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
    """Clocks that disagree make the data new, not from the future; no `up` series is no timestamp."""
    assert rendered(oldest_sample_seconds=oldest_seconds)["timestamp"] == expected
