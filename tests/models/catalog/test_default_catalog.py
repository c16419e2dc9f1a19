"""The default catalog: which row wins where several fill one field, and what it must contain."""

import pytest

from aggregator.models.builder.build import sort_rows_by_stage
from aggregator.models.catalog.default_catalog import OLDEST_SAMPLE_ROW, compose_catalog
from aggregator.models.catalog.row import BUILDER_FIELDS, MODEL_TYPES, ChildKind, EntityKind
from tests.support.catalog import CATALOG

KUBERNETES_NODES = ["kubernetes_nodes", "kubernetes_nodes_by_receiver"]
NODES = ["nodes_by_uname", "nodes_by_agent"]
PODS = ["pods", "pods_by_receiver", "docker_containers_by_cadvisor", "docker_containers"]
# Published values depend on this order, for example the number of cores: Kubernetes before the host.
ROWS_BY_FIELD: dict[tuple[EntityKind | ChildKind, str], list[str]] = {
    (EntityKind.NODE, "cpu_cores"): ["cpu_capacity", "cpu_count", "machine_cpu_cores"],
    (EntityKind.NODE, "memory_bytes"): [
        "memory_capacity",
        "memory_total",
        "node_memory_size_by_receiver",
        "machine_memory",
    ],
    (EntityKind.NODE, "host_memory_bytes"): ["memory_total", "node_memory_size_by_receiver", "machine_memory"],
    (EntityKind.NODE, "available_memory_bytes"): [
        "node_memory_by_receiver",
        "memory_available",
        "memory_available_by_pages",
    ],
    (EntityKind.NODE, "operating_system"): ["operating_system", "operating_system", "operating_system_by_uname"],
    (EntityKind.NODE, "gpu_count"): [
        *("gpu_capacity", "gpu_count", "amd_gpu_count", "intel_gpu_totals", "jetson_gpu_count"),
    ],
    (EntityKind.NODE, "gpu_memory_bytes"): ["gpu_memory", "amd_gpu_memory", "intel_gpu_totals"],
    (ChildKind.GPU, "model"): ["gpus", "amd_gpus", "intel_gpus", "intel_gpus", "jetson_gpus"],
    (ChildKind.GPU, "memory_bytes"): ["gpu_memory_of_each", "amd_gpus", "intel_gpus", "jetson_gpus"],
    (ChildKind.GPU, "used_memory_bytes"): ["gpus", "amd_gpu_used_memory", "intel_gpus", "jetson_gpus"],
    (ChildKind.GPU, "utilization_percent"): [
        "gpu_utilization",
        "gpu_engine_activity",
        "amd_gpu_utilization",
        "intel_gpus",
        "jetson_gpus",
    ],
    (ChildKind.GPU, "temperature_celsius"): [
        "gpu_temperature_of_each",
        "amd_gpu_temperature",
        "intel_gpus",
        "jetson_gpus",
    ],
    (ChildKind.GPU, "power_watts"): ["gpu_power", "amd_gpu_power", "intel_gpus", "jetson_gpus"],
    (ChildKind.GPU, "energy_joules"): ["gpu_energy_of_each", "amd_gpu_energy", "intel_gpus"],
    (ChildKind.GPU, "frequency_hertz"): ["gpu_frequency_of_each", "intel_gpus", "jetson_gpus"],
    (ChildKind.SENSOR, "temperature_celsius"): ["thermal_zones", "hardware_monitors", "macos_sensors"],
    (EntityKind.NODE, "cpu_usage_percent"): ["cpu_usage", "node_cpu_usage_by_receiver"],
    (ChildKind.INTERFACE, "receive_bytes_per_second"): ["interface_received", "interface_received_by_receiver"],
    (ChildKind.INTERFACE, "transmit_bytes_per_second"): ["interface_sent", "interface_sent_by_receiver"],
    (EntityKind.NODE, "cpu_frequency_hertz"): ["cpu_frequency", "cpu_frequency_by_agent"],
    (EntityKind.NODE, "cpu_max_frequency_hertz"): ["cpu_max_frequency", "cpu_max_frequency_by_agent"],
    (EntityKind.NODE, "energy_joules"): ["energy", "energy_plain", "energy_by_kepler"],
    (EntityKind.NODE, "power_watts"): ["power", "power_by_kepler"],
    **{
        (EntityKind.NODE, field): NODES
        for field in ("architecture", "latitude", "longitude", "reported_latitude", "reported_longitude", "host_id")
    },
    **{
        (EntityKind.NODE, field): [
            *KUBERNETES_NODES,
            *("hosts", *NODES, "cadvisor_hosts", "nodes_by_registry", "engine_by_agent"),
        ]
        for field in ("node_label", "last_seen_seconds")
    },
    (EntityKind.NODE, "name"): [*KUBERNETES_NODES, *NODES],
    **{(EntityKind.POD, field): PODS for field in ("name", "uid", "last_seen_seconds")},
    (EntityKind.POD, "namespace"): PODS[:2],
    (EntityKind.POD, "services"): ["pod_services", "pod_services_by_address"],
    (EntityKind.POD, "phase"): ["pod_phase", "pod_phase_by_receiver"],
    **{
        (ChildKind.CONTAINER, field): [
            *("containers", "containers_by_receiver", "init_containers"),
            *("docker_container_image_by_cadvisor", "docker_container_image"),
        ]
        for field in ("image", "last_seen_seconds")
    },
    (ChildKind.CONTAINER, "image_digest"): ["containers", "init_containers"],
    (ChildKind.CONTAINER, "container_id"): ["containers", "containers_by_receiver", "init_containers"],
    **{
        (ChildKind.CONTAINER, f"{resource}_{kind}_{unit}"): [
            *(f"container_{kind}s", f"container_{kind}s_by_receiver"),
            *(["docker_container_details_by_cadvisor"] if kind == "limit" else []),
        ]
        for resource, unit in (("cpu", "cores"), ("memory", "bytes"))
        for kind in ("request", "limit")
    },
    (ChildKind.CONTAINER, "restart_count"): [
        *("container_restarts", "container_restarts_by_receiver", "docker_container_states"),
    ],
    (ChildKind.CONTAINER, "state"): ["container_state", "docker_container_states"],
    (ChildKind.CONTAINER, "reason"): ["container_reason", "docker_container_states"],
    (ChildKind.CONTAINER, "oom_kill_count"): ["docker_container_details_by_cadvisor", "docker_container_states"],
    (ChildKind.CONTAINER, "is_ready"): ["container_ready", "container_ready_by_receiver"],
    **{
        (EntityKind.NODE, f"allocatable_{resource}"): ["node_allocatable", "node_allocatable_by_receiver"]
        for resource in ("cpu_cores", "memory_bytes", "pods")
    },
    (EntityKind.NODE, "conditions"): ["node_conditions", "node_conditions_by_receiver"],
    **{
        (EntityKind.POD, f"{direction}_bytes_per_second"): [
            *(f"pod_{direction}", f"pod_{direction}_by_receiver", "docker_container_traffic_by_cadvisor"),
        ]
        for direction in ("receive", "transmit")
    },
    (EntityKind.NODE, "system_uuid"): ["node_info", "machine_memory"],
    (ChildKind.CONTAINER, "start_seconds"): ["container_start", "docker_container_details_by_cadvisor"],
    **{(ChildKind.FILESYSTEM, field): ["filesystems", "filesystems_by_receiver"] for field in ("size_bytes", "fstype")},
    (ChildKind.FILESYSTEM, "root_available_bytes"): ["root_filesystem", "filesystems_by_receiver"],
    (EntityKind.NODE, "labels"): ["labels", "node_labels"],
    (EntityKind.NODE, "engine"): ["engine", "node_info", "engine_by_agent"],
    (EntityKind.NODE, "kernel_version"): ["nodes_by_uname", "node_info"],
    (ChildKind.CONTAINER, "cpu_usage_cores"): [
        "container_cpu",
        "container_cpu_renamed",
        "container_cpu_by_cadvisor",
        "docker_container_cpu_by_cadvisor",
        "docker_container_cpu",
    ],
    (ChildKind.CONTAINER, "memory_bytes"): [
        "container_memory",
        "container_memory_by_cadvisor",
        "docker_container_memory_by_cadvisor",
        "docker_container_memory",
    ],
}


def test_the_order_of_precedence() -> None:
    """Rows that fill the same field come in the documented order of precedence."""
    rows_by_field: dict[tuple[EntityKind | ChildKind, str], list[str]] = {}
    for row in CATALOG:
        for mapping in row.field_mappings:
            target = (row.entity_selector.child_kind or row.entity_selector.kind, mapping.field)
            rows_by_field.setdefault(target, []).append(row.name)
    assert {target: rows for target, rows in rows_by_field.items() if len(rows) > 1} == ROWS_BY_FIELD


def test_row_names_are_unique() -> None:
    """Two rows with one name are an error that names them."""
    with pytest.raises(ValueError, match="got several rows named oldest_sample"):
        compose_catalog([OLDEST_SAMPLE_ROW], [OLDEST_SAMPLE_ROW])


def test_every_row_is_read_once() -> None:
    """The stages of the builder read each row of the catalog exactly once."""
    assert sorted(row.name for row in sort_rows_by_stage(CATALOG)) == sorted(row.name for row in CATALOG)


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_field_of_the_model_is_filled(kind: EntityKind | ChildKind) -> None:
    """A row or the builder fills each field of the model."""
    filled = {
        mapping.field
        for row in CATALOG
        if (row.entity_selector.child_kind or row.entity_selector.kind) is kind
        or (kind is EntityKind.CLUSTER and row.entity_selector.kind is EntityKind.ORCHESTRATOR)
        for mapping in row.field_mappings
    }
    assert not set(MODEL_TYPES[kind].__struct_fields__) - filled - BUILDER_FIELDS[kind]


@pytest.mark.parametrize(
    "metric",
    [
        *("timestamp(up)", "tlum_orch_info", "node_uname_info", "SCA_score", "vulnerabilities"),
        *("node_cpu_frequency_max_hertz", "node_thermal_zone_temp", "scaph_host_energy_microjoules_total"),
        *('kube_node_status_capacity{resource="cpu"}', 'kube_node_status_capacity{resource="memory"}'),
        *("node_memory_MemFree_bytes", "node_network_info", "node_network_up", "node_network_address_info"),
        *("node_network_speed_bytes", "node_mounted", "kube_pod_info", "kube_pod_status_phase == 1"),
        *("kube_pod_container_info", "container_cpu_utilization_ratio", "tlum_ocm_agent_info"),
    ],
)
def test_the_metrics_of_the_go_service_are_queried(metric: str) -> None:
    """The catalog queries every metric of the 21 queries of the Go service."""
    assert any(metric in row.expression.text for row in CATALOG)
