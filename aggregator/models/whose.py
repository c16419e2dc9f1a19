"""Whose a sample is: the label sets by which telemetry names hosts, clusters, pods and their parts."""

from aggregator.models.row import Owner, Part, Whose, match

# Labels that queries keep. A host is named by its machine id, its ICOS name, or plain `cluster`/`node` labels.
HOST = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node")
AGENT_HOST = ("icos_agent_id", *HOST)
# Replicas of a Prometheus show each device twice; within these labels the largest is taken before devices are added up.
EACH_GPU = (*AGENT_HOST, "gpu", "UUID")
POD_LABELS = ("k8s_cluster_uid", "namespace", "pod")
# The kubelet's uid of a static pod is not the one that Kubernetes lists it under: pods are found by name.
KUBELET_LABELS = ("k8s_cluster_uid", "k8s_namespace_name", "k8s_pod_name", "k8s_container_name")
CADVISOR_LABELS = (*POD_LABELS, "container")
DOCKER_LABELS = ("icos_host_id", "icos_host_name", "container_id", "container_name")

SYSTEM = Whose(Owner.SYSTEM, makes=((),))

ORCHESTRATOR = Whose(Owner.ORCHESTRATOR, makes=(("k8s_cluster_uid", "icos_host_name", "agent_name", "type"),))
CLUSTER_BY_UID = Whose(Owner.CLUSTER, (match("k8s_cluster_uid=uid"),))
CLUSTER_OF_HOST = Whose(Owner.CLUSTER, (match("k8s_cluster_uid"), match("icos_host_id"), match("icos_host_name")))

_FIND_NODE = (
    match("k8s_cluster_uid", "icos_host_id"),
    match("icos_host_id"),
    match("k8s_cluster_uid", "icos_host_name"),
    match("icos_host_name"),
    match("cluster", "node"),
)
_MAKE_NODE = (("k8s_cluster_uid", "icos_host_id"), ("k8s_cluster_uid", "icos_host_name"), ("cluster", "node"))
NODE = Whose(Owner.NODE, _FIND_NODE)
NEW_NODE_BY_UNAME = Whose(Owner.NODE, makes=(*_MAKE_NODE, ("k8s_cluster_uid", "nodename")))
NEW_NODE_BY_AGENT = Whose(Owner.NODE, makes=(*_MAKE_NODE, ("k8s_cluster_uid", "hostname")))
# kube-state-metrics and Scaphandre know no machine id; their series carry the agent and the ICOS host name.
NODE_BY_AGENT = Whose(
    Owner.NODE,
    (
        match("k8s_cluster_uid", "icos_agent_id", "icos_host_name"),
        match("icos_agent_id", "icos_host_name"),
        *_FIND_NODE,
    ),
)
# The security module's own labels are its exporter's: these two name the host that it looked at.
SCANNED_NODE = Whose(
    Owner.NODE,
    (match("agent_ip=net_host_name", "agent_hostname=nodename"), match("agent_ip=ip", "agent_hostname=hostname")),
    every=True,
)
INTERFACE = Whose(Owner.NODE, _FIND_NODE, part=Part.INTERFACE, part_label="device")
DEVICE = Whose(Owner.NODE, _FIND_NODE, part=Part.DEVICE, part_label="device")
FILESYSTEM = Whose(Owner.NODE, _FIND_NODE, part=Part.FILESYSTEM, part_label="device")

# No owner has this label: its value is empty, as is that of the label that a series lacks.
NO_LABEL = "nothing"

_FIND_POD = (
    match("k8s_cluster_uid", "namespace", "pod"),
    match("k8s_cluster_uid", "pod"),
    match(f"k8s_cluster_uid={NO_LABEL}", "namespace", "pod"),
)
NEW_POD = Whose(Owner.POD, makes=(("k8s_cluster_uid", "namespace", "pod"),))
POD = Whose(Owner.POD, _FIND_POD)
# A workload's id is its pod's uid, or on a Docker host its container's id.
WORKLOAD = Whose(
    Owner.POD, (match("id=uid"), match("id=container_id")), part=Part.WORKLOAD, part_label="icos_app_instance"
)
CONTAINER = Whose(Owner.POD, _FIND_POD, part=Part.CONTAINER, part_label="container")
# The kubelet's statistics through OpenTelemetry, and the same by cAdvisor under plain labels.
KUBELET_CONTAINER = Whose(
    Owner.POD,
    (
        match("k8s_cluster_uid", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
        match("k8s_cluster_uid", "k8s_pod_name=pod"),
        match(f"k8s_cluster_uid={NO_LABEL}", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
    ),
    part=Part.CONTAINER,
    part_label="k8s_container_name",
    known_parts_only=True,
)
CADVISOR_CONTAINER = Whose(
    Owner.POD,
    _FIND_POD,
    part=Part.CONTAINER,
    part_label="container",
    known_parts_only=True,
)
# A Docker host's container has no pod around it: it is made one of its own.
NEW_DOCKER_POD = Whose(Owner.POD, makes=(DOCKER_LABELS,))
DOCKER_CONTAINER = Whose(Owner.POD, (match(*DOCKER_LABELS),), part=Part.CONTAINER, part_label="container_name")
