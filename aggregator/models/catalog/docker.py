"""Rows of Docker hosts and their containers, from Docker statistics of OpenTelemetry, cAdvisor and agents."""

from dataclasses import replace

from aggregator.models.catalog.converters import (
    parse_bytes_limit,
    parse_container_id,
    parse_cores_limit,
    parse_float,
    parse_optional_text,
    parse_text,
    parse_timestamp,
    parse_unsigned_float,
    parse_unsigned_int,
)
from aggregator.models.catalog.promql import (
    Expression,
    first_of,
    label_quantities,
    last_timestamp_by,
    max_by,
    max_integer_by,
    parse_selector,
    quotient,
    rate_per_second,
    sum_by,
)
from aggregator.models.catalog.row import (
    LAST_SEEN,
    PLAIN_NODE,
    PLAIN_NODE_FIELDS,
    ChildKind,
    EntityKind,
    EntitySelector,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
    map_quantity,
    match_labels,
)

DOCKER = Exporter("Docker statistics (OpenTelemetry)")
CADVISOR = Exporter("cAdvisor", "on a host", ExporterKind.HOST)
AGENT = Exporter("aggregator agent", kind=ExporterKind.HOST)

# Kubelets before Kubernetes 1.16 have the labels pod_name and container_name.
DOCKER_MATCHERS = '{container_name!="",k8s_pod_name="",pod_name=""}'
# The published ICOS agent gives these series only its ID and `host_name`; other set-ups have the labels of the host.
DOCKER_IDENTITY = ("icos_agent_id", "host_name", "icos_host_id", "icos_host_name", "container_id", "container_name")
DOCKER_LABELS = ("cluster", "k8s_cluster_uid", *DOCKER_IDENTITY)

# A container on a Docker host has no pod. The topology represents it as a pod with one container.
NEW_DOCKER_POD = EntitySelector(EntityKind.POD, identities=(DOCKER_IDENTITY,))
DOCKER_CONTAINER = EntitySelector(
    EntityKind.POD,
    (match_labels(*DOCKER_IDENTITY),),
    child_kind=ChildKind.CONTAINER,
    child_label="container_name",
)

NO_ICOS_LABELS = '{icos_agent_id="",icos_host_id="",k8s_cluster_uid=""}'
# cgroups that are no containers have neither name nor image; containers of pods have the labels of their pod.
CADVISOR_MATCHERS = '{name!="",image!="",container="",pod="",pod_name="",k8s_pod_name=""}'
# All containers of an Engine, stopped ones too, without those that a kubelet manages.
ENGINE_CONTAINERS = 'docker_container_info{name!="",name!~"k8s_.+"}'
CADVISOR_LABELS = ("cluster", "node", "name")
NEW_CADVISOR_POD = EntitySelector(EntityKind.POD, identities=(("node", "name"),))
CADVISOR_POD = EntitySelector(EntityKind.POD, (match_labels("node", "name"),))
CADVISOR_CONTAINER = replace(CADVISOR_POD, child_kind=ChildKind.CONTAINER, child_label="name")
MACHINE = EntitySelector(EntityKind.NODE, (match_labels("cluster", "node"),))


def find_last_seen(label: str) -> Expression:
    """Return when each container was seen last, with one more label."""
    labels = (*CADVISOR_LABELS, label)
    return first_of(
        last_timestamp_by("container_memory_working_set_bytes" + CADVISOR_MATCHERS, labels),
        last_timestamp_by(ENGINE_CONTAINERS, labels),
    )


ROWS = (
    Row(
        "cadvisor_hosts",
        last_timestamp_by(
            "machine_memory_bytes" + NO_ICOS_LABELS,
            ("cluster", "node", "namespace", "pod"),
        ),
        PLAIN_NODE,
        PLAIN_NODE_FIELDS,
        "hosts that run cAdvisor, without ICOS labels",
        CADVISOR,
        vital=True,
    ),
    Row(
        "machine_memory",
        max_integer_by("machine_memory_bytes", ("cluster", "node", "system_uuid")),
        MACHINE,
        (
            FieldMapping("host_memory_bytes", parse_unsigned_int),
            FieldMapping("memory_bytes", parse_unsigned_int),
            FieldMapping("system_uuid", parse_optional_text, "system_uuid"),
        ),
        "memory size and system UUID of a host that runs cAdvisor",
        CADVISOR,
    ),
    Row(
        "machine_cpu_cores",
        max_by("machine_cpu_cores", ("cluster", "node")),
        MACHINE,
        (FieldMapping("cpu_cores", parse_unsigned_float),),
        "number of CPU cores of a host that runs cAdvisor",
        CADVISOR,
    ),
    Row(
        "docker_containers_by_cadvisor",
        find_last_seen("id"),
        NEW_CADVISOR_POD,
        (
            LAST_SEEN,
            FieldMapping("name", parse_text, "name"),
            FieldMapping("uid", parse_container_id, "id"),
        ),
        "containers on Docker hosts; each is represented as a pod with one container",
        CADVISOR,
    ),
    Row(
        "docker_container_image_by_cadvisor",
        find_last_seen("image"),
        CADVISOR_CONTAINER,
        (LAST_SEEN, FieldMapping("image", parse_optional_text, "image")),
        "image of a container on a Docker host",
        CADVISOR,
    ),
    Row(
        "docker_container_cpu_by_cadvisor",
        # One series for each CPU.
        sum_by(
            max_by(rate_per_second("container_cpu_usage_seconds_total" + CADVISOR_MATCHERS), (*CADVISOR_LABELS, "cpu")),
            CADVISOR_LABELS,
        ),
        CADVISOR_CONTAINER,
        (FieldMapping("cpu_usage_cores", parse_unsigned_float),),
        "CPU usage of a container on a Docker host, in cores",
        CADVISOR,
    ),
    Row(
        "docker_container_memory_by_cadvisor",
        max_integer_by("container_memory_working_set_bytes" + CADVISOR_MATCHERS, CADVISOR_LABELS),
        CADVISOR_CONTAINER,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "working set of a container on a Docker host: memory that cannot be freed quickly",
        CADVISOR,
    ),
    Row(
        "docker_container_details_by_cadvisor",
        label_quantities(
            {
                # cAdvisor has no quota for a container without one.
                "cpu_limit": quotient(
                    max_by("container_spec_cpu_quota" + CADVISOR_MATCHERS, CADVISOR_LABELS),
                    max_by("container_spec_cpu_period" + CADVISOR_MATCHERS, CADVISOR_LABELS),
                ),
                "memory_limit": max_integer_by(
                    "container_spec_memory_limit_bytes" + CADVISOR_MATCHERS, CADVISOR_LABELS
                ),
                "start": max_by("container_start_time_seconds" + CADVISOR_MATCHERS, CADVISOR_LABELS),
                "oom_kills": max_integer_by("container_oom_events_total" + CADVISOR_MATCHERS, CADVISOR_LABELS),
            }
        ),
        CADVISOR_CONTAINER,
        (
            map_quantity("cpu_limit_cores", parse_cores_limit, "cpu_limit"),
            map_quantity("memory_limit_bytes", parse_bytes_limit, "memory_limit"),
            map_quantity("start_seconds", parse_timestamp, "start"),
            map_quantity("oom_kill_count", parse_unsigned_int, "oom_kills"),
        ),
        "limits, start time and out-of-memory kills of a container on a Docker host",
        CADVISOR,
    ),
    Row(
        "docker_container_traffic_by_cadvisor",
        label_quantities(
            {
                direction: sum_by(
                    max_by(
                        rate_per_second(f"container_network_{direction}_bytes_total{CADVISOR_MATCHERS}"),
                        (*CADVISOR_LABELS, "interface"),
                    ),
                    CADVISOR_LABELS,
                )
                for direction in ("receive", "transmit")
            }
        ),
        CADVISOR_POD,
        (
            map_quantity("receive_bytes_per_second", parse_unsigned_float, "receive"),
            map_quantity("transmit_bytes_per_second", parse_unsigned_float, "transmit"),
        ),
        "bytes that a container on a Docker host receives and sends, on all interfaces",
        CADVISOR,
    ),
    Row(
        "docker_containers",
        last_timestamp_by("container_cpu_utilization_ratio" + DOCKER_MATCHERS, DOCKER_LABELS),
        NEW_DOCKER_POD,
        (
            LAST_SEEN,
            FieldMapping("name", parse_text, "container_name"),
            FieldMapping("uid", parse_text, "container_id"),
        ),
        "containers on Docker hosts; each is represented as a pod with one container",
        DOCKER,
    ),
    Row(
        "docker_container_image",
        last_timestamp_by(
            "container_cpu_utilization_ratio" + DOCKER_MATCHERS, (*DOCKER_LABELS, "container_image_name")
        ),
        DOCKER_CONTAINER,
        (LAST_SEEN, FieldMapping("image", parse_optional_text, "container_image_name")),
        "image of a container on a Docker host",
        DOCKER,
    ),
    Row(
        "docker_container_cpu",
        max_by("container_cpu_utilization_ratio" + DOCKER_MATCHERS, DOCKER_LABELS).divide_by("100"),
        DOCKER_CONTAINER,
        (FieldMapping("cpu_usage_cores", parse_float),),
        "CPU usage of a container on a Docker host, in cores; Docker reports percent of one core",
        DOCKER,
    ),
    Row(
        "docker_container_memory",
        max_integer_by(
            first_of(
                parse_selector("container_memory_working_set_bytes" + DOCKER_MATCHERS),
                parse_selector("container_memory_usage_total_bytes" + DOCKER_MATCHERS),
            ),
            DOCKER_LABELS,
        ),
        DOCKER_CONTAINER,
        (FieldMapping("memory_bytes", parse_unsigned_int),),
        "memory that a container on a Docker host uses, without the page cache",
        DOCKER,
    ),
)
