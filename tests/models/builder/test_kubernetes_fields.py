"""The fields that kube-state-metrics and the kubelet fill, from what they expose."""

import pytest

from aggregator.models.topology import Container, Node, Pod, Taint, Topology
from aggregator.refresh.snapshot import list_build_gaps
from aggregator.views.legacy_1_2_5 import render_legacy
from aggregator.views.legacy_2025 import render_legacy_2025
from tests.support.scenarios import SCENARIO_DIR, build_scenario, read_scenario

NODE = """
kube_node_info{node="n1"} 1
kube_node_info{node="n2"} 1
"""


def read_exporter(name: str) -> str:
    """Return what an exporter exposed."""
    return (SCENARIO_DIR / "exporters" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def real_cluster() -> Topology:
    """The topology of one real kube-state-metrics."""
    topology, stats = build_scenario(read_exporter("kube-state-metrics-2.18"))
    assert not list_build_gaps(stats)
    return topology


def get_node(text: str, name: str = "n1") -> Node:
    """Build the topology of two nodes and other series, and return one node."""
    topology, _ = build_scenario(NODE + text)
    return topology.nodes["default", name]


def get_pod(text: str) -> Pod:
    """Build the topology of a pod with one series for each line, to which the labels of the pod are added."""
    series = "".join(line.replace("{", '{namespace="demo",pod="p",uid="u",', 1) + "\n" for line in text.split("\n"))
    topology, _ = build_scenario(NODE + series)
    return topology.pods["default", "p"]


def get_container(text: str) -> Container:
    """Build the topology of a pod, and return its container `c`."""
    return get_pod('kube_pod_info{node="n1"} 1\n' + text).containers["c"]


def test_what_a_node_can_give(real_cluster: Topology) -> None:
    """Allocatable resources and the capacity for pods are those of kube-state-metrics."""
    node = real_cluster.nodes["default", "localhost"]
    assert (node.allocatable_cpu_cores, node.allocatable_memory_bytes) == (2.0, 25171644416)
    assert (node.allocatable_pods, node.pod_capacity, node.allocatable_gpus) == (110, 110, None)


def test_what_the_pods_of_a_node_request(real_cluster: Topology) -> None:
    """The sums cover the containers of all pods of the node that are not finished; the pod without memory is one."""
    node = real_cluster.nodes["default", "localhost"]
    assert (node.requested_cpu_cores, node.requested_memory_bytes, node.pod_count) == (0.04, 2 * 33554432 + 41943040, 3)


def test_what_a_node_runs(real_cluster: Topology) -> None:
    """Versions, address and IDs come from kube_node_info; an ID that is empty is unknown."""
    node = real_cluster.nodes["default", "localhost"]
    assert (node.kubelet_version, node.kernel_version) == ("v1.35.4", "6.1.0-25-amd64")
    assert (node.os_image, node.engine) == ("Debian GNU/Linux 12 (bookworm)", "containerd")
    assert (node.internal_ip, node.provider_id) == ("192.0.2.2", None)
    assert (node.system_uuid, node.created_seconds) == ("00000000000040008000000000000001", 1795221656.0)


def test_the_conditions_of_a_node(real_cluster: Topology) -> None:
    """Each condition has the status whose series is 1."""
    node = real_cluster.nodes["default", "localhost"]
    assert node.conditions == {
        "Ready": "true",
        "MemoryPressure": "false",
        "DiskPressure": "false",
        "PIDPressure": "false",
    }
    assert node.is_unschedulable is False


def test_icos_telemetry_has_versions() -> None:
    """A host that the ICOS labels identify gets the versions of kube_node_info, too."""
    labels = 'k8s_cluster_uid="u",icos_agent_id="a",icos_host_name="u:n1"'
    topology, _ = build_scenario(
        f'tlum_orch_info{{k8s_cluster_uid="u",type="ocm",agent_id="a",agent_name="edge"}} 1\n'
        f'tlum_host_info{{{labels},icos_host_id="h",hostname="n1",node="n1"}} 1\n'
        f'tlum_runtime_info{{{labels},icos_host_id="h",type="docker"}} 1\n'
        f'kube_node_info{{{labels},node="n1",kubelet_version="v1",container_runtime_version="containerd://1.7"}} 1\n'
    )
    (node,) = topology.nodes.values()
    assert (node.kubelet_version, node.engine) == ("v1", "docker")


def test_one_taint_key_with_two_effects() -> None:
    """Taints of one key are told apart by their effects."""
    node = get_node(
        'kube_node_spec_taint{node="n1",key="gpu",value="a100",effect="NoSchedule"} 1\n'
        'kube_node_spec_taint{node="n1",key="gpu",value="a100",effect="NoExecute"} 1\n'
        'kube_node_spec_taint{node="n1",key="node.kubernetes.io/unschedulable",value="",effect="NoSchedule"} 1\n'
        'kube_node_spec_unschedulable{node="n1"} 1\n'
    )
    assert node.taints == {
        "gpu/NoExecute": Taint("gpu/NoExecute", "gpu", "a100", "NoExecute"),
        "gpu/NoSchedule": Taint("gpu/NoSchedule", "gpu", "a100", "NoSchedule"),
        "node.kubernetes.io/unschedulable/NoSchedule": Taint(
            "node.kubernetes.io/unschedulable/NoSchedule", "node.kubernetes.io/unschedulable", None, "NoSchedule"
        ),
    }
    assert node.is_unschedulable is True


def test_gpus_of_all_vendors_are_summed() -> None:
    """The number of GPUs is the sum over the resources of the vendors."""
    node = get_node(
        'kube_node_status_allocatable{node="n1",resource="nvidia_com_gpu",unit="integer"} 2\n'
        'kube_node_status_allocatable{node="n1",resource="gpu_intel_com_i915",unit="integer"} 1\n'
        'kube_node_status_allocatable{node="n1",resource="example_com_fpga",unit="integer"} 4\n'
    )
    assert node.allocatable_gpus == 3


def test_labels_and_annotations_of_a_node() -> None:
    """Labels and annotations that kube-state-metrics may show are those of the node."""
    node = get_node(
        'kube_node_labels{node="n1",label_topology_kubernetes_io_zone="a",label_gpu=""} 1\n'
        'kube_node_annotations{node="n1",annotation_owner="ops"} 1\n'
    )
    assert node.labels == {"topology_kubernetes_io_zone": "a", "gpu": ""}
    assert node.annotations == {"owner": "ops"}


def test_the_life_of_a_pod(real_cluster: Topology) -> None:
    """Owner, times, readiness, addresses and classes of a pod come from kube-state-metrics."""
    pod = real_cluster.pods["default", "app-8d6f99848-8mzdk"]
    assert (pod.owner_kind, pod.owner_name) == ("ReplicaSet", "app-8d6f99848")
    assert (pod.created_seconds, pod.start_seconds) == (1795221657.0, 1795221657.0)
    assert (pod.is_ready, pod.qos_class, pod.uses_host_network) == (True, "Burstable", False)
    assert (pod.host_ip, pod.priority_class, pod.reason) == ("192.0.2.2", None, None)


def test_the_controller_behind_the_owner_of_a_pod(real_cluster: Topology) -> None:
    """A pod of a ReplicaSet is controlled by the Deployment behind it, and one without an owner by nothing."""
    pod = real_cluster.pods["default", "app-8d6f99848-8mzdk"]
    assert (pod.controller_kind, pod.controller_name) == ("Deployment", "app")
    assert real_cluster.pods["default", "oom"].controller_kind is None


JOB_POD = 'kube_pod_info{node="n1",created_by_kind="Job",created_by_name="backup-1"} 1'


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ('kube_job_owner{namespace="demo",job_name="backup-1",owner_kind="CronJob",owner_name="backup"', "CronJob"),
        ('kube_job_owner{namespace="other",job_name="backup-1",owner_kind="CronJob",owner_name="backup"', "Job"),
        ('kube_replicaset_owner{namespace="demo",replicaset="backup-1",owner_kind="Deployment",owner_name="x"', "Job"),
    ],
)
def test_the_controller_behind_a_job(owner: str, expected: str) -> None:
    """A pod of a Job is controlled by the CronJob behind it, otherwise by the Job itself."""
    topology, stats = build_scenario(
        NODE
        + JOB_POD.replace("{", '{namespace="demo",pod="p",uid="u",')
        + f'\n{owner},owner_is_controller="true"}} 1\n'
    )
    assert topology.pods["default", "p"].controller_kind == expected
    assert not stats.unplaced


def test_controllers_of_two_clusters() -> None:
    """A ReplicaSet is that of its own cluster, even if another cluster has one of the same name."""
    topology, _ = build_scenario(
        "".join(
            f'kube_node_info{{cluster="{cluster}",node="n"}} 1\n'
            f'kube_pod_info{{cluster="{cluster}",namespace="a",pod="p",uid="{cluster}",node="n",'
            f'created_by_kind="ReplicaSet",created_by_name="r"}} 1\n'
            f'kube_replicaset_owner{{cluster="{cluster}",namespace="a",replicaset="r",owner_kind="Deployment",'
            f'owner_name="in-{cluster}",owner_is_controller="true"}} 1\n'
            for cluster in ("east", "west")
        )
    )
    assert {cluster: pod.controller_name for (cluster, _), pod in topology.pods.items()} == {
        "east": "in-east",
        "west": "in-west",
    }


def test_services_from_endpoint_slices(real_cluster: Topology) -> None:
    """A pod has the services whose endpoint slices refer to it, without the random end of their names."""
    assert real_cluster.pods["default", "app-8d6f99848-8mzdk"].services == {"app": True}
    assert real_cluster.pods["default", "oom"].services == {}


def test_services_from_endpoints() -> None:
    """A pod has the services whose endpoints have its address; other addresses do not make the topology incomplete."""
    endpoint = 'kube_endpoint_address{namespace="demo",port_name="http",'
    topology, stats = build_scenario(
        NODE
        + 'kube_pod_info{namespace="demo",pod="p",uid="u",node="n1",pod_ip="10.0.0.1"} 1\n'
        + f'{endpoint}endpoint="web",ip="10.0.0.1",ready="true"}} 1\n'
        + f'{endpoint}endpoint="admin-admin",ip="10.0.0.1",ready="false"}} 1\n'
        + f'{endpoint}endpoint="database",ip="192.0.2.1",ready="true"}} 1\n'
        + 'kube_endpoint_address{namespace="other",endpoint="web",ip="10.0.0.1",ready="true"} 1\n'
    )
    assert topology.pods["default", "p"].services == {"admin-admin": False, "web": True}
    assert not stats.unplaced


def test_a_pod_without_an_owner(real_cluster: Topology) -> None:
    """A pod that nothing controls has no owner, and the text "<none>" of older versions means the same."""
    assert real_cluster.pods["default", "oom"].owner_kind is None
    pod = get_pod('kube_pod_info{node="n1",created_by_kind="<none>",created_by_name="<none>"} 1')
    assert (pod.owner_kind, pod.owner_name) == (None, None)


def test_a_pod_that_was_evicted() -> None:
    """The reason of a pod is the one whose series is 1."""
    pod = get_pod(
        'kube_pod_info{node="n1",priority_class="low"} 1\n'
        'kube_pod_status_phase{phase="Failed"} 1\n'
        'kube_pod_status_reason{reason="Evicted"} 1\n'
        'kube_pod_status_reason{reason="NodeLost"} 0'
    )
    assert (pod.phase, pod.reason, pod.priority_class) == ("Failed", "Evicted", "low")


def test_volumes_labels_and_annotations_of_a_pod() -> None:
    """Volumes lead to their claims; labels and annotations are sorted."""
    pod = get_pod(
        'kube_pod_info{node="n1"} 1\n'
        'kube_pod_spec_volumes_persistentvolumeclaims_info{volume="data",persistentvolumeclaim="data-p"} 1\n'
        'kube_pod_labels{label_tier="web",label_app="shop"} 1\n'
        'kube_pod_annotations{annotation_team="blue"} 1'
    )
    assert pod.volumes == {"data": "data-p"}
    assert list(pod.labels.items()) == [("app", "shop"), ("tier", "web")]
    assert pod.annotations == {"team": "blue"}


def test_labels_of_a_replaced_pod() -> None:
    """A pod does not get the labels of a pod of the same name that it has replaced."""
    pod = get_pod('kube_pod_info{node="n1"} 1')
    topology, _ = build_scenario(
        NODE
        + 'kube_pod_info{namespace="demo",pod="p",uid="old",node="n1"} 1 @-100s\n'
        + 'kube_pod_info{namespace="demo",pod="p",uid="u",node="n1"} 1\n'
        + 'kube_pod_labels{namespace="demo",pod="p",uid="old",label_version="1"} 1\n'
        + 'kube_pod_labels{namespace="demo",pod="p",uid="u",label_version="2"} 1\n'
    )
    assert topology.pods["default", "p"].id == pod.id == "u"
    assert topology.pods["default", "p"].labels == {"version": "2"}


def test_the_traffic_of_a_pod() -> None:
    """The rates of all interfaces of a pod are summed, without the loopback interface."""
    own = 'namespace="demo",pod="p",container="",id="/kubepods/x"'
    topology, _ = build_scenario(
        NODE
        + 'kube_pod_info{namespace="demo",pod="p",uid="u",node="n1"} 1\n'
        + "".join(
            f'container_network_{direction}_bytes_total{{{own},interface="{interface}"}} /15s*{rate}\n'
            for direction, rate in (("receive", 100), ("transmit", 10))
            for interface in ("eth0", "net1", "lo")
        )
    )
    pod = topology.pods["default", "p"]
    assert (pod.receive_bytes_per_second, pod.transmit_bytes_per_second) == (200.0, 20.0)


def test_a_container_that_was_killed(real_cluster: Topology) -> None:
    """State, reason, restarts, IDs, requests and limits of a container are those of kube-state-metrics."""
    container = real_cluster.pods["default", "oom"].containers["oom"]
    assert (container.state, container.reason) == ("terminated", "OOMKilled")
    assert (container.last_termination_reason, container.restart_count) == ("OOMKilled", 1)
    assert (container.is_ready, container.is_init, container.start_seconds) == (False, None, 1795221677.0)
    assert container.image_digest == "sha256:64da53d3c6ad7045dab75b658f779a7cd4d5c95fe74c212717d4c749dffdb164"
    assert container.container_id == "380825285981760057fe2ef2a053c5621bc4c2a473c542bb53e4575e0c4e74d8"
    assert (container.memory_request_bytes, container.memory_limit_bytes) == (41943040, 41943040)
    assert (container.cpu_request_cores, container.cpu_limit_cores) == (None, None)
    running = real_cluster.pods["default", "app-8d6f99848-8mzdk"].containers["app"]
    assert (running.state, running.reason, running.cpu_request_cores, running.cpu_limit_cores) == (
        *("running", None),
        *(0.02, 0.2),
    )


def test_a_container_that_crashes_again_and_again() -> None:
    """A container that waits for its next start says why; kube-state-metrics 1.9 has a series for each reason."""
    container = get_container(
        'kube_pod_container_info{container="c",image_id="docker-pullable://i@sha256:0f",container_id="docker://1"} 1\n'
        'kube_pod_container_status_waiting{container="c"} 1\n'
        'kube_pod_container_status_running{container="c"} 0\n'
        'kube_pod_container_status_waiting_reason{container="c",reason="ContainerCreating"} 0\n'
        'kube_pod_container_status_waiting_reason{container="c",reason="CrashLoopBackOff"} 1\n'
        'kube_pod_container_status_last_terminated_reason{container="c",reason="Error"} 1'
    )
    assert (container.state, container.reason) == ("waiting", "CrashLoopBackOff")
    assert (container.last_termination_reason, container.image_digest) == ("Error", "sha256:0f")
    assert container.container_id == "1"


def test_an_init_container() -> None:
    """An init container is marked, and has the fields of other containers."""
    container = get_container(
        'kube_pod_init_container_info{container="c",image="i",restart_policy="Always"} 1\n'
        'kube_pod_init_container_status_waiting{container="c"} 1\n'
        'kube_pod_init_container_status_waiting_reason{container="c",reason="ImagePullBackOff"} 1\n'
        'kube_pod_init_container_status_restarts_total{container="c"} 4\n'
        'kube_pod_init_container_resource_limits{container="c",node="n1",resource="cpu",unit="core"} 0.5'
    )
    assert (container.is_init, container.restart_policy, container.image) == (True, "Always", "i")
    assert (container.state, container.reason, container.restart_count) == ("waiting", "ImagePullBackOff", 4)
    assert container.cpu_limit_cores == 0.5


def request(pod: str, container: str, memory: int, prefix: str = "kube_pod_container", node: str = "n1") -> str:
    """Return the series of a container that requests memory."""
    own = f'namespace="demo",pod="{pod}",uid="{pod}",container="{container}"'
    return (
        f'{prefix}_info{{{own},restart_policy="{"Always" if container == "sidecar" else ""}"}} 1\n'
        f'{prefix}_resource_requests{{{own},node="{node}",resource="memory",unit="byte"}} {memory}\n'
    )


def describe_pod(pod: str, phase: str, node: str = "n1") -> str:
    """Return the series of a pod without containers."""
    own = f'namespace="demo",pod="{pod}",uid="{pod}"'
    return f'kube_pod_info{{{own},node="{node}"}} 1\nkube_pod_status_phase{{{own},phase="{phase}"}} 1\n'


def test_finished_pods_request_nothing() -> None:
    """Pods that are Succeeded or Failed do not count; a node without other pods has 0."""
    text = (
        describe_pod("done", "Succeeded")
        + request("done", "c", 100)
        + describe_pod("failed", "Failed")
        + request("failed", "c", 100)
        + describe_pod("waits", "Pending", node="")
    )
    for name in ("n1", "n2"):
        node = get_node(text, name)
        assert (node.pod_count, node.requested_memory_bytes, node.requested_cpu_cores) == (0, 0, 0.0)


@pytest.mark.parametrize(("init_bytes", "expected"), [(50, 130), (500, 530)])
def test_init_containers_request_before_the_others(init_bytes: int, expected: int) -> None:
    """A pod requests the larger of its init containers and its other containers, plus its sidecars."""
    init = "kube_pod_init_container"
    node = get_node(
        describe_pod("p", "Running")
        + request("p", "a", 60)
        + request("p", "b", 40)
        + request("p", "setup", init_bytes, init)
        + request("p", "check", 20, init)
        + request("p", "sidecar", 30, init)
    )
    assert (node.requested_memory_bytes, node.pod_count) == (expected, 1)


def test_without_requests_only_the_pods_are_counted() -> None:
    """Without any request in the cluster, the sums are unknown; without pods, the number is unknown, too."""
    node = get_node(describe_pod("p", "Running"))
    assert (node.pod_count, node.requested_memory_bytes, node.requested_cpu_cores) == (1, None, None)
    assert get_node("").pod_count is None


def test_init_containers_are_not_in_the_formats_of_the_go_service() -> None:
    """The Go service does not read init containers, so its layouts do not contain them."""
    topology, _ = build_scenario(
        NODE + describe_pod("p", "Running") + request("p", "a", 60) + request("p", "b", 40, "kube_pod_init_container")
    )
    for render in (render_legacy, render_legacy_2025):
        text = render(topology, 0.0).decode()
        assert '"a"' in text
        assert '"b"' not in text


@pytest.mark.parametrize("shape", ["15-otel-suffixes", "16-otel-plain-names"])
def test_opentelemetry_receivers_fill_the_same_fields(shape: str) -> None:
    """Allocatable resources, conditions, requests and restarts do not depend on the suffixes of metric names."""
    topology, stats = build_scenario(read_scenario(f"shapes/{shape}"))
    node = topology.nodes["prod-otel", "k8s-node-1"]
    assert (node.allocatable_cpu_cores, node.allocatable_memory_bytes) == (1.9, 16642998272)
    assert node.conditions == {"Ready": "true"}
    assert (node.pod_count, node.requested_cpu_cores, node.requested_memory_bytes) == (2, 0.4, 268435456)
    assert not list_build_gaps(stats)


def test_the_traffic_of_a_pod_from_the_kubelet_statistics() -> None:
    """The rates of OpenTelemetry are summed over the interfaces of a pod, except for the loopback interface."""
    pod = 'k8s_cluster_name="o",k8s_node_name="n1",k8s_namespace_name="demo",k8s_pod_name="p"'
    topology, _ = build_scenario(
        'k8s_node_condition_ready{k8s_cluster_name="o",k8s_node_name="n1"} -1\n'
        f'k8s_pod_phase{{{pod},k8s_pod_uid="u"}} 2\n'
        + "".join(
            f'k8s_pod_network_io_bytes_total{{{pod},interface="{interface}",direction="{direction}"}} /15s*{rate}\n'
            for direction, rate in (("receive", 100), ("transmit", 10))
            for interface in ("eth0", "net1", "lo")
        )
    )
    assert topology.nodes["o", "n1"].conditions == {"Ready": "unknown"}
    traffic = topology.pods["o", "p"]
    assert (traffic.receive_bytes_per_second, traffic.transmit_bytes_per_second) == (200.0, 20.0)
