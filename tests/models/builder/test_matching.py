"""Where samples land: how their entities are found, which value wins, and what is counted."""

import pytest

from aggregator.models.topology import Node, Topology
from tests.support.samples import Series, build_from_series

LABELS = {"k8s_cluster_uid": "u", "icos_host_id": "h", "icos_host_name": "u:n", "icos_agent_id": "a"}
ORCHESTRATORS: list[Series] = [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")]
UNAME: Series = ({**LABELS, "nodename": "n", "net_host_name": "10.0.0.1", "machine": "x86_64"}, "1")
PODS: list[Series] = [({"k8s_cluster_uid": "u", "namespace": "ns", "pod": "p", "uid": "1-2"}, "1")]


def get_only_node(topology: Topology) -> Node:
    """Return the only node."""
    (node,) = topology.nodes.values()
    return node


def build_measured_node(**rows: list[Series]) -> Node:
    """Return the only node, with what these rows say of it."""
    return get_only_node(build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [UNAME], **rows})[0])


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"k8s_cluster_uid": "u", "icos_host_id": "h"}, id="cluster and machine id"),
        pytest.param({"icos_host_id": "h"}, id="machine id"),
        pytest.param({"k8s_cluster_uid": "u", "icos_host_name": "u:n"}, id="cluster and host name"),
        pytest.param({"icos_host_name": "u:n"}, id="host name"),
    ],
)
def test_a_node_is_found_by_what_a_series_has(labels: dict[str, str]) -> None:
    """Telemetry names a host by more or fewer labels: each of these finds it."""
    assert build_measured_node(memory_free=[(labels, "42")]).free_memory_bytes == 42


def test_a_node_is_found_by_plain_labels() -> None:
    """Series with `cluster` and `node` labels are about the host that has the same two."""
    uname: Series = ({"cluster": "c", "node": "n", "nodename": "n"}, "1")
    topology, _ = build_from_series({"nodes_by_uname": [uname], "memory_free": [({"cluster": "c", "node": "n"}, "42")]})
    assert get_only_node(topology).free_memory_bytes == 42


def test_a_machine_id_with_a_newline_is_the_same_machine() -> None:
    """The newline of /etc/machine-id does not make another host."""
    node = get_only_node(
        build_from_series(
            {
                "orchestrators": ORCHESTRATORS,
                "nodes_by_uname": [({**UNAME[0], "icos_host_id": "h\n"}, "1")],
                "memory_free": [({"icos_host_id": "h\n"}, "1")],
                "uptime": [({"icos_host_id": "h"}, "2")],
            }
        )[0]
    )
    assert (node.host_id, node.free_memory_bytes, node.uptime_seconds) == ("h", 1, 2)


def test_capacity_is_joined_by_agent_and_host_name() -> None:
    """Capacity series know no machine id: agent and host name find the node."""
    node = build_measured_node(cpu_capacity=[({"icos_agent_id": "a", "icos_host_name": "u:n"}, "3.9")])
    assert node.cpu_cores == 3.9


def test_what_is_about_nobody_is_counted() -> None:
    """A sample whose labels no node has is counted by row and reason."""
    _, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "memory_free": [({"icos_host_id": "other"}, "1"), ({}, "2")],
            "nodes_by_agent": [({"k8s_cluster_uid": "u"}, "1")],
        }
    )
    assert dict(tally.unplaced) == {
        ("memory_free", "no node matches its labels"): 2,
        ("nodes_by_agent", "no label identifies its entity"): 1,
    }


def test_labels_that_two_nodes_share_place_nothing() -> None:
    """A sample that could be either of two nodes' is neither's, and is counted."""
    twins: list[Series] = [
        ({"k8s_cluster_uid": "u", "icos_host_id": host_id, "icos_host_name": "same", "nodename": host_id}, "1")
        for host_id in "ab"
    ]
    topology, tally = build_from_series(
        {"orchestrators": ORCHESTRATORS, "nodes_by_uname": twins, "uptime": [({"icos_host_name": "same"}, "5")]}
    )
    assert [node.uptime_seconds for node in topology.nodes.values()] == [None, None]
    assert tally.unplaced["uptime", "several nodes match its labels"] == 1


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_a_value_that_is_not_finite_is_left_out_and_counted(value: str) -> None:
    """NaN in one field does no harm to the others."""
    topology, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "memory_free": [(LABELS, value)],
            "uptime": [(LABELS, "5")],
        }
    )
    assert (get_only_node(topology).free_memory_bytes, get_only_node(topology).uptime_seconds) == (None, 5)
    assert dict(tally.dropped) == {("memory_free", "not a finite number"): 1}


@pytest.mark.parametrize("value", ["1e30", "-1e30", "9223372036854775808"])
def test_a_value_that_does_not_fit_is_left_out_and_counted(value: str) -> None:
    """1e30 is no number of bytes."""
    topology, tally = build_from_series(
        {"orchestrators": ORCHESTRATORS, "nodes_by_uname": [UNAME], "memory_free": [(LABELS, value)]}
    )
    assert get_only_node(topology).free_memory_bytes is None
    assert dict(tally.dropped) == {("memory_free", "out of range"): 1}


def test_a_bad_position_is_left_out_and_counted() -> None:
    """Degrees that are no number or out of range are dropped and counted once."""
    uname = {**UNAME[0], "icos_alpha_latitude": "north", "icos_alpha_longitude": "181"}
    topology, tally = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [(uname, "1")]})
    assert (get_only_node(topology).latitude, get_only_node(topology).longitude) == (None, None)
    assert dict(tally.dropped) == {("nodes_by_uname", "not a number"): 1, ("nodes_by_uname", "out of range"): 1}


def test_half_a_position_is_none() -> None:
    """A valid longitude without a valid latitude is no position; both stay as reported, for the legacy JSON."""
    uname = {**UNAME[0], "icos_alpha_latitude": "91", "icos_alpha_longitude": "14.5"}
    node = get_only_node(build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [(uname, "1")]})[0])
    assert (node.latitude, node.longitude, node.city) == (None, None, None)
    assert (node.reported_latitude, node.reported_longitude) == (91, 14.5)


def test_a_position_has_a_location() -> None:
    """City, country and continent of a node are derived from its position."""
    uname = {**UNAME[0], "icos_alpha_latitude": "46.2389", "icos_alpha_longitude": "14.3556"}
    node = get_only_node(build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [(uname, "1")]})[0])
    assert (node.city, node.country, node.country_name, node.continent) == ("Kranj", "SI", "Slovenia", "Europe")


def test_a_position_in_the_ocean_has_no_location() -> None:
    """A position far from all cities stays, without a city and a country."""
    uname = {**UNAME[0], "icos_alpha_latitude": "-40", "icos_alpha_longitude": "-120"}
    node = get_only_node(build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [(uname, "1")]})[0])
    assert (node.latitude, node.longitude) == (-40, -120)
    assert (node.city, node.country, node.country_name, node.continent) == (None, None, None, None)


def test_of_duplicate_hosts_one_wins_and_the_conflict_is_counted() -> None:
    """Two uname series of one host are one node: the last in the order of labels wins, whatever came first."""
    kinds = [({**UNAME[0], "machine": machine}, "1") for machine in ("aarch64", "x86_64")]
    for series in (kinds, kinds[::-1]):
        topology, tally = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": series})
        assert get_only_node(topology).architecture == "x86_64"
        assert dict(tally.conflicts) == {("nodes_by_uname", "architecture"): 1}


def test_of_equal_series_none_contradicts() -> None:
    """Duplicates that say the same are no conflict."""
    _, tally = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [UNAME, UNAME]})
    assert not tally.conflicts


def test_the_larger_value_wins() -> None:
    """Of two samples for one field the larger counts, and the other is a conflict."""
    series: list[Series] = [({**LABELS, "cluster": cluster}, value) for cluster, value in (("a", "30"), ("b", "70"))]
    for order in (series, series[::-1]):
        topology, tally = build_from_series(
            {"orchestrators": ORCHESTRATORS, "nodes_by_uname": [UNAME], "temperature": order}
        )
        assert get_only_node(topology).temperature_celsius == 70
        assert tally.conflicts["temperature", "temperature_celsius"] == 1


def test_a_real_value_wins_over_nan() -> None:
    """NaN beside a number does not hide it."""
    series: list[Series] = [({**LABELS, "cluster": cluster}, value) for cluster, value in (("a", "NaN"), ("b", "7"))]
    for order in (series, series[::-1]):
        assert build_measured_node(temperature=order).temperature_celsius == 7


def test_the_higher_row_wins() -> None:
    """Where two rows fill one field, the one that stands first in the catalog counts; no conflict is told."""
    topology, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "cpu_count": [(LABELS, "8")],
            "cpu_capacity": [(LABELS, "4")],
        }
    )
    assert get_only_node(topology).cpu_cores == 4
    assert not tally.conflicts


def test_the_lower_row_fills_in() -> None:
    """A field that the higher row has no value for gets the lower row's."""
    assert build_measured_node(cpu_count=[(LABELS, "8")], cpu_capacity=[(LABELS, "NaN")]).cpu_cores == 8


def test_the_surer_way_wins() -> None:
    """A sample that names the machine counts more than one that names the host's name, be it smaller."""
    node = build_measured_node(uptime=[({"icos_host_name": "u:n"}, "99"), ({"icos_host_id": "h"}, "1")])
    assert node.uptime_seconds == 1


def test_scans_are_joined_by_host_name_and_address() -> None:
    """The security module's series find every host whose name and address they say."""
    scanned = {"agent_hostname": "n", "agent_ip": "10.0.0.1"}
    node = build_measured_node(
        sca_score=[(scanned, "42")],
        vulnerabilities=[({**scanned, "severity": "High"}, "14"), ({**scanned, "severity": "Low"}, "1.9")],
    )
    assert (node.sca_score, node.vulnerabilities) == (42, {"High": 14, "Low": 1})


def test_a_scan_of_another_address_is_nobodys() -> None:
    """The same name at another address is another host."""
    _, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "sca_score": [({"agent_hostname": "n", "agent_ip": "10.0.0.2"}, "42")],
        }
    )
    assert tally.unplaced["sca_score", "no node matches its labels"] == 1


def test_labels_of_people_lose_their_prefix() -> None:
    """Each label that begins with label_ is an entry under the rest of its name."""
    node = build_measured_node(labels=[({**LABELS, "label_zone": "eu", "label_gpu": "yes", "job": "x"}, "1")])
    assert node.labels == {"zone": "eu", "gpu": "yes"}


def test_an_interface_is_made_by_any_of_its_series() -> None:
    """An interface that only one row tells of is there with what that row says."""
    node = build_measured_node(
        interfaces=[({**LABELS, "device": "eth0", "duplex": "full"}, "1")],
        interface_up=[({**LABELS, "device": "eth0"}, "0"), ({**LABELS, "device": "ghost0"}, "1")],
        interface_addresses=[({**LABELS, "device": "eth0", "address": "10.0.0.1", "netmask": "24"}, "1")],
        interface_speed=[({**LABELS, "device": "eth0"}, "-125000")],
    )
    eth0, ghost0 = node.interfaces["eth0"], node.interfaces["ghost0"]
    assert (eth0.duplex, eth0.is_up, eth0.addresses, eth0.reported_speed_bytes_per_second) == (
        "full",
        False,
        {"10.0.0.1": "24"},
        -125000,
    )
    assert (ghost0.is_up, ghost0.duplex) == (True, None)


def test_a_device_has_state_and_path() -> None:
    """A peripheral's value is its state."""
    node = build_measured_node(devices=[({**LABELS, "device": "usb_1", "resource_path": "/dev/usb"}, "-1")])
    assert (node.devices["usb_1"].state, node.devices["usb_1"].path) == (-1, "/dev/usb")


def test_file_systems_are_told_once_a_device() -> None:
    """Size, kind and what is left on the root are the device's."""
    node = build_measured_node(
        filesystems=[({**LABELS, "device": "/dev/sda1", "fstype": "ext4"}, "1e11")],
        root_filesystem=[({**LABELS, "device": "/dev/sda1"}, "5e10")],
    )
    (disk,) = node.filesystems.values()
    assert (disk.name, disk.fstype, disk.size_bytes, disk.root_available_bytes) == ("/dev/sda1", "ext4", 1e11, 5e10)


def test_usage_is_for_known_containers_only() -> None:
    """A container that Kubernetes does not list is not made by its statistics; they are counted."""
    kubelet = {"k8s_cluster_uid": "u", "k8s_namespace_name": "ns", "k8s_pod_name": "p"}
    topology, tally = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "pods": PODS,
            "containers": [({**PODS[0][0], "container": "c"}, "1")],
            "container_cpu": [
                ({**kubelet, "k8s_container_name": "c"}, "0.25"),
                ({**kubelet, "k8s_container_name": "gone"}, "0.5"),
            ],
        }
    )
    (pod,) = topology.pods.values()
    assert {name: container.cpu_usage_cores for name, container in pod.containers.items()} == {"c": 0.25}
    assert tally.unplaced["container_cpu", "not among the containers of its pod"] == 1


@pytest.mark.parametrize("others", [0, 1])
def test_a_pods_series_without_its_clusters_uid(others: int) -> None:
    """It is of the pod of its namespace and name; where two clusters have one, it is of neither, and is counted."""
    uids = ["u", "v"][: 1 + others]
    topology, tally = build_from_series(
        {
            "orchestrators": [({"type": "ocm", "k8s_cluster_uid": uid}, "1") for uid in uids],
            "nodes_by_uname": [({"k8s_cluster_uid": uid, "icos_host_id": uid, "nodename": uid}, "1") for uid in uids],
            "pods": [({**PODS[0][0], "k8s_cluster_uid": uid}, "1") for uid in uids],
            "pod_phase": [({"namespace": "ns", "pod": "p", "phase": "Running"}, "1")],
            "containers": [({"namespace": "ns", "pod": "p", "container": "c"}, "1")],
            "container_cpu": [
                ({"k8s_namespace_name": "ns", "k8s_pod_name": "p", "k8s_container_name": "c"}, "0.5"),
                ({"k8s_namespace_name": "no", "k8s_pod_name": "p", "k8s_container_name": "c"}, "0.7"),
            ],
        }
    )
    pods = topology.pods.values()
    assert [pod.phase for pod in pods] == ([None, None] if others else ["Running"])
    assert [one.cpu_usage_cores for pod in pods for one in pod.containers.values()] == ([] if others else [0.5])
    assert tally.unplaced["pod_phase", "several pods match its labels"] == others


def test_a_workload_is_found_by_the_pods_uid() -> None:
    """An application's series names its pod by uid."""
    topology, _ = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "pods": PODS,
            "workloads": [
                ({"id": "1-2", "icos_app_instance": "i", "icos_app_name": "shop", "icos_app_component": "web"}, "1")
            ],
        }
    )
    (pod,) = topology.pods.values()
    assert {name: (load.app, load.component) for name, load in pod.workloads.items()} == {"i": ("shop", "web")}


def test_the_oldest_sample_is_the_systems() -> None:
    """The time of the oldest sample is the topology's own."""
    assert build_from_series({"oldest_sample": [({}, "1795208200.282")]})[0].oldest_sample_seconds == 1795208200.282


def test_a_cluster_link_is_found_by_any_of_its_hosts() -> None:
    """A virtual network's series names a host, and its cluster is linked."""
    topology, _ = build_from_series(
        {
            "orchestrators": ORCHESTRATORS,
            "nodes_by_uname": [UNAME],
            "cluster_links": [({"icos_host_id": "h"}, "1")],
        }
    )
    assert topology.clusters["u"].is_linked


def test_every_sample_is_accounted_for() -> None:
    """Samples are placed or counted as unplaced: none is lost."""
    series: list[Series] = [(LABELS, "1"), ({"icos_host_id": "other"}, "2"), ({}, "3")]
    _, tally = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": [UNAME], "uptime": series})
    assert tally.placed_samples["uptime"] + sum(tally.unplaced.values()) == len(series)


@pytest.mark.parametrize(("count", "is_shown"), [(200, True), (510, False)])
def test_samples_for_very_many_nodes_each_are_samples_of_nobody(count: int, is_shown: bool) -> None:
    """Scans of hosts that all have one address and name are each for all of them, until that gets out of hand."""
    hosts: list[Series] = [
        ({"k8s_cluster_uid": "u", "icos_host_id": str(number), "nodename": "n", "net_host_name": "ip"}, "1")
        for number in range(count)
    ]
    scans: list[Series] = [({"agent_ip": "ip", "agent_hostname": "n"}, str(number % 7)) for number in range(count)]
    topology, tally = build_from_series({"orchestrators": ORCHESTRATORS, "nodes_by_uname": hosts, "sca_score": scans})
    assert {node.sca_score for node in topology.nodes.values()} == {6 if is_shown else None}
    assert tally.unplaced["sca_score", "several nodes match its labels"] == (0 if is_shown else count)
