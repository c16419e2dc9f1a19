"""THE TABLE: what is asked of Prometheus and where it lands. Data, no code.

To add a metric, add a row (CONTRIBUTING.md has a worked example). A row is: its name, what is asked, whose the
samples are, which fields they fill, and what that means. Where several rows fill one field, the first that
has a value wins. What each metric looks like is known from its exporter: node_exporter, kube-state-metrics, the
kubelet (through OpenTelemetry), cAdvisor, Scaphandre, NVIDIA's DCGM exporter, and the ICOS telemetry agent
(`tlum_*`), security and forecasting modules.
"""

from aggregator.models.row import Fill, Row
from aggregator.models.values import (
    amount,
    architecture,
    count,
    degrees,
    flag,
    moment,
    real,
    text,
    trimmed,
    whole,
    word,
)
from aggregator.models.whose import (
    AGENT_HOST,
    CADVISOR_CONTAINER,
    CADVISOR_LABELS,
    CLUSTER_BY_UID,
    CLUSTER_OF_HOST,
    CONTAINER,
    DEVICE,
    DOCKER_CONTAINER,
    DOCKER_LABELS,
    EACH_GPU,
    FILESYSTEM,
    HOST,
    INTERFACE,
    KUBELET_CONTAINER,
    KUBELET_LABELS,
    NEW_DOCKER_POD,
    NEW_NODE_BY_AGENT,
    NEW_NODE_BY_UNAME,
    NEW_POD,
    NODE,
    NODE_BY_AGENT,
    ORCHESTRATOR,
    POD,
    POD_LABELS,
    SCANNED_NODE,
    SYSTEM,
    WORKLOAD,
)
from aggregator.querier.promql import Expression, average, largest, number, per_second, present, seen, total

IDLE_SECONDS = 'node_cpu_seconds_total{mode="idle"}'
DISKS_ONLY = '{fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|nsfs|rootfs|autofs|cgroup.*|fuse.*"}'
KUBELET_ONLY = '{k8s_container_name!=""}'
DOCKER_ONLY = '{container_name!="",k8s_pod_name=""}'

# Labels in the order of their names: of contradicting series, the last in that order wins, as in the Go service.
UNAME_LABELS = (
    *("cluster", "icos_agent_id", "icos_alpha_latitude", "icos_alpha_longitude", "icos_cluster_id"),
    *("icos_controller_id", "icos_host_id", "icos_host_name", "k8s_cluster_uid", "machine", "net_host_name"),
    *("node", "nodename"),
)
HOST_INFO_LABELS = (
    *("arch", "cluster", "hostname", "icos_agent_id", "icos_cluster_id", "icos_controller_id", "icos_host_id"),
    *("icos_host_name", "ip", "k8s_cluster_uid", "latitude", "longitude", "net_host_name", "node"),
)
# For rows whose samples say when an object was seen last.
SEEN = Fill("last_seen_seconds", moment, latest=True)
NODE_IDENTITY = (
    SEEN,
    Fill("label", word, "node"),
    Fill("host_id", trimmed, "icos_host_id"),
)
UNAME = (
    *NODE_IDENTITY,
    Fill("name", word, "nodename"),
    Fill("architecture", word, "machine"),
    Fill("latitude", degrees, "icos_alpha_latitude"),
    Fill("longitude", degrees, "icos_alpha_longitude"),
)
HOST_INFO = (
    *NODE_IDENTITY,
    Fill("name", word, "hostname"),
    Fill("architecture", architecture, "arch"),
    Fill("latitude", degrees, "latitude"),
    Fill("longitude", degrees, "longitude"),
)
POD_INFO = (
    SEEN,
    Fill("name", text, "pod"),
    Fill("namespace", text, "namespace"),
    Fill("uid", text, "uid"),
    Fill("ip", word, "pod_ip"),
)

# A table reads better with a row on two or three lines than on eight.
# fmt: off
CATALOG: tuple[Row, ...] = (
    Row("oldest_sample", Expression("min(timestamp(up))"), SYSTEM,
        (Fill("oldest_sample_seconds", real),),
        "when the scrape target that has been silent longest was last heard of"),
    # --- clusters
    Row("orchestrators", present("tlum_orch_info", ("agent_name", "icos_host_name", "k8s_cluster_uid", "type")),
        ORCHESTRATOR,
        (Fill("type", word, "type"), Fill("agent_name", word, "agent_name")),
        "which clusters there are, and what orchestrates them", vital=True),
    Row("cluster_names", present("tlum_ocm_agent_info", ("k8s_cluster_uid", "name")), CLUSTER_BY_UID,
        (Fill("name", word, "name"),), "what OCM calls a managed cluster", vital=True),
    Row("cluster_links",
        largest('tlum_vnet_info{type="ClusterLink"}', ("k8s_cluster_uid", "icos_host_id", "icos_host_name")),
        CLUSTER_OF_HOST,
        (Fill("is_linked", flag),), "clusters that ClusterLink joins to others"),
    # --- nodes: who they are
    Row("nodes_by_uname", seen("node_uname_info", UNAME_LABELS), NEW_NODE_BY_UNAME,
        UNAME, "hosts, as node_exporter's uname collector names them", vital=True),
    Row("nodes_by_agent", seen("tlum_host_info", HOST_INFO_LABELS), NEW_NODE_BY_AGENT,
        HOST_INFO, "hosts, as the telemetry agent names them; enough where the uname collector is off", vital=True),
    Row("engine", present("tlum_runtime_info", (*HOST, "type")), NODE,
        (Fill("engine", word, "type"),), "what runs the containers of a host"),
    Row("labels", Expression("tlum_host_labels", labels=None), NODE,
        (Fill("labels", word, key="label_*"),), "labels that people gave to a host"),
    Row("sca_score", largest("SCA_score", ("agent_hostname", "agent_ip")), SCANNED_NODE,
        (Fill("sca_score", whole),), "how well a host's configuration holds against its security checks, in percent"),
    Row("vulnerabilities", largest("vulnerabilities", ("agent_hostname", "agent_ip", "severity")), SCANNED_NODE,
        (Fill("vulnerabilities", amount, key="severity"),), "known vulnerabilities of a host, by severity"),
    # --- nodes: processors and memory
    Row("cpu_capacity", largest('kube_node_status_capacity{resource="cpu"}', AGENT_HOST), NODE_BY_AGENT,
        (Fill("cpu_cores", count),), "cores, as Kubernetes counts them"),
    Row("cpu_count", number(present(IDLE_SECONDS, (*HOST, "cpu")).text, HOST), NODE,
        (Fill("cpu_cores", count),), "cores, as the host counts them"),
    Row("memory_capacity", largest('kube_node_status_capacity{resource="memory"}', AGENT_HOST), NODE_BY_AGENT,
        (Fill("memory_bytes", amount),), "memory, as Kubernetes counts it"),
    Row("memory_total", largest("node_memory_MemTotal_bytes", HOST), NODE,
        (Fill("host_memory_bytes", amount), Fill("memory_bytes", amount)), "memory, as the host counts it"),
    Row("memory_free", largest("node_memory_MemFree_bytes", HOST), NODE,
        (Fill("free_memory_bytes", amount),), "memory that nothing uses"),
    Row("memory_available", largest("node_memory_MemAvailable_bytes", HOST), NODE,
        (Fill("available_memory_bytes", amount),), "memory that a new program could get without swapping"),
    Row("cpu_max_frequency", largest("node_cpu_frequency_max_hertz", HOST), NODE,
        (Fill("cpu_max_frequency_hertz", amount),), "the fastest core's highest clock rate"),
    Row("cpu_max_frequency_by_agent", average("tlum_cpu_max_freq", HOST).times("1e6"), NODE,
        (Fill("cpu_max_frequency_hertz", amount),), "the same from the telemetry agent, which counts in MHz"),
    Row("cpu_frequency", average("node_cpu_scaling_frequency_hertz", HOST), NODE,
        (Fill("cpu_frequency_hertz", count),), "the clock rate of now, mean of all cores"),
    Row("cpu_frequency_by_agent", average("tlum_cpu_freq", HOST).times("1e6"), NODE,
        (Fill("cpu_frequency_hertz", count),), "the same from the telemetry agent, which counts in MHz"),
    Row("cpu_usage", Expression(f"100 * (1 - {average(per_second(IDLE_SECONDS), HOST)})", HOST), NODE,
        (Fill("cpu_usage_percent", real),), "how busy the cores were in the last five minutes"),
    Row("cpu_usage_prediction", largest("intelligence_node_cpu_utilization_prediction", HOST), NODE,
        (Fill("cpu_usage_predicted_percent", real),), "how busy the forecasting module expects the cores to be"),
    Row("memory_usage_prediction", largest("intelligence_node_memory_utilization_prediction", HOST), NODE,
        (Fill("memory_usage_predicted_percent", real),), "how full the forecasting module expects the memory to be"),
    # --- nodes: condition
    Row("temperature", largest("node_thermal_zone_temp", HOST), NODE,
        (Fill("temperature_celsius", real),), "the hottest thermal zone"),
    Row("energy", largest("scaph_host_energy_microjoules_total", AGENT_HOST).divided_by("1e6"), NODE_BY_AGENT,
        (Fill("energy_joules", real),), "energy used since boot, as Scaphandre counts it through OpenTelemetry"),
    Row("energy_plain", largest("scaph_host_energy_microjoules", AGENT_HOST).divided_by("1e6"), NODE_BY_AGENT,
        (Fill("energy_joules", real),), "the same where Scaphandre is scraped directly"),
    Row("uptime", largest("(node_time_seconds - node_boot_time_seconds)", HOST), NODE,
        (Fill("uptime_seconds", real),), "time since boot, by the host's own clock"),
    # --- nodes: graphics processors
    Row("gpu_capacity", largest('kube_node_status_capacity{resource="nvidia_com_gpu"}', AGENT_HOST), NODE_BY_AGENT,
        (Fill("gpu_count", real),), "graphics processors that pods can ask for"),
    Row("gpu_frequency", largest("DCGM_FI_DEV_SM_CLOCK", AGENT_HOST).times("1e6"), NODE_BY_AGENT,
        (Fill("gpu_frequency_hertz", amount),),
        "the fastest graphics processor's clock rate of now; DCGM counts in MHz"),
    Row("gpu_max_frequency", largest("DCGM_FI_DEV_MAX_SM_CLOCK", AGENT_HOST).times("1e6"), NODE_BY_AGENT,
        (Fill("gpu_max_frequency_hertz", amount),),
        "the fastest graphics processor's highest clock rate; DCGM counts in MHz"),
    Row("gpu_memory", total(largest("DCGM_FI_DEV_FB_TOTAL", EACH_GPU).text, AGENT_HOST).times("1048576"),
        NODE_BY_AGENT,
        (Fill("gpu_memory_bytes", amount),), "memory of all graphics processors; DCGM counts in MiB"),
    Row("gpu_temperature", largest("DCGM_FI_DEV_GPU_TEMP", AGENT_HOST), NODE_BY_AGENT,
        (Fill("gpu_temperature_celsius", real),), "the hottest graphics processor"),
    Row("gpu_energy", total(largest("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", EACH_GPU).text, AGENT_HOST).times("1e-3"),
        NODE_BY_AGENT,
        (Fill("gpu_energy_joules", real),),
        "energy used by all graphics processors since their driver was loaded; DCGM counts in mJ"),
    # --- parts of nodes
    Row("interfaces", present("node_network_info", (*HOST, "device", "duplex")), INTERFACE,
        (Fill("duplex", word, "duplex"),), "network interfaces"),
    Row("interface_up", largest("node_network_up", (*HOST, "device")), INTERFACE,
        (Fill("is_up", flag),), "whether an interface is up"),
    Row("interface_addresses", present("node_network_address_info", (*HOST, "device", "address", "netmask")),
        INTERFACE,
        (Fill("addresses", text, "netmask", key="address"),), "addresses of an interface"),
    Row("interface_speed", largest("node_network_speed_bytes", (*HOST, "device")), INTERFACE,
        (Fill("speed_bytes_per_second", whole),),
        "what an interface can carry; negative where its driver does not know"),
    Row("interface_received", largest(per_second("node_network_receive_bytes_total"), (*HOST, "device")), INTERFACE,
        (Fill("receive_bytes_per_second", real),), "bytes that came in, a second"),
    Row("interface_sent", largest(per_second("node_network_transmit_bytes_total"), (*HOST, "device")), INTERFACE,
        (Fill("transmit_bytes_per_second", real),), "bytes that went out, a second"),
    Row("devices", largest("node_mounted", (*HOST, "device", "resource_path")), DEVICE,
        (Fill("state", whole), Fill("path", word, "resource_path")), "peripherals that device discovery sees"),
    Row("filesystems", largest("node_filesystem_size_bytes" + DISKS_ONLY, (*HOST, "device", "fstype")), FILESYSTEM,
        (Fill("size_bytes", real), Fill("fstype", word, "fstype")),
        "file systems on disks, one for each block device"),
    Row("root_filesystem", largest('node_filesystem_avail_bytes{mountpoint="/"}', (*HOST, "device")), FILESYSTEM,
        (Fill("root_available_bytes", real),),
        "what is left on the root file system for programs without privileges"),
    # --- pods and containers
    Row("pods", seen("kube_pod_info", (*POD_LABELS, "uid", "icos_host_name", "node", "pod_ip")), NEW_POD,
        POD_INFO, "pods, as Kubernetes lists them"),
    Row("pod_phase", present("(kube_pod_status_phase == 1)", (*POD_LABELS, "phase")), POD,
        (Fill("phase", word, "phase"),), "how far a pod has come in its life"),
    Row("workloads",
        present("tlum_workload_info", ("id", "icos_app_instance", "icos_app_name", "icos_app_component")), WORKLOAD,
        (Fill("app", word, "icos_app_name"), Fill("component", word, "icos_app_component")),
        "applications of which a pod is a part"),
    Row("containers", seen("kube_pod_container_info", (*POD_LABELS, "container", "image")), CONTAINER,
        (SEEN, Fill("image", word, "image")), "containers of pods, as Kubernetes lists them"),
    Row("container_cpu", largest("container_cpu_utilization_ratio" + KUBELET_ONLY, KUBELET_LABELS),
        KUBELET_CONTAINER,
        (Fill("cpu_usage_cores", real),), "cores that a container keeps busy"),
    Row("container_cpu_renamed", largest("container_cpu_usage" + KUBELET_ONLY, KUBELET_LABELS), KUBELET_CONTAINER,
        (Fill("cpu_usage_cores", real),), "the same under the name that newer collectors give it"),
    Row("container_memory", largest("container_memory_working_set_bytes" + KUBELET_ONLY, KUBELET_LABELS),
        KUBELET_CONTAINER,
        (Fill("memory_bytes", amount),),
        "memory of a container that cannot be freed quickly, from the kubelet's statistics"),
    Row("container_memory_by_cadvisor",
        largest('container_memory_working_set_bytes{container!="",container!="POD"}', CADVISOR_LABELS),
        CADVISOR_CONTAINER,
        (Fill("memory_bytes", amount),), "the same from cAdvisor"),
    Row("docker_containers", seen("container_cpu_utilization_ratio" + DOCKER_ONLY, DOCKER_LABELS), NEW_DOCKER_POD,
        (SEEN, Fill("name", text, "container_name"), Fill("uid", text, "container_id")),
        "containers of Docker hosts: each becomes a pod of one container"),
    Row("docker_container_cpu",
        largest("container_cpu_utilization_ratio" + DOCKER_ONLY, DOCKER_LABELS).divided_by("100"), DOCKER_CONTAINER,
        (Fill("cpu_usage_cores", real),),
        "cores that a Docker host's container keeps busy; Docker counts in percent of one core"),
    Row("docker_container_memory", largest("container_memory_working_set_bytes" + DOCKER_ONLY, DOCKER_LABELS),
        DOCKER_CONTAINER,
        (Fill("memory_bytes", amount),), "memory of a Docker host's container that cannot be freed quickly"),
)
# fmt: on
