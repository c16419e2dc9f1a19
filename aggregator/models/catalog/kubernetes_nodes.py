"""Rows of kube-state-metrics about nodes: what pods can use, conditions, taints, and versions.

They come after the rows of the ICOS modules, whose labels and container runtime take precedence.
"""

from aggregator.models.catalog.converters import (
    parse_bool,
    parse_engine,
    parse_optional_text,
    parse_text,
    parse_timestamp,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.kubernetes import KUBE_STATE_METRICS
from aggregator.models.catalog.promql import (
    equal_to,
    group_by,
    join_labels,
    last_timestamp_by,
    max_by,
    max_integer_by,
    parse_selector,
    sum_by,
)
from aggregator.models.catalog.row import (
    AGENT_HOST_LABELS,
    NODE_BY_AGENT,
    ChildKind,
    EntityKind,
    EntitySelector,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
)

LABEL_ALLOWLIST = Exporter(KUBE_STATE_METRICS.name, "--metric-labels-allowlist", ExporterKind.CLUSTER)
ANNOTATION_ALLOWLIST = Exporter(KUBE_STATE_METRICS.name, "--metric-annotations-allowlist", ExporterKind.CLUSTER)

# kube-state-metrics replaces characters of resource names that labels cannot contain, such as in nvidia.com/gpu.
GPU_MATCHER = '{resource=~"nvidia_com_gpu|amd_com_gpu|gpu_intel_com_.+"}'

TAINT = EntitySelector(
    EntityKind.NODE,
    NODE_BY_AGENT.matches,
    child_kind=ChildKind.TAINT,
    child_label="taint",
)

ROWS = (
    Row(
        "node_info",
        last_timestamp_by(
            "kube_node_info",
            (
                *AGENT_HOST_LABELS,
                *("kubelet_version", "kernel_version", "os_image", "container_runtime_version"),
                *("internal_ip", "system_uuid", "provider_id"),
            ),
        ),
        NODE_BY_AGENT,
        (
            FieldMapping("kubelet_version", parse_optional_text, "kubelet_version"),
            FieldMapping("kernel_version", parse_optional_text, "kernel_version"),
            FieldMapping("os_image", parse_optional_text, "os_image"),
            FieldMapping("engine", parse_engine, "container_runtime_version"),
            FieldMapping("internal_ip", parse_optional_text, "internal_ip"),
            FieldMapping("system_uuid", parse_optional_text, "system_uuid"),
            FieldMapping("provider_id", parse_optional_text, "provider_id"),
        ),
        "versions, address and IDs of a node; the value is the time of the sample",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_allocatable",
        max_integer_by(
            'kube_node_status_allocatable{resource=~"cpu|memory|pods"}',
            (*AGENT_HOST_LABELS, "resource"),
        ),
        NODE_BY_AGENT,
        (
            FieldMapping("allocatable_cpu_cores", parse_unsigned_float, only_with=("resource", "cpu")),
            FieldMapping("allocatable_memory_bytes", parse_unsigned_int, only_with=("resource", "memory")),
            FieldMapping("allocatable_pods", parse_unsigned_int, only_with=("resource", "pods")),
        ),
        "what pods can use of a node, by resource",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_allocatable_gpus",
        sum_by(
            max_by("kube_node_status_allocatable" + GPU_MATCHER, (*AGENT_HOST_LABELS, "resource")), AGENT_HOST_LABELS
        ),
        NODE_BY_AGENT,
        (FieldMapping("allocatable_gpus", parse_unsigned_int),),
        "number of GPUs of all vendors that pods can use",
        Exporter(KUBE_STATE_METRICS.name, "on nodes with a device plugin for GPUs", ExporterKind.CLUSTER),
    ),
    Row(
        "pod_capacity",
        max_by('kube_node_status_capacity{resource="pods"}', AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("pod_capacity", parse_unsigned_int),),
        "number of pods that a node can run",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_unschedulable",
        max_by("kube_node_spec_unschedulable", AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("is_unschedulable", parse_bool),),
        "whether a node is cordoned",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_conditions",
        group_by(equal_to("kube_node_status_condition", 1), (*AGENT_HOST_LABELS, "condition", "status")),
        NODE_BY_AGENT,
        (FieldMapping("conditions", parse_optional_text, "status", key_label="condition"),),
        "conditions of a node, such as Ready",
        KUBE_STATE_METRICS,
    ),
    Row(
        "taints",
        join_labels(
            group_by("kube_node_spec_taint", (*AGENT_HOST_LABELS, "key", "value", "effect")),
            "taint",
            ("key", "effect"),
        ),
        TAINT,
        (
            FieldMapping("key", parse_optional_text, "key"),
            FieldMapping("value", parse_optional_text, "value"),
            FieldMapping("effect", parse_optional_text, "effect"),
        ),
        "taints of a node",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_created",
        max_by("kube_node_created", AGENT_HOST_LABELS),
        NODE_BY_AGENT,
        (FieldMapping("created_seconds", parse_timestamp),),
        "when a node joined its cluster",
        KUBE_STATE_METRICS,
    ),
    Row(
        "node_labels",
        parse_selector("kube_node_labels"),
        NODE_BY_AGENT,
        (FieldMapping("labels", parse_text, key_label="label_*"),),
        "Kubernetes labels of a node",
        LABEL_ALLOWLIST,
    ),
    Row(
        "node_annotations",
        parse_selector("kube_node_annotations"),
        NODE_BY_AGENT,
        (FieldMapping("annotations", parse_text, key_label="annotation_*"),),
        "Kubernetes annotations of a node",
        ANNOTATION_ALLOWLIST,
    ),
)
