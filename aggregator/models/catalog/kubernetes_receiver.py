"""Rows of OpenTelemetry's Kubernetes receivers that correspond to those of kube-state-metrics and cAdvisor.

Without the option `add_metric_suffixes`, the names of the metrics have no unit.
"""

from dataclasses import replace

from aggregator.models.catalog.converters import (
    parse_bool,
    parse_condition_status,
    parse_optional_text,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.kubernetes import (
    CLUSTER_RECEIVER,
    CONTAINER_BY_NAME,
    KUBELET,
    NODE_BY_LABEL,
    PLAIN_MATCHERS,
    POD_BY_NAME,
)
from aggregator.models.catalog.kubernetes_containers import map_resource_fields
from aggregator.models.catalog.node_exporter import NON_DISK_FSTYPES
from aggregator.models.catalog.promql import (
    Expression,
    LabelNames,
    add_label,
    first_of,
    label_quantities,
    max_by,
    max_integer_by,
    rate_per_second,
    sum_by,
)
from aggregator.models.catalog.row import ChildKind, Exporter, ExporterKind, FieldMapping, Row, map_quantity

HOST_RECEIVER = Exporter("host metrics (OpenTelemetry)", kind=ExporterKind.OPENTELEMETRY)

NODE_LABELS = ("cluster", "node")
RECEIVED_POD_LABELS = ("cluster", "namespace", "pod")
RECEIVED_CONTAINER_LABELS = (*RECEIVED_POD_LABELS, "container")
# The specification of a pod that is not scheduled has containers that do not exist yet.
KNOWN_CONTAINER = replace(CONTAINER_BY_NAME, known_children_only=True, may_be_unknown=True)
FILESYSTEM = replace(NODE_BY_LABEL, child_kind=ChildKind.FILESYSTEM, child_label="device")

ALLOCATABLE_METRICS = {
    "k8s_node_allocatable_cpu": "cpu",
    "k8s_node_allocatable_memory_bytes": "memory",
    "k8s_node_allocatable_memory": "memory",
    "k8s_node_allocatable_pods": "pods",
}
CONDITION_METRICS = {
    "k8s_node_condition_ready": "Ready",
    "k8s_node_condition_memory_pressure": "MemoryPressure",
    "k8s_node_condition_disk_pressure": "DiskPressure",
    "k8s_node_condition_pid_pressure": "PIDPressure",
    "k8s_node_condition_network_unavailable": "NetworkUnavailable",
}


def select_container_resources(kind: str) -> Expression:
    """Return the CPU cores and bytes of memory that containers request, or their limits."""
    metrics = {f"k8s_container_cpu_{kind}": "cpu"} | {
        f"k8s_container_memory_{kind}{suffix}": "memory" for suffix in ("_bytes", "")
    }
    return first_of(
        *(
            add_label(max_integer_by(metric + PLAIN_MATCHERS, RECEIVED_CONTAINER_LABELS), "resource", resource)
            for metric, resource in metrics.items()
        )
    )


def sum_over_interfaces(direction: str) -> Expression:
    """Return the traffic of each pod in one direction."""
    matchers = f'{PLAIN_MATCHERS[:-1]},direction="{direction}",interface!="lo"}}'
    rates = first_of(
        *(
            max_by(rate_per_second(f"k8s_pod_network_io{suffix}{matchers}"), (*RECEIVED_POD_LABELS, "interface"))
            for suffix in ("_bytes_total", "")
        )
    )
    return sum_by(rates, RECEIVED_POD_LABELS)


def select_filesystems(matchers: str, labels: LabelNames) -> Expression:
    """Return the bytes of a file system in each of its states; it may be mounted several times."""
    return first_of(
        *(max_by(f"system_filesystem_usage{suffix}{matchers}", (*NODE_LABELS, *labels)) for suffix in ("_bytes", ""))
    )


DISK_MATCHERS = f'{PLAIN_MATCHERS[:-1]},type!~"{"|".join(NON_DISK_FSTYPES)}"}}'
# The states are used, free and reserved.
FILESYSTEM_SIZE = sum_by(
    select_filesystems(DISK_MATCHERS, ("device", "type", "state")), (*NODE_LABELS, "device", "type")
)
ROOT_FREE_SPACE = select_filesystems(f'{PLAIN_MATCHERS[:-1]},mountpoint="/",state="free"}}', ("device",))


ROWS = (
    Row(
        "node_allocatable_by_receiver",
        first_of(
            *(
                add_label(max_integer_by(metric + PLAIN_MATCHERS, NODE_LABELS), "resource", resource)
                for metric, resource in ALLOCATABLE_METRICS.items()
            )
        ),
        NODE_BY_LABEL,
        (
            FieldMapping("allocatable_cpu_cores", parse_unsigned_float, only_with=("resource", "cpu")),
            FieldMapping("allocatable_memory_bytes", parse_unsigned_int, only_with=("resource", "memory")),
            FieldMapping("allocatable_pods", parse_unsigned_int, only_with=("resource", "pods")),
        ),
        "what pods can use of a node, by resource",
        Exporter(CLUSTER_RECEIVER.name, "allocatable_types_to_report", ExporterKind.OPENTELEMETRY),
    ),
    Row(
        "node_conditions_by_receiver",
        first_of(
            *(
                add_label(max_by(metric + PLAIN_MATCHERS, NODE_LABELS), "condition", condition)
                for metric, condition in CONDITION_METRICS.items()
            )
        ),
        NODE_BY_LABEL,
        (FieldMapping("conditions", parse_condition_status, key_label="condition"),),
        "conditions of a node, such as Ready",
        CLUSTER_RECEIVER,
    ),
    Row(
        "container_requests_by_receiver",
        select_container_resources("request"),
        KNOWN_CONTAINER,
        map_resource_fields("request"),
        "CPU and memory that a container requests",
        CLUSTER_RECEIVER,
    ),
    Row(
        "container_limits_by_receiver",
        select_container_resources("limit"),
        KNOWN_CONTAINER,
        map_resource_fields("limit"),
        "CPU and memory that a container can use at most",
        CLUSTER_RECEIVER,
    ),
    Row(
        "container_restarts_by_receiver",
        max_integer_by("k8s_container_restarts" + PLAIN_MATCHERS, RECEIVED_CONTAINER_LABELS),
        KNOWN_CONTAINER,
        (FieldMapping("restart_count", parse_unsigned_int),),
        "number of restarts of a container",
        CLUSTER_RECEIVER,
    ),
    Row(
        "container_ready_by_receiver",
        max_by("k8s_container_ready" + PLAIN_MATCHERS, RECEIVED_CONTAINER_LABELS),
        KNOWN_CONTAINER,
        (FieldMapping("is_ready", parse_bool),),
        "whether a container is ready",
        CLUSTER_RECEIVER,
    ),
    Row(
        "pod_receive_by_receiver",
        sum_over_interfaces("receive"),
        POD_BY_NAME,
        (FieldMapping("receive_bytes_per_second", parse_unsigned_float),),
        "bytes that a pod receives, on all interfaces",
        KUBELET,
    ),
    Row(
        "pod_transmit_by_receiver",
        sum_over_interfaces("transmit"),
        POD_BY_NAME,
        (FieldMapping("transmit_bytes_per_second", parse_unsigned_float),),
        "bytes that a pod sends, on all interfaces",
        KUBELET,
    ),
    Row(
        "filesystems_by_receiver",
        label_quantities({"size": FILESYSTEM_SIZE, "available": ROOT_FREE_SPACE}),
        FILESYSTEM,
        (
            map_quantity("size_bytes", parse_unsigned_float, "size"),
            map_quantity("fstype", parse_optional_text, "size", "type"),
            map_quantity("root_available_bytes", parse_unsigned_float, "available"),
        ),
        "file systems on disks, one for each block device",
        HOST_RECEIVER,
    ),
)
