"""Rows of kube-state-metrics about containers: init containers, state, restarts, requests and limits."""

from dataclasses import replace

from aggregator.models.catalog.converters import (
    confirm,
    parse_bool,
    parse_digest,
    parse_optional_text,
    parse_timestamp,
    parse_unsigned_float,
    parse_unsigned_int,
    remove_scheme,
)
from aggregator.models.catalog.kubernetes import KUBE_STATE_METRICS
from aggregator.models.catalog.promql import (
    Expression,
    add_label,
    equal_to,
    first_of,
    group_by,
    last_timestamp_by,
    max_by,
    max_integer_by,
)
from aggregator.models.catalog.row import CONTAINER, LAST_SEEN, POD_LABELS, FieldMapping, Row

CONTAINER_LABELS = (*POD_LABELS, "uid", "container")
# kube-state-metrics has metrics of the same names, except for this prefix, for init containers.
PREFIXES = ("kube_pod_container_", "kube_pod_init_container_")


# The specification of a pod that is not scheduled has containers that do not exist yet.
SPECIFIED_CONTAINER = replace(CONTAINER, known_children_only=True, may_be_unknown=True)


def group_by_reason(*suffixes: str) -> Expression:
    """Return the reasons that metrics of containers and init containers have as a label."""
    return first_of(
        *(
            group_by(equal_to(f"{prefix}status_{suffix}", 1), (*CONTAINER_LABELS, "reason"))
            for suffix in suffixes
            for prefix in PREFIXES
        )
    )


def map_resource_fields(limit_or_request: str) -> tuple[FieldMapping, ...]:
    """Return the fields for the resources of a container: what it requests, or its limits."""
    return (
        FieldMapping(f"cpu_{limit_or_request}_cores", parse_unsigned_float, only_with=("resource", "cpu")),
        FieldMapping(f"memory_{limit_or_request}_bytes", parse_unsigned_int, only_with=("resource", "memory")),
    )


def select_resources(metric_suffix: str) -> Expression:
    """Return CPU cores and bytes of memory of containers and init containers."""
    return first_of(
        *(
            max_integer_by(f'{prefix}{metric_suffix}{{resource=~"cpu|memory"}}', (*CONTAINER_LABELS, "resource"))
            for prefix in PREFIXES
        )
    )


ROWS = (
    Row(
        "init_containers",
        last_timestamp_by(
            "kube_pod_init_container_info",
            (*CONTAINER_LABELS, "image", "image_id", "container_id", "restart_policy"),
        ),
        CONTAINER,
        (
            LAST_SEEN,
            FieldMapping("image", parse_optional_text, "image"),
            FieldMapping("image_digest", parse_digest, "image_id"),
            FieldMapping("container_id", remove_scheme, "container_id"),
            FieldMapping("restart_policy", parse_optional_text, "restart_policy"),
            FieldMapping("is_init", confirm, "container"),
        ),
        "init containers of pods",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_requests",
        select_resources("resource_requests"),
        SPECIFIED_CONTAINER,
        map_resource_fields("request"),
        "CPU and memory that a container requests",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_limits",
        select_resources("resource_limits"),
        SPECIFIED_CONTAINER,
        map_resource_fields("limit"),
        "CPU and memory that a container can use at most",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_restarts",
        first_of(*(max_integer_by(f"{prefix}status_restarts_total", CONTAINER_LABELS) for prefix in PREFIXES)),
        CONTAINER,
        (FieldMapping("restart_count", parse_unsigned_int),),
        "number of restarts of a container",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_ready",
        first_of(*(max_by(f"{prefix}status_ready", CONTAINER_LABELS) for prefix in PREFIXES)),
        CONTAINER,
        (FieldMapping("is_ready", parse_bool),),
        "whether a container is ready; an init container is ready when it has succeeded",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_state",
        first_of(
            *(
                add_label(group_by(equal_to(f"{prefix}status_{state}", 1), CONTAINER_LABELS), "state", state)
                for state in ("running", "waiting", "terminated")
                for prefix in PREFIXES
            )
        ),
        CONTAINER,
        (FieldMapping("state", parse_optional_text, "state"),),
        "state of a container: waiting, running or terminated",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_reason",
        group_by_reason("waiting_reason", "terminated_reason"),
        CONTAINER,
        (FieldMapping("reason", parse_optional_text, "reason"),),
        "why a container is waiting or terminated, such as CrashLoopBackOff",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_last_termination",
        group_by_reason("last_terminated_reason"),
        CONTAINER,
        (FieldMapping("last_termination_reason", parse_optional_text, "reason"),),
        "why a container was terminated the last time, such as OOMKilled",
        KUBE_STATE_METRICS,
    ),
    Row(
        "container_start",
        max_by("kube_pod_container_state_started", CONTAINER_LABELS),
        CONTAINER,
        (FieldMapping("start_seconds", parse_timestamp),),
        "when a container started",
        KUBE_STATE_METRICS,
    ),
)
