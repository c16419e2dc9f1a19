"""Telemetry that operators of other products reported: each case gives the topology that is right for it."""

from collections.abc import Mapping
from typing import Any

import pytest

from aggregator.models.builder.merge import BuildStats
from aggregator.models.topology import Node, Pod, Topology
from aggregator.pb.etim import server_pb2
from aggregator.refresh.snapshot import GapKind, list_build_gaps
from aggregator.views.etim import render_etim
from tests.support.scenarios import build_scenario, read_scenario


def build_case(name: str) -> tuple[Topology, BuildStats]:
    """Build the topology of a case."""
    return build_scenario(read_scenario(f"field/{name}"))


def get_only_node(topology: Topology) -> Node:
    """Return the node of a topology with one node."""
    (node,) = topology.nodes.values()
    return node


def describe_pods(topology: Topology, *fields: str) -> Mapping[str, tuple[Any, ...]]:
    """Return fields of each pod by cluster and name."""
    return {
        f"{pod.cluster}/{pod.key}": tuple(getattr(pod, field) for field in fields) for pod in topology.pods.values()
    }


def get_images(pod: Pod) -> list[str | None]:
    """Return the images of the containers of a pod."""
    return [container.image for container in pod.containers.values()]


def test_clusters_in_one_store_remain_separate() -> None:
    """Pods of two clusters with equal names are two pods, each with its own address, phase, image and memory."""
    topology, stats = build_case("01-kps-two-clusters")
    assert describe_pods(topology, "ip", "phase", "node") == {
        "oslo/coredns-0": ("10.1.0.9", "Failed", "w1"),
        "rome/coredns-0": ("10.1.0.5", "Running", "w1"),
    }
    pods = {pod.cluster: pod for pod in topology.pods.values()}
    assert (get_images(pods["oslo"]), get_images(pods["rome"])) == (["r/coredns:2"], ["r/coredns:1"])
    assert {cluster: pod.containers["coredns"].memory_bytes for cluster, pod in pods.items()} == {
        "oslo": 300,
        "rome": 100,
    }
    assert {node.cluster: node.cpu_cores for node in topology.nodes.values()} == {"oslo": 4, "rome": 8}
    assert not list_build_gaps(stats)


def test_hosts_of_one_name_in_two_clusters_are_two_nodes() -> None:
    """The `cluster` label is part of the identity of a host."""
    topology, stats = build_case("03-kps-same-nodename")
    assert {node.cluster: (node.name, node.architecture) for node in topology.nodes.values()} == {
        "oslo": ("master", "aarch64"),
        "rome": ("master", "x86_64"),
    }
    assert not list_build_gaps(stats)


def test_a_pod_finds_its_node_by_the_node_label() -> None:
    """The name of a node in its label counts, not the spelling of `uname -n`."""
    topology, stats = build_case("04-kps-nodename-case")
    (node,), (pod,) = topology.nodes.values(), topology.pods.values()
    assert (pod.node, node.node_label) == (node.key, "aks-pool-1-vmss00000s")
    assert not list_build_gaps(stats)


def test_exported_labels_name_the_pod() -> None:
    """Without honor_labels, the pods are those in the `exported_` labels, each with its own values."""
    topology, stats = build_case("06-kps-exported-pod")
    assert describe_pods(topology, "namespace", "ip", "phase") == {
        "default/db-0": ("shop", "10.1.0.6", "Failed"),
        "default/web-0": ("shop", "10.1.0.5", "Running"),
    }
    assert {pod.key: get_images(pod) for pod in topology.pods.values()} == {"db-0": ["r/db:1"], "web-0": ["r/web:1"]}
    assert not list_build_gaps(stats)


def test_a_moved_pod_has_only_the_values_of_the_newer_one() -> None:
    """Series of a replaced pod remain for minutes. They fill no field, and are counted."""
    topology, stats = build_case("09-statefulset-moved")
    assert describe_pods(topology, "uid", "ip", "phase", "node") == {
        "rome/db-0": ("11111111-0000-0000-0000-000000000002", "10.1.0.6", "Pending", "n2")
    }
    (pod,) = topology.pods.values()
    assert get_images(pod) == ["r/db:2"]
    assert sum(stats.conflicts.values()) == 3


ENDED_CONTAINER = (
    'container_memory_working_set_bytes{{{cluster}job="kubelet",instance="10.0.0.11:10250",container="app",'
    'namespace="shop",pod="ended",id="/kubepods/ended/app",image="app",name="x"}} 5\n'
)


@pytest.mark.parametrize(
    ("cluster", "kind"), [("", GapKind.CONFLICT), ('cluster="without-kube-state-metrics",', GapKind.UNPLACED)]
)
def test_series_of_ended_pods_are_no_missing_data(cluster: str, kind: GapKind) -> None:
    """Series of a pod that its cluster no longer lists are outdated; in a cluster without pods they have no place.

    Prometheus returns those of cAdvisor for five minutes, because it sets the times of its samples.
    """
    _, stats = build_scenario(read_scenario("shapes/01-kps-recent") + ENDED_CONTAINER.format(cluster=cluster))
    (gap,) = list_build_gaps(stats)
    assert (gap.kind, gap.subject) == (kind, "container_memory_by_cadvisor")


def test_network_shares_are_no_storage() -> None:
    """Disks are shown, with NTFS and ZFS, too; NFS and CIFS shares are not."""
    topology, _ = build_case("13-disks")
    filesystems = get_only_node(topology).filesystems
    assert {name: (each.fstype, each.size_bytes) for name, each in filesystems.items()} == {
        "/dev/mmcblk0p2": ("ext4", 3e10),
        "/dev/sda1": ("fuseblk", 2e12),
        "tank/data": ("zfs", 5e11),
    }
    assert filesystems["/dev/mmcblk0p2"].root_available_bytes == 1e10


@pytest.mark.parametrize(
    ("fstype", "is_disk"),
    [
        *((fstype, True) for fstype in ("ext4", "xfs", "btrfs", "zfs", "vfat", "exfat", "ntfs3", "fuseblk", "f2fs")),
        *((fstype, True) for fstype in ("ufs", "apfs", "hfs", "ocfs2", "gfs2")),
        *((fstype, False) for fstype in ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "glusterfs", "9p", "lustre")),
        *((fstype, False) for fstype in ("fuse.sshfs", "fuse.glusterfs", "fuse.lxcfs", "tmpfs", "overlay", "devfs")),
    ],
)
def test_which_file_systems_are_disks(fstype: str, is_disk: bool) -> None:
    """File systems on block devices are disks; those in memory, of the kernel and of other machines are not."""
    topology, _ = build_scenario(
        'node_uname_info{cluster="rome",node="edge1",nodename="edge1",machine="x86_64"} 1\n'
        f'node_filesystem_size_bytes{{cluster="rome",node="edge1",device="d",fstype="{fstype}",mountpoint="/d"}} 9\n'
    )
    assert bool(get_only_node(topology).filesystems) is is_disk


def test_an_idle_share_over_one_is_no_negative_usage() -> None:
    """CPU usage is at least 0 %, so no more cores are available than there are, in ETIM either."""
    topology, stats = build_case("15-idle-over-one")
    node = get_only_node(topology)
    assert (node.cpu_usage_percent, node.cpu_cores, node.available_cpu_cores) == (0, 4, 4)
    (etim,) = server_pb2.InfrastructureModel.FromString(render_etim(topology, 0)).nodes
    assert (etim.available_resources.milliCPU, etim.resources.milliCPU) == (4000, 4000)
    assert stats.limited == {("Node", "cpu_usage_percent", "less than 0"): 1}


def test_docker_statistics_have_the_memory_of_containers() -> None:
    """The memory usage of OpenTelemetry's Docker statistics counts where there is no working set."""
    topology, _ = build_case("16-docker-memory")
    (pod,) = topology.pods.values()
    assert pod.containers["mosquitto"].memory_bytes == 5_500_000
    assert pod.containers["mosquitto"].cpu_usage_cores == pytest.approx(0.125)


def test_the_memory_of_mig_instances_adds_up() -> None:
    """Each instance of a GPU that MIG divides has its own memory; all have the energy of the whole GPU."""
    topology, stats = build_case("19-dcgm-mig")
    node = get_only_node(topology)
    assert node.gpu_memory_bytes == 4 * 6012 * 2**20
    assert node.gpu_energy_joules == 5000
    assert not list_build_gaps(stats)
