"""What only people know about fields: how some are derived, why others are not filled, and what exporters need.

A field is named as in the model: its class and its attribute, such as "Node.cpu_cores". `tools.field_table` reports
fields without an entry.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from aggregator.models.catalog.default_catalog import ALL_FAMILIES, TelemetryFamily

ICOS, KUBERNETES, DOCKER, ETIM = (
    TelemetryFamily.ICOS,
    TelemetryFamily.KUBERNETES,
    TelemetryFamily.DOCKER,
    TelemetryFamily.ETIM,
)


class Derivation(NamedTuple):
    """How the gateway computes a field, the fields or rows without which it cannot, and the families that have it."""

    text: str
    sources: tuple[str, ...] = ()
    families: Collection[TelemetryFamily] = ALL_FAMILIES


class Requirement(NamedTuple):
    """The oldest version of an exporter with a metric, and what enables the metric, if it is disabled by default."""

    version: str
    enable: str = ""


def _derive(text: str, *sources: str) -> tuple[Derivation, ...]:
    return (Derivation(text, sources),)


def _give_reason(reason: str, *families: TelemetryFamily) -> dict[TelemetryFamily, str]:
    return dict.fromkeys(families or ALL_FAMILIES, reason)


_POSITION = ("Node.latitude", "Node.longitude")

DERIVED_FIELDS: Mapping[str, tuple[Derivation, ...]] = {
    "Topology.version": _derive("hash of the content"),
    "Topology.controllers": _derive("those of all clusters", "Cluster.controllers"),
    "Topology.clusters": _derive("clusters that have nodes or pods"),
    "Topology.nodes": _derive("nodes of all clusters"),
    "Topology.pods": _derive("pods of all clusters", "Pod.name"),
    "Cluster.uid": (
        Derivation("`k8s_cluster_uid`, or the host name of the Nuvla agent", families=(ICOS,)),
        Derivation("label of the cluster, the source, or `CLUSTER_NAME`"),
    ),
    "Cluster.key": (
        Derivation("name of the cluster, or its ID", families=(ICOS,)),
        Derivation("its ID; for an ARN, the last part"),
    ),
    "Cluster.name": (
        Derivation("the label `cluster_name` beside `cluster_id`, or the last part of an ARN", families=(KUBERNETES,)),
    ),
    "Cluster.type": _derive("label `type` of `orchestrators`", "orchestrators"),
    "Cluster.agent_id": _derive("label `icos_agent_id`", "orchestrators"),
    "Cluster.cluster_id": _derive("label `icos_cluster_id`", "nodes_by_agent"),
    "Cluster.controllers": _derive("label `icos_controller_id`", "nodes_by_agent"),
    "Cluster.last_seen_seconds": _derive("newest of its nodes", "Node.last_seen_seconds"),
    "Node.id": _derive("ID of the cluster, and machine ID or name"),
    "Node.key": _derive("host name, else the label `node` or the machine ID; unique in the cluster"),
    "Node.cluster": _derive("cluster of its series"),
    "Node.type": _derive("type of the cluster", "Cluster.type"),
    "Node.agent_id": _derive("label `agent_id` of a Nuvla agent on the host", "orchestrators"),
    "Node.gone_since_seconds": _derive("when it was last seen, if no series describe it any longer"),
    "Node.city": _derive("nearest city to the position", *_POSITION),
    "Node.country": _derive("country of the city", *_POSITION),
    "Node.country_name": _derive("country of the city", *_POSITION),
    "Node.continent": _derive("continent of the country", *_POSITION),
    "Node.available_cpu_cores": _derive(
        "`cpu_cores` × (1 − `cpu_usage_percent` / 100)", "Node.cpu_cores", "Node.cpu_usage_percent"
    ),
    "Node.used_memory_bytes": _derive(
        "`host_memory_bytes` − `available_memory_bytes`", "Node.host_memory_bytes", "Node.available_memory_bytes"
    ),
    "Node.memory_usage_percent": _derive(
        "`used_memory_bytes` / `host_memory_bytes`", "Node.host_memory_bytes", "Node.available_memory_bytes"
    ),
    "Node.pod_count": _derive("pods on the node that have not ended", "Pod.node"),
    "Node.requested_cpu_cores": _derive("requests of those pods", "Container.cpu_request_cores"),
    "Node.requested_memory_bytes": _derive("requests of those pods", "Container.memory_request_bytes"),
    "Interface.ip": _derive("global IPv4 address, else a global IPv6 address, else any", "Interface.addresses"),
    "Interface.speed_bytes_per_second": _derive(
        "reported speed, if the driver knows it", "Interface.reported_speed_bytes_per_second"
    ),
    "Interface.is_up": _derive("reported state, if the driver has one", "Interface.is_reported_up"),
    "Address.ip": _derive("label `address`", "Interface.addresses"),
    "Address.prefix_length": _derive("label `netmask`", "Interface.addresses"),
    "Pod.id": _derive("UID, or ID of the cluster, namespace and name", "Pod.name"),
    "Pod.key": _derive("name, unique in the cluster with the namespace", "Pod.name"),
    "Pod.cluster": _derive("cluster of its series or its node", "Pod.name"),
    "Pod.node": (
        Derivation("label `node`, `host_ip` or the host of the exporter", ("Pod.name",), (ICOS, KUBERNETES)),
        Derivation("host of the exporter", ("Pod.name",), (DOCKER,)),
    ),
    "Pod.phase": (Derivation("state and exit code of the container", ("Container.state",), (DOCKER,)),),
    "Container.id": _derive("ID of the pod, and name", "Container.name"),
    "Container.cluster": _derive("that of the pod", "Container.name"),
    "Container.namespace": _derive("that of the pod", "Pod.namespace"),
    "Container.pod": _derive("name of the pod", "Container.name"),
    "Container.node": _derive("that of the pod", "Pod.node"),
}

_WITHOUT_ICOS = (KUBERNETES, DOCKER, ETIM)
_NO_ORCHESTRATOR = _give_reason("only the ICOS telemetry agent names orchestrators", *_WITHOUT_ICOS)
_NO_POSITION = _give_reason("only ICOS telemetry reports positions", *_WITHOUT_ICOS)
_NO_FORECAST = _give_reason("only the ICOS forecasting module predicts", *_WITHOUT_ICOS)
_NO_KUBERNETES = _give_reason("only Kubernetes has it", DOCKER, ETIM)
_NO_POD = _give_reason("only Kubernetes has it", DOCKER)
_NO_ENGINE = _give_reason("only the agent on a Docker host reports it", ICOS, KUBERNETES)
_NO_REGISTRY = _give_reason("only the scrape server knows which hosts report", ICOS, KUBERNETES, ETIM)
_NO_SCAN = _give_reason("only the ICOS security module scans hosts", *_WITHOUT_ICOS)

# The reasons by field or, for all fields of objects that a family does not have, by message.
MISSING_FIELDS: Mapping[str, Mapping[TelemetryFamily, str]] = {
    "Cluster.agent_id": _NO_ORCHESTRATOR,
    "Cluster.cluster_id": _give_reason("a label of ICOS telemetry", *_WITHOUT_ICOS),
    "Cluster.controllers": _give_reason("only ICOS telemetry names controllers", *_WITHOUT_ICOS),
    "Cluster.is_linked": _give_reason("only the ICOS telemetry agent reports ClusterLink", *_WITHOUT_ICOS),
    "Cluster.name": _give_reason("the ID of the cluster is its name", DOCKER, ETIM),
    "Cluster.type": _NO_ORCHESTRATOR,
    "Node.agent_id": _NO_ORCHESTRATOR,
    "Node.allocatable_cpu_cores": _NO_KUBERNETES,
    "Node.allocatable_gpus": _NO_KUBERNETES,
    "Node.allocatable_memory_bytes": _NO_KUBERNETES,
    "Node.allocatable_pods": _NO_KUBERNETES,
    "Node.annotations": _NO_KUBERNETES,
    "Node.conditions": _NO_KUBERNETES,
    "Node.cpu_usage_predicted_percent": _NO_FORECAST,
    "Node.created_seconds": _NO_KUBERNETES,
    "Node.engine": _give_reason("no exporter names the container runtime", ETIM),
    "Node.host_id": _give_reason("only ICOS telemetry has machine IDs", *_WITHOUT_ICOS),
    "Node.internal_ip": _give_reason("`interfaces` has the addresses", DOCKER, ETIM),
    "Node.is_reporting": _NO_REGISTRY,
    "Node.is_unschedulable": _NO_KUBERNETES,
    "Node.kubelet_version": _NO_KUBERNETES,
    "Node.labels": _give_reason("no exporter reports labels of hosts", DOCKER, ETIM),
    "Node.latitude": _NO_POSITION,
    "Node.longitude": _NO_POSITION,
    "Node.memory_usage_predicted_percent": _NO_FORECAST,
    "Node.os_image": _give_reason("`operating_system` has it", DOCKER, ETIM),
    "Node.pod_capacity": _NO_KUBERNETES,
    "Node.provider_id": _NO_KUBERNETES,
    "Node.reported_latitude": _NO_POSITION,
    "Node.reported_longitude": _NO_POSITION,
    "Node.sca_score": _NO_SCAN,
    "Node.system_uuid": _give_reason("no query reads it from the hardware", ETIM),
    "Node.vulnerabilities": _NO_SCAN,
    "Taint": _NO_KUBERNETES,
    "Device": _give_reason("only ICOS device discovery finds peripherals", *_WITHOUT_ICOS),
    "Pod": _give_reason("plain hosts have no containers", ETIM),
    "Pod.annotations": _NO_POD,
    "Pod.controller_kind": _NO_POD,
    "Pod.controller_name": _NO_POD,
    "Pod.created_seconds": _NO_POD,
    "Pod.host_ip": _give_reason("`interfaces` of the node has the addresses", DOCKER),
    "Pod.ip": _give_reason("no exporter reports addresses of containers", DOCKER),
    "Pod.is_ready": _NO_POD,
    "Pod.labels": _give_reason("no query reads labels of containers", DOCKER),
    "Pod.namespace": _NO_POD,
    "Pod.owner_kind": _NO_POD,
    "Pod.owner_name": _NO_POD,
    "Pod.priority_class": _NO_POD,
    "Pod.qos_class": _NO_POD,
    "Pod.reason": _NO_POD,
    "Pod.services": _NO_POD,
    "Pod.start_seconds": _NO_POD,
    "Pod.uses_host_network": _give_reason("no exporter reports networks of containers", DOCKER),
    "Pod.volumes": _NO_POD,
    "Container": _give_reason("plain hosts have no containers", ETIM),
    "Container.container_id": _give_reason("`Pod.id` is the ID of the container", DOCKER),
    "Container.cpu_request_cores": _NO_POD,
    "Container.exit_code": _NO_ENGINE,
    "Container.health": _NO_ENGINE,
    "Container.image_digest": _give_reason("no exporter reports digests of images", DOCKER),
    "Container.is_init": _NO_POD,
    "Container.is_ready": _NO_POD,
    "Container.last_termination_reason": _give_reason("`oom_kill_count` and `exit_code` have it", DOCKER),
    "Container.memory_request_bytes": _NO_POD,
    "Container.oom_kill_count": _NO_ENGINE,
    "Container.restart_policy": _NO_POD,
    "Workload": _give_reason("only the ICOS telemetry agent names applications", *_WITHOUT_ICOS),
}

# The reasons why a field of a layout of the Go service shows no field of the model.
_EMPTY_OBJECT = "always `{}`: no telemetry reports it"
_EMPTY_OBJECTS = dict.fromkeys(
    (
        "cluster.*.serviceLevelAgreement",
        "cluster.*.API",
        "controller.*.location",
        "controller.*.serviceLevelAgreement",
        "controller.*.API",
    ),
    _EMPTY_OBJECT,
)
LAYOUT_NOTES: Mapping[str, Mapping[str, str]] = {
    "1.2.5": _EMPTY_OBJECTS,
    "2025": _EMPTY_OBJECTS,
    "ETIM": {"nodes[].node_type": "always `COMPUTE`"},
}

# The oldest version of each exporter whose metrics have the names that the catalog reads; "" if no older one is known
# to have others.
EXPORTERS: Mapping[str, str] = {
    "Prometheus itself": "",
    "kube-state-metrics": "2.0",
    "Kubernetes cluster receiver (OpenTelemetry)": "",
    "kubelet statistics (OpenTelemetry)": "",
    "cAdvisor": "",
    "host metrics (OpenTelemetry)": "",
    "node_exporter": "0.16",
    "Scaphandre": "",
    "Kepler": "0.10",
    "NVIDIA DCGM exporter": "2.0",
    "AMD device metrics exporter": "",
    "Intel XPU Manager": "1.2",
    "all-smi": "0.21",
    "ICOS telemetry agent": "",
    "ICOS security module": "",
    "ICOS forecasting module": "",
    "ICOS device discovery": "",
    "Docker statistics (OpenTelemetry)": "0.79",
    "aggregator agent": "",
    "aggregator scrape server": "",
}

# What is newer than the oldest version of the exporter or off by default, by row, or by exporter with its component.
REQUIREMENTS: Mapping[str, Requirement] = {
    # The kubelet names the labels `pod` and `container` since this version.
    "cAdvisor": Requirement("kubelet 1.16"),
    "cAdvisor, on a host": Requirement(""),
    "kube-state-metrics, on nodes with the NVIDIA device plugin": Requirement("2.0", "the NVIDIA device plugin"),
    "kube-state-metrics, on nodes with a device plugin for GPUs": Requirement("2.0", "a device plugin for GPUs"),
    "kube-state-metrics, --metric-labels-allowlist": Requirement(
        "2.1", "`--metric-labels-allowlist=nodes=[*],pods=[*]`"
    ),
    "kube-state-metrics, --metric-annotations-allowlist": Requirement(
        "2.2", "`--metric-annotations-allowlist=nodes=[*],pods=[*]`"
    ),
    "pod_qos_class": Requirement("2.8"),
    "pod_services": Requirement("", "`endpointslices` in `--resources`, the default since 2.18"),
    "pod_services_by_address": Requirement("2.6", "`endpoints` in `--resources`, the default before 2.18"),
    "container_cpu_renamed": Requirement("0.110"),
    "node_cpu_usage_by_receiver": Requirement(
        "", "`allocatable_types_to_report: [cpu]` of the Kubernetes cluster receiver"
    ),
    "host metrics (OpenTelemetry)": Requirement("", "the resource attribute `k8s.node.name`"),
    "node_exporter, collector cpu with --collector.cpu.info": Requirement("1.0", "`--collector.cpu.info`"),
    "node_exporter, collector cpufreq": Requirement("0.18"),
    "node_exporter, collector netclass": Requirement("0.18"),
    "node_exporter, collector netdev with --collector.netdev.address-info": Requirement(
        "1.3", "`--collector.netdev.address-info`"
    ),
    "node_exporter, collector os": Requirement("1.3"),
    "node_exporter, collector thermal": Requirement("1.3"),
    "gpu_max_frequency": Requirement("2.0", "`DCGM_FI_DEV_MAX_SM_CLOCK` in the file of counters"),
    "gpu_engine_activity": Requirement("2.0", "`DCGM_FI_PROF_GR_ENGINE_ACTIVE` in the file of counters"),
    "Scaphandre, through OpenTelemetry": Requirement("", "an OpenTelemetry Collector that scrapes Scaphandre"),
}

# The collectors of node_exporter that are enabled by default.
DEFAULT_COLLECTORS = frozenset(
    (
        *("arp", "bcache", "bonding", "boottime", "btrfs", "conntrack", "cpu", "cpufreq", "diskstats", "dmi", "edac"),
        *("entropy", "exec", "fibrechannel", "filefd", "filesystem", "hwmon", "infiniband", "ipvs", "loadavg", "mdadm"),
        *("meminfo", "netclass", "netdev", "netisr", "netstat", "nfs", "nfsd", "nvme", "os", "powersupplyclass"),
        *("pressure", "rapl", "schedstat", "selinux", "sockstat", "softnet", "stat", "tapestats", "textfile"),
        *("thermal", "thermal_zone", "time", "timex", "udp_queues", "uname", "vmstat", "watchdog", "xfs", "zfs"),
    )
)
