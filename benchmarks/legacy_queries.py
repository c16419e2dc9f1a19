"""The 21 queries that the Go service 1.2.5 sends for one response."""

_HOST_JOIN = "* on(icos_agent_id, icos_host_name) group_left(icos_host_id) node_uname_info"

LEGACY_QUERIES = (
    "timestamp(up)",
    "tlum_orch_info",
    "node_uname_info",
    "SCA_score",
    "vulnerabilities",
    f"kube_node_status_capacity{{resource='cpu'}} {_HOST_JOIN}",
    f"kube_node_status_capacity{{resource='memory'}} {_HOST_JOIN}",
    "node_cpu_frequency_max_hertz",
    "node_thermal_zone_temp",
    f"scaph_host_energy_microjoules_total {_HOST_JOIN}",
    "node_memory_MemFree_bytes",
    "node_network_info",
    "node_network_up",
    "node_network_address_info",
    "node_network_speed_bytes",
    "node_mounted",
    "kube_pod_info",
    "kube_pod_status_phase == 1",
    "kube_pod_container_info",
    "container_cpu_utilization_ratio",
    "tlum_ocm_agent_info",
)
