"""Rows about pods: kube-state-metrics, and the network traffic that cAdvisor measures."""

from aggregator.models.catalog.converters import (
    parse_bool,
    parse_endpoint_readiness,
    parse_optional_text,
    parse_owner,
    parse_text,
    parse_timestamp,
    parse_unsigned_float,
)
from aggregator.models.catalog.kubernetes import CADVISOR, KUBE_STATE_METRICS
from aggregator.models.catalog.kubernetes_nodes import ANNOTATION_ALLOWLIST, LABEL_ALLOWLIST
from aggregator.models.catalog.promql import (
    Expression,
    add_label,
    equal_to,
    extract_label,
    first_of,
    group_by,
    join_labels,
    max_by,
    parse_selector,
    rate_per_second,
    sum_by,
)
from aggregator.models.catalog.row import (
    POD,
    POD_LABELS,
    EntityKind,
    EntitySelector,
    FieldMapping,
    Row,
    match_labels,
)

KUBE_POD_LABELS = (*POD_LABELS, "uid")


def sum_over_interfaces(counter: str) -> Expression:
    """Return the rate of a network counter of each pod."""
    rate = rate_per_second(counter + '{pod!="",interface!="lo"}')
    return sum_by(max_by(rate, (*POD_LABELS, "interface")), POD_LABELS)


# The random end of the name of an endpoint slice, which Kubernetes adds to the name of the service.
SLICE_PATTERN = "(.+?)(?:-[bcdfghjklmnpqrstvwxz2456789]{5})?"

# Revisions without pods, endpoints outside the cluster, and addresses that several pods share match no pod.
PODS_OF_OWNER = EntitySelector(
    EntityKind.POD,
    (
        match_labels("k8s_cluster_uid", "namespace", "created_by_kind", "created_by_name"),
        match_labels("namespace", "created_by_kind", "created_by_name"),
    ),
    may_be_unknown=True,
    matches_all=True,
)
POD_BY_REFERENCE = EntitySelector(
    EntityKind.POD,
    (
        match_labels("k8s_cluster_uid", "namespace", "targetref_name=pod"),
        match_labels("namespace", "targetref_name=pod"),
    ),
    may_be_unknown=True,
)
POD_BY_ADDRESS = EntitySelector(
    EntityKind.POD,
    (match_labels("k8s_cluster_uid", "namespace", "ip=pod_ip"), match_labels("namespace", "ip=pod_ip")),
    may_be_unknown=True,
)


def group_controllers(metric: str, owner_label: str, owner_kind: str) -> Expression:
    """Return the controllers of objects that own pods, with labels that match those of the pods."""
    controllers = group_by(
        metric + '{owner_is_controller="true"}',
        ("cluster", "k8s_cluster_uid", "namespace", owner_label, "owner_kind", "owner_name"),
    )
    return add_label(join_labels(controllers, "created_by_name", (owner_label,)), "created_by_kind", owner_kind)


ROWS = (
    Row(
        "pod_controllers",
        first_of(
            group_controllers("kube_replicaset_owner", "replicaset", "ReplicaSet"),
            group_controllers("kube_job_owner", "job_name", "Job"),
        ),
        PODS_OF_OWNER,
        (
            FieldMapping("controller_kind", parse_owner, "owner_kind"),
            FieldMapping("controller_name", parse_owner, "owner_name"),
        ),
        "controllers behind the owners of pods, such as the Deployment behind a ReplicaSet",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_services",
        extract_label(
            group_by(
                'kube_endpointslice_endpoints{targetref_kind="Pod"}',
                ("cluster", "k8s_cluster_uid", "namespace", "endpointslice", "targetref_name", "ready"),
            ),
            "service",
            "endpointslice",
            SLICE_PATTERN,
        ),
        POD_BY_REFERENCE,
        (FieldMapping("services", parse_endpoint_readiness, "ready", key_label="service"),),
        "services that select a pod, and whether it is ready for them, from endpoint slices",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_services_by_address",
        group_by(
            "kube_endpoint_address",
            ("cluster", "k8s_cluster_uid", "namespace", "endpoint", "ip", "ready"),
        ),
        POD_BY_ADDRESS,
        (FieldMapping("services", parse_endpoint_readiness, "ready", key_label="endpoint"),),
        "services that select a pod, and whether it is ready for them, from endpoints; found by the address of the pod",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_ready",
        max_by('kube_pod_status_ready{condition="true"}', KUBE_POD_LABELS),
        POD,
        (FieldMapping("is_ready", parse_bool),),
        "whether a pod can serve requests",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_reason",
        group_by(equal_to("kube_pod_status_reason", 1), (*KUBE_POD_LABELS, "reason")),
        POD,
        (FieldMapping("reason", parse_optional_text, "reason"),),
        "why a pod is in its phase, such as Evicted",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_qos_class",
        group_by(equal_to("kube_pod_status_qos_class", 1), (*KUBE_POD_LABELS, "qos_class")),
        POD,
        (FieldMapping("qos_class", parse_optional_text, "qos_class"),),
        "quality of service class of a pod: Guaranteed, Burstable or BestEffort",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_created",
        max_by("kube_pod_created", KUBE_POD_LABELS),
        POD,
        (FieldMapping("created_seconds", parse_timestamp),),
        "when a pod was created",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_start",
        max_by("kube_pod_start_time", KUBE_POD_LABELS),
        POD,
        (FieldMapping("start_seconds", parse_timestamp),),
        "when the kubelet accepted a pod",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_volumes",
        group_by(
            "kube_pod_spec_volumes_persistentvolumeclaims_info",
            (*KUBE_POD_LABELS, "volume", "persistentvolumeclaim"),
        ),
        POD,
        (FieldMapping("volumes", parse_optional_text, "persistentvolumeclaim", key_label="volume"),),
        "volumes of a pod and their persistent volume claims",
        KUBE_STATE_METRICS,
    ),
    Row(
        "pod_labels",
        parse_selector("kube_pod_labels"),
        POD,
        (FieldMapping("labels", parse_text, key_label="label_*"),),
        "Kubernetes labels of a pod",
        LABEL_ALLOWLIST,
    ),
    Row(
        "pod_annotations",
        parse_selector("kube_pod_annotations"),
        POD,
        (FieldMapping("annotations", parse_text, key_label="annotation_*"),),
        "Kubernetes annotations of a pod",
        ANNOTATION_ALLOWLIST,
    ),
    Row(
        "pod_receive",
        sum_over_interfaces("container_network_receive_bytes_total"),
        POD,
        (FieldMapping("receive_bytes_per_second", parse_unsigned_float),),
        "bytes that a pod receives, on all interfaces",
        CADVISOR,
    ),
    Row(
        "pod_transmit",
        sum_over_interfaces("container_network_transmit_bytes_total"),
        POD,
        (FieldMapping("transmit_bytes_per_second", parse_unsigned_float),),
        "bytes that a pod sends, on all interfaces",
        CADVISOR,
    ),
)
