"""Rows of the ICOS modules: telemetry agent, security, forecasting and device discovery."""

from aggregator.models.catalog.converters import (
    parse_architecture,
    parse_bool,
    parse_float,
    parse_int,
    parse_optional_text,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.promql import avg_by, group_by, last_timestamp_by, max_by, max_integer_by, parse_selector
from aggregator.models.catalog.row import (
    HOST_LABELS,
    NODE,
    NODE_IDENTITIES,
    NODE_IDENTITY_FIELDS,
    NODE_MATCHES,
    ChildKind,
    EntityKind,
    EntitySelector,
    Exporter,
    FieldMapping,
    Row,
    create_position_fields,
    match_labels,
)

TELEMETRY_AGENT = Exporter("ICOS telemetry agent")
SECURITY = Exporter("ICOS security module")
FORECASTS = Exporter("ICOS forecasting module")
DISCOVERY = Exporter("ICOS device discovery")

# In alphabetical order: the builder compares conflicting series label by label in this order, and the greatest wins, as
# in the Go service.
HOST_INFO_LABELS = (
    *("arch", "cluster", "hostname", "icos_agent_id", "icos_cluster_id", "icos_controller_id", "icos_host_id"),
    *("icos_host_name", "ip", "k8s_cluster_uid", "latitude", "longitude", "net_host_name", "node"),
)
SCAN_LABELS = ("agent_hostname", "agent_ip", "cluster", "k8s_cluster_uid")
WORKLOAD_LABELS = ("cluster", "icos_app_component", "icos_app_instance", "icos_app_name", "id", "k8s_cluster_uid")

ORCHESTRATOR = EntitySelector(
    EntityKind.ORCHESTRATOR, identities=(("k8s_cluster_uid", "icos_host_name", "agent_id", "agent_name", "type"),)
)
CLUSTER_BY_UID = EntitySelector(EntityKind.CLUSTER, (match_labels("k8s_cluster_uid=uid"),))
CLUSTER_BY_HOST = EntitySelector(
    EntityKind.CLUSTER, (match_labels("k8s_cluster_uid"), match_labels("icos_host_id"), match_labels("icos_host_name"))
)
NEW_NODE_BY_AGENT = EntitySelector(EntityKind.NODE, identities=(*NODE_IDENTITIES, ("hostname",)))
# The cluster labels of these series belong to the security module. Address and name identify the scanned host.
SCANNED_NODE = EntitySelector(
    EntityKind.NODE,
    (
        match_labels("agent_ip=net_host_name", "agent_hostname=nodename"),
        match_labels("agent_ip=ip", "agent_hostname=hostname"),
    ),
    matches_all=True,
    crosses_clusters=True,
)
DEVICE = EntitySelector(EntityKind.NODE, NODE_MATCHES, child_kind=ChildKind.DEVICE, child_label="device")
# The ID of a workload is the UID of its pod, or on a Docker host the ID of its container.
WORKLOAD = EntitySelector(
    EntityKind.POD,
    (match_labels("id=uid"), match_labels("id=container_id")),
    child_kind=ChildKind.WORKLOAD,
    child_label="icos_app_instance",
)

ROWS = (
    Row(
        "orchestrators",
        group_by("tlum_orch_info", ("agent_id", "agent_name", "icos_host_name", "k8s_cluster_uid", "type")),
        ORCHESTRATOR,
        (
            FieldMapping("type", parse_optional_text, "type"),
            FieldMapping("agent_id", parse_optional_text, "agent_id"),
            FieldMapping("agent_name", parse_optional_text, "agent_name"),
        ),
        "clusters and the type of their orchestrator",
        TELEMETRY_AGENT,
        vital=True,
    ),
    Row(
        "cluster_names",
        group_by("tlum_ocm_agent_info", ("k8s_cluster_uid", "name")),
        CLUSTER_BY_UID,
        (FieldMapping("name", parse_optional_text, "name"),),
        "name of a cluster that OCM manages",
        TELEMETRY_AGENT,
        vital=True,
    ),
    Row(
        "cluster_links",
        max_by('tlum_vnet_info{type="ClusterLink"}', HOST_LABELS),
        CLUSTER_BY_HOST,
        (FieldMapping("is_linked", parse_bool),),
        "whether ClusterLink connects a cluster to other clusters",
        TELEMETRY_AGENT,
    ),
    Row(
        "nodes_by_agent",
        last_timestamp_by("tlum_host_info", HOST_INFO_LABELS),
        NEW_NODE_BY_AGENT,
        (
            *NODE_IDENTITY_FIELDS,
            FieldMapping("name", parse_optional_text, "hostname", identifies=True),
            FieldMapping("architecture", parse_architecture, "arch"),
            *create_position_fields("latitude", "longitude"),
        ),
        "hosts, from the telemetry agent; sufficient if the uname collector of node_exporter is disabled",
        TELEMETRY_AGENT,
        vital=True,
    ),
    Row(
        "engine",
        group_by("tlum_runtime_info", (*HOST_LABELS, "type")),
        NODE,
        (FieldMapping("engine", parse_optional_text, "type"),),
        "container runtime of a host",
        TELEMETRY_AGENT,
    ),
    Row(
        "labels",
        parse_selector("tlum_host_labels"),
        NODE,
        (FieldMapping("labels", parse_optional_text, key_label="label_*"),),
        "labels that operators gave to a host",
        TELEMETRY_AGENT,
    ),
    Row(
        "sca_score",
        max_integer_by("SCA_score", SCAN_LABELS),
        SCANNED_NODE,
        (FieldMapping("sca_score", parse_int),),
        "score of the security configuration assessment of a host, in percent",
        SECURITY,
    ),
    Row(
        "vulnerabilities",
        max_integer_by("vulnerabilities", (*SCAN_LABELS, "severity")),
        SCANNED_NODE,
        (FieldMapping("vulnerabilities", parse_unsigned_int, key_label="severity"),),
        "number of known vulnerabilities of a host, by severity",
        SECURITY,
    ),
    Row(
        "cpu_max_frequency_by_agent",
        avg_by("tlum_cpu_max_freq", HOST_LABELS).multiply_by("1e6"),
        NODE,
        (FieldMapping("cpu_max_frequency_hertz", parse_unsigned_int),),
        "maximum CPU frequency, on average over all cores; the telemetry agent reports MHz",
        TELEMETRY_AGENT,
    ),
    Row(
        "cpu_frequency_by_agent",
        avg_by("tlum_cpu_freq", HOST_LABELS).multiply_by("1e6"),
        NODE,
        (FieldMapping("cpu_frequency_hertz", parse_unsigned_float),),
        "current CPU frequency, on average over all cores; the telemetry agent reports MHz",
        TELEMETRY_AGENT,
    ),
    Row(
        "cpu_usage_prediction",
        max_by("intelligence_node_cpu_utilization_prediction", HOST_LABELS),
        NODE,
        (FieldMapping("cpu_usage_predicted_percent", parse_float),),
        "predicted CPU usage",
        FORECASTS,
    ),
    Row(
        "memory_usage_prediction",
        max_by("intelligence_node_memory_utilization_prediction", HOST_LABELS),
        NODE,
        (FieldMapping("memory_usage_predicted_percent", parse_float),),
        "predicted memory usage",
        FORECASTS,
    ),
    Row(
        "devices",
        max_integer_by("node_mounted", (*HOST_LABELS, "device", "resource_path")),
        DEVICE,
        (FieldMapping("state", parse_int), FieldMapping("path", parse_optional_text, "resource_path")),
        "peripherals of a host",
        DISCOVERY,
    ),
    Row(
        "workloads",
        group_by("tlum_workload_info", WORKLOAD_LABELS),
        WORKLOAD,
        (
            FieldMapping("app", parse_optional_text, "icos_app_name"),
            FieldMapping("component", parse_optional_text, "icos_app_component"),
        ),
        "applications that a pod belongs to",
        TELEMETRY_AGENT,
    ),
)
