"""Rows of Kubernetes telemetry: kube-state-metrics, kubelet statistics through OpenTelemetry, and cAdvisor."""

from dataclasses import replace

from aggregator.models.catalog.converters import (
    parse_bool_text,
    parse_digest,
    parse_float,
    parse_optional_text,
    parse_owner,
    parse_pod_phase,
    parse_text,
    parse_unsigned_float,
    parse_unsigned_int,
    remove_scheme,
)
from aggregator.models.catalog.promql import (
    equal_to,
    first_of,
    group_by,
    last_timestamp_by,
    max_by,
    max_integer_by,
    parse_selector,
    quotient,
    rate_per_second,
    total,
)
from aggregator.models.catalog.row import (
    AGENT_HOST_LABELS,
    CONTAINER,
    LAST_SEEN,
    NEW_POD,
    NODE_BY_AGENT,
    PLAIN_NODE,
    PLAIN_NODE_FIELDS,
    POD,
    POD_LABELS,
    POD_MATCHES,
    ChildKind,
    EntityKind,
    EntitySelector,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
    match_labels,
)

KUBE_STATE_METRICS = Exporter("kube-state-metrics", kind=ExporterKind.CLUSTER)
DEVICE_PLUGIN = Exporter(KUBE_STATE_METRICS.name, "on nodes with the NVIDIA device plugin", ExporterKind.CLUSTER)
KUBELET = Exporter("kubelet statistics (OpenTelemetry)", kind=ExporterKind.OPENTELEMETRY)
CLUSTER_RECEIVER = Exporter("Kubernetes cluster receiver (OpenTelemetry)", kind=ExporterKind.OPENTELEMETRY)
CADVISOR = Exporter("cAdvisor", kind=ExporterKind.CLUSTER, keeps_ended=True)

NODE_BY_LABEL = EntitySelector(EntityKind.NODE, (match_labels("cluster", "node"),))
POD_BY_NAME = EntitySelector(EntityKind.POD, (match_labels("namespace", "pod"),))
CONTAINER_BY_NAME = EntitySelector(
    EntityKind.POD, POD_BY_NAME.matches, child_kind=ChildKind.CONTAINER, child_label="container"
)

KUBELET_MATCHERS = '{k8s_container_name!=""}'
KUBELET_LABELS = ("cluster", "k8s_cluster_uid", "k8s_namespace_name", "k8s_pod_name", "k8s_container_name")
CADVISOR_MATCHERS = '{container!="",container!="POD"}'
CADVISOR_LABELS = (*POD_LABELS, "container")

# Pods are matched by name: the kubelet reports another UID for a static pod than Kubernetes does.
KUBELET_CONTAINER = EntitySelector(
    EntityKind.POD,
    (
        match_labels("k8s_cluster_uid", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
        match_labels("k8s_cluster_uid", "k8s_pod_name=pod"),
        match_labels("k8s_namespace_name=namespace", "k8s_pod_name=pod"),
    ),
    child_kind=ChildKind.CONTAINER,
    child_label="k8s_container_name",
    known_children_only=True,
)
CADVISOR_CONTAINER = EntitySelector(
    EntityKind.POD,
    POD_MATCHES,
    child_kind=ChildKind.CONTAINER,
    child_label="container",
    known_children_only=True,
)

# ICOS telemetry has the UID of the cluster beside the name of the node; other telemetry is relabeled to `node`.
NODE_RECEIVER_LABELS = ("cluster", "k8s_cluster_uid", "node", "k8s_node_name")
NODE_BY_RECEIVER = EntitySelector(
    EntityKind.NODE, (match_labels("cluster", "node"), match_labels("k8s_cluster_uid", "k8s_node_name=nodename"))
)
INTERFACE_BY_RECEIVER = replace(NODE_BY_RECEIVER, child_kind=ChildKind.INTERFACE, child_label="interface")

# Series without ICOS labels, which other rows use to find the nodes of ICOS telemetry.
PLAIN_MATCHERS = '{k8s_cluster_uid="",icos_host_name=""}'

ROWS = (
    Row(
        "kubernetes_nodes",
        last_timestamp_by("kube_node_info" + PLAIN_MATCHERS, ("cluster", "node", "internal_ip")),
        PLAIN_NODE,
        (*PLAIN_NODE_FIELDS, FieldMapping("name", parse_optional_text, "node")),
        "nodes of Kubernetes clusters",
        KUBE_STATE_METRICS,
        vital=True,
    ),
    Row(
        "kubernetes_nodes_by_receiver",
        first_of(
            last_timestamp_by("k8s_node_condition_ready" + PLAIN_MATCHERS, ("cluster", "node")),
            last_timestamp_by("k8s_node_memory_available_bytes" + PLAIN_MATCHERS, ("cluster", "node")),
            last_timestamp_by("k8s_node_memory_available" + PLAIN_MATCHERS, ("cluster", "node")),
        ),
        PLAIN_NODE,
        (*PLAIN_NODE_FIELDS, FieldMapping("name", parse_optional_text, "node")),
        "nodes of Kubernetes clusters",
        CLUSTER_RECEIVER,
        vital=True,
    ),
    Row(
        "cpu_capacity",
        max_integer_by('kube_node_status_capacity{resource="cpu"}', AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("cpu_cores", parse_unsigned_float),),
        "number of CPU cores that Kubernetes reports",
        KUBE_STATE_METRICS,
    ),
    Row(
        "memory_capacity",
        max_integer_by('kube_node_status_capacity{resource="memory"}', AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "memory size that Kubernetes reports",
        KUBE_STATE_METRICS,
    ),
    Row(
        "gpu_capacity",
        max_by('kube_node_status_capacity{resource="nvidia_com_gpu"}', AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("gpu_count", parse_float),),
        "number of GPUs that pods can request",
        DEVICE_PLUGIN,
    ),
    Row(
        "pods",
        last_timestamp_by(
            "kube_pod_info",
            (
                *(*POD_LABELS, "uid", "icos_host_name", "node", "pod_ip", "host_ip"),
                *("created_by_kind", "created_by_name", "priority_class", "host_network"),
            ),
        ),
        NEW_POD,
        (
            LAST_SEEN,
            FieldMapping("name", parse_text, "pod"),
            FieldMapping("namespace", parse_text, "namespace"),
            FieldMapping("uid", parse_text, "uid", identifies=True),
            FieldMapping("ip", parse_optional_text, "pod_ip"),
            FieldMapping("host_ip", parse_optional_text, "host_ip"),
            FieldMapping("owner_kind", parse_owner, "created_by_kind"),
            FieldMapping("owner_name", parse_owner, "created_by_name"),
            FieldMapping("priority_class", parse_optional_text, "priority_class"),
            FieldMapping("uses_host_network", parse_bool_text, "host_network"),
        ),
        "pods",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pods_by_receiver",
        last_timestamp_by("k8s_pod_phase" + PLAIN_MATCHERS, ("cluster", "node", "namespace", "pod", "k8s_pod_uid")),
        NEW_POD,
        (
            LAST_SEEN,
            FieldMapping("name", parse_text, "pod"),
            FieldMapping("namespace", parse_text, "namespace"),
            FieldMapping("uid", parse_text, "k8s_pod_uid", identifies=True),
        ),
        "pods",
        CLUSTER_RECEIVER,
    ),
    Row(
        "pod_phase",
        group_by(equal_to("kube_pod_status_phase", 1), (*POD_LABELS, "phase", "uid")),
        POD,
        (FieldMapping("phase", parse_optional_text, "phase"),),
        "phase of a pod: Pending, Running, Succeeded, Failed or Unknown",
        KUBE_STATE_METRICS,
    ),
    Row(
        "containers",
        last_timestamp_by(
            "kube_pod_container_info", (*POD_LABELS, "container", "image", "uid", "image_id", "container_id")
        ),
        CONTAINER,
        (
            LAST_SEEN,
            FieldMapping("image", parse_optional_text, "image"),
            FieldMapping("image_digest", parse_digest, "image_id"),
            FieldMapping("container_id", remove_scheme, "container_id"),
        ),
        "containers of pods",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_phase_by_receiver",
        max_by("k8s_pod_phase" + PLAIN_MATCHERS, ("cluster", "namespace", "pod")),
        POD_BY_NAME,
        (FieldMapping("phase", parse_pod_phase),),
        "phase of a pod, as a number",
        CLUSTER_RECEIVER,
    ),
    Row(
        "containers_by_receiver",
        last_timestamp_by(
            "k8s_container_ready" + PLAIN_MATCHERS,
            ("cluster", "namespace", "pod", "container", "container_image_name", "container_id"),
        ),
        CONTAINER_BY_NAME,
        (
            LAST_SEEN,
            FieldMapping("image", parse_optional_text, "container_image_name"),
            FieldMapping("container_id", parse_optional_text, "container_id"),
        ),
        "containers of pods",
        CLUSTER_RECEIVER,
    ),
    Row(
        "node_memory_by_receiver",
        max_integer_by(
            first_of(parse_selector("k8s_node_memory_available_bytes"), parse_selector("k8s_node_memory_available")),
            ("cluster", "node"),
        ),
        NODE_BY_LABEL,
        (FieldMapping("available_memory_bytes", parse_unsigned_int),),
        "memory that new programs can get",
        KUBELET,
    ),
    Row(
        "container_cpu",
        max_by("container_cpu_utilization_ratio" + KUBELET_MATCHERS, KUBELET_LABELS),
        KUBELET_CONTAINER,
        (FieldMapping("cpu_usage_cores", parse_float),),
        "CPU usage of a container, in cores",
        KUBELET,
    ),
    Row(
        "container_cpu_renamed",
        max_by("container_cpu_usage" + KUBELET_MATCHERS, KUBELET_LABELS),
        KUBELET_CONTAINER,
        (FieldMapping("cpu_usage_cores", parse_float),),
        "CPU usage of a container, in cores, under the metric name of newer OpenTelemetry collectors",
        KUBELET,
    ),
    Row(
        "container_memory",
        max_integer_by(
            first_of(
                parse_selector("container_memory_working_set_bytes" + KUBELET_MATCHERS),
                parse_selector("container_memory_working_set" + KUBELET_MATCHERS),
            ),
            KUBELET_LABELS,
        ),
        KUBELET_CONTAINER,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "working set of a container: memory that cannot be freed quickly",
        KUBELET,
    ),
    Row(
        "container_cpu_by_cadvisor",
        max_by(rate_per_second("container_cpu_usage_seconds_total" + CADVISOR_MATCHERS), CADVISOR_LABELS),
        CADVISOR_CONTAINER,
        (FieldMapping("cpu_usage_cores", parse_unsigned_float),),
        "CPU usage of a container, in cores",
        CADVISOR,
    ),
    Row(
        "container_memory_by_cadvisor",
        max_integer_by("container_memory_working_set_bytes" + CADVISOR_MATCHERS, CADVISOR_LABELS),
        CADVISOR_CONTAINER,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "working set of a container: memory that cannot be freed quickly",
        CADVISOR,
    ),
)

# For nodes without node_exporter.
RECEIVER_ROWS = (
    Row(
        "node_memory_size_by_receiver",
        max_integer_by(
            first_of(
                total(
                    max_by("k8s_node_memory_available_bytes", NODE_RECEIVER_LABELS),
                    max_by("k8s_node_memory_working_set_bytes", NODE_RECEIVER_LABELS),
                ),
                total(
                    max_by("k8s_node_memory_available", NODE_RECEIVER_LABELS),
                    max_by("k8s_node_memory_working_set", NODE_RECEIVER_LABELS),
                ),
            ),
            NODE_RECEIVER_LABELS,
        ),
        NODE_BY_RECEIVER,
        (FieldMapping("host_memory_bytes", parse_unsigned_int), FieldMapping("memory_bytes", parse_unsigned_int)),
        "memory size of a node: available memory and working set together",
        KUBELET,
    ),
    Row(
        "node_cpu_usage_by_receiver",
        quotient(
            first_of(
                max_by("k8s_node_cpu_usage", NODE_RECEIVER_LABELS),
                max_by("k8s_node_cpu_utilization_ratio", NODE_RECEIVER_LABELS),
            ),
            max_by("k8s_node_allocatable_cpu", NODE_RECEIVER_LABELS),
        ).multiply_by("100"),
        NODE_BY_RECEIVER,
        (FieldMapping("cpu_usage_percent", parse_float),),
        "CPU usage of a node as a percentage of the cores that pods can use",
        KUBELET,
    ),
    Row(
        "interface_received_by_receiver",
        max_by(
            first_of(
                rate_per_second('k8s_node_network_io_bytes_total{direction="receive"}'),
                rate_per_second('k8s_node_network_io{direction="receive"}'),
            ),
            (*NODE_RECEIVER_LABELS, "interface"),
        ),
        INTERFACE_BY_RECEIVER,
        (FieldMapping("receive_bytes_per_second", parse_float),),
        "bytes received per second over the last five minutes",
        KUBELET,
    ),
    Row(
        "interface_sent_by_receiver",
        max_by(
            first_of(
                rate_per_second('k8s_node_network_io_bytes_total{direction="transmit"}'),
                rate_per_second('k8s_node_network_io{direction="transmit"}'),
            ),
            (*NODE_RECEIVER_LABELS, "interface"),
        ),
        INTERFACE_BY_RECEIVER,
        (FieldMapping("transmit_bytes_per_second", parse_float),),
        "bytes sent per second over the last five minutes",
        KUBELET,
    ),
)
