"""THE TABLE: what is asked of Prometheus and where it lands. Data, no code.

To add a metric, add a row (CONTRIBUTING.md has a worked example). Where several rows fill one field, the
first in this table that has a value wins. What each metric looks like is known from its exporter:
node_exporter, kube-state-metrics, the kubelet (through OpenTelemetry), cAdvisor, Scaphandre, NVIDIA's DCGM
exporter, and the ICOS telemetry agent (`tlum_*`) and security and forecasting modules.
"""

from aggregator.models.row import Fill, Owner, Part, Row, match
from aggregator.models.values import architecture, count, degrees, flag, real, text, trimmed, whole, word
from aggregator.querier.promql import Expression, average, largest, number, per_second, present, total

# Whose a series is: telemetry names a host by its machine id, its ICOS name, or plain `cluster`/`node` labels.
HOST = ("k8s_cluster_uid", "icos_host_id", "icos_host_name", "cluster", "node")
AGENT_HOST = ("icos_agent_id", *HOST)
# Replicas of a Prometheus show each device twice; within these labels the largest is taken before devices are added up.
EACH_GPU = (*AGENT_HOST, "gpu", "UUID")
MAKE_NODE = (("k8s_cluster_uid", "icos_host_id"), ("k8s_cluster_uid", "icos_host_name"), ("cluster", "node"))
FIND_NODE = (
    match("k8s_cluster_uid", "icos_host_id"),
    match("icos_host_id"),
    match("k8s_cluster_uid", "icos_host_name"),
    match("icos_host_name"),
    match("cluster", "node"),
)
FIND_CLUSTER = (match("k8s_cluster_uid"), match("icos_host_id"), match("icos_host_name"))
NODE_IDENTITY = (
    Fill("label", word, "node"),
    Fill("host_id", trimmed, "icos_host_id"),
    Fill("agent_id", word, "icos_agent_id"),
)
# kube-state-metrics and Scaphandre know no machine id; their series carry the agent and the ICOS host name.
FIND_NODE_BY_AGENT = (
    match("k8s_cluster_uid", "icos_agent_id", "icos_host_name"),
    match("icos_agent_id", "icos_host_name"),
    *FIND_NODE,
)
# The security module's own labels are its exporter's: these two name the host that it looked at.
FIND_SCANNED_NODE = (
    match("agent_ip=net_host_name", "agent_hostname=nodename"),
    match("agent_ip=ip", "agent_hostname=hostname"),
)

POD = ("k8s_cluster_uid", "namespace", "pod", "uid")
MAKE_POD = (("k8s_cluster_uid", "namespace", "pod"),)
FIND_POD = (match("k8s_cluster_uid", "namespace", "pod"), match("uid"), match("k8s_cluster_uid", "pod"))
KUBELET = ("k8s_cluster_uid", "k8s_namespace_name", "k8s_pod_name", "k8s_pod_uid", "k8s_container_name")
FIND_KUBELET_POD = (
    match("k8s_cluster_uid", "k8s_namespace_name=namespace", "k8s_pod_name=pod"),
    match("k8s_pod_uid=uid"),
    match("k8s_cluster_uid", "k8s_pod_name=pod"),
)
CADVISOR = ("k8s_cluster_uid", "namespace", "pod", "container")
FIND_CADVISOR_POD = (match("k8s_cluster_uid", "namespace", "pod"), match("k8s_cluster_uid", "pod"))
# A Docker host's container has no pod around it: it is made one of its own.
DOCKER = ("icos_host_id", "icos_host_name", "container_id", "container_name")
ON_KUBERNETES = '{k8s_container_name!=""}'
ON_DOCKER = '{container_name!="",k8s_pod_name=""}'

IDLE_SECONDS = 'node_cpu_seconds_total{mode="idle"}'
ON_DISK = '{fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|nsfs|rootfs|autofs|cgroup.*|fuse.*"}'


CATALOG: tuple[Row, ...] = (
    Row(
        "oldest_sample",
        Expression("min(timestamp(up))"),
        Owner.SYSTEM,
        (Fill("oldest_sample_seconds", real),),
        "when the scrape target that has been silent longest was last heard of",
        makes=((),),
    ),
    # --- clusters -----------------------------------------------------------------------------------------------
    Row(
        "orchestrators",
        present("tlum_orch_info", ("agent_name", "icos_host_name", "k8s_cluster_uid", "type")),
        Owner.ORCHESTRATOR,
        (Fill("type", word, "type"), Fill("agent_name", word, "agent_name")),
        "which clusters there are, and what orchestrates them",
        makes=(("k8s_cluster_uid", "icos_host_name", "agent_name", "type"),),
        keeps=True,
    ),
    Row(
        "cluster_names",
        present("tlum_ocm_agent_info", ("k8s_cluster_uid", "name")),
        Owner.CLUSTER,
        (Fill("name", word, "name"),),
        "what OCM calls a managed cluster",
        find=(match("k8s_cluster_uid=uid"),),
        keeps=True,
    ),
    Row(
        "cluster_links",
        largest('tlum_vnet_info{type="ClusterLink"}', ("k8s_cluster_uid", "icos_host_id", "icos_host_name")),
        Owner.CLUSTER,
        (Fill("is_linked", flag),),
        "clusters that ClusterLink joins to others",
        find=FIND_CLUSTER,
    ),
    # --- nodes: who they are ------------------------------------------------------------------------------------
    Row(
        "nodes_by_uname",
        present(
            "node_uname_info",
            (
                *("cluster", "icos_agent_id", "icos_alpha_latitude", "icos_alpha_longitude", "icos_cluster_id"),
                *("icos_controller_id", "icos_host_id", "icos_host_name", "k8s_cluster_uid", "machine"),
                *("net_host_name", "node", "nodename"),
            ),
        ),
        Owner.NODE,
        (
            *NODE_IDENTITY,
            Fill("name", word, "nodename"),
            Fill("architecture", architecture, "machine"),
            Fill("latitude", degrees, "icos_alpha_latitude"),
            Fill("longitude", degrees, "icos_alpha_longitude"),
        ),
        "hosts, as node_exporter's uname collector names them",
        makes=(*MAKE_NODE, ("k8s_cluster_uid", "nodename")),
        keeps=True,
    ),
    Row(
        "nodes_by_agent",
        present(
            "tlum_host_info",
            (
                *("arch", "cluster", "hostname", "icos_agent_id", "icos_cluster_id", "icos_controller_id"),
                *("icos_host_id", "icos_host_name", "ip", "k8s_cluster_uid", "latitude", "longitude"),
                *("net_host_name", "node"),
            ),
        ),
        Owner.NODE,
        (
            *NODE_IDENTITY,
            Fill("name", word, "hostname"),
            Fill("architecture", architecture, "arch"),
            Fill("latitude", degrees, "latitude"),
            Fill("longitude", degrees, "longitude"),
        ),
        "hosts, as the telemetry agent names them; enough where the uname collector is off",
        makes=(*MAKE_NODE, ("k8s_cluster_uid", "hostname")),
        keeps=True,
    ),
    Row(
        "engine",
        present("tlum_runtime_info", (*HOST, "type")),
        Owner.NODE,
        (Fill("engine", word, "type"),),
        "what runs the containers of a host",
        find=FIND_NODE,
    ),
    Row(
        "labels",
        Expression("tlum_host_labels", labels=None),
        Owner.NODE,
        (Fill("labels", word, key="label_*"),),
        "labels that people gave to a host",
        find=FIND_NODE,
    ),
    Row(
        "sca_score",
        largest("SCA_score", ("agent_hostname", "agent_ip")),
        Owner.NODE,
        (Fill("sca_score", whole),),
        "how well a host's configuration holds against its security checks, in percent",
        find=FIND_SCANNED_NODE,
        every=True,
    ),
    Row(
        "vulnerabilities",
        largest("vulnerabilities", ("agent_hostname", "agent_ip", "severity")),
        Owner.NODE,
        (Fill("vulnerabilities", whole, key="severity"),),
        "known vulnerabilities of a host, by severity",
        find=FIND_SCANNED_NODE,
        every=True,
    ),
    # --- nodes: processors and memory ---------------------------------------------------------------------------
    Row(
        "cpu_capacity",
        largest('kube_node_status_capacity{resource="cpu"}', AGENT_HOST),
        Owner.NODE,
        (Fill("cpu_cores", count),),
        "cores, as Kubernetes counts them",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "cpu_count",
        number(present(IDLE_SECONDS, (*HOST, "cpu")).text, HOST),
        Owner.NODE,
        (Fill("cpu_cores", count),),
        "cores, as the host counts them",
        find=FIND_NODE,
    ),
    Row(
        "memory_capacity",
        largest('kube_node_status_capacity{resource="memory"}', AGENT_HOST),
        Owner.NODE,
        (Fill("memory_bytes", whole),),
        "memory, as Kubernetes counts it",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "memory_total",
        largest("node_memory_MemTotal_bytes", HOST),
        Owner.NODE,
        (Fill("memory_total_bytes", whole), Fill("memory_bytes", whole)),
        "memory, as the host counts it",
        find=FIND_NODE,
    ),
    Row(
        "memory_free",
        largest("node_memory_MemFree_bytes", HOST),
        Owner.NODE,
        (Fill("memory_free_bytes", whole),),
        "memory that nothing uses",
        find=FIND_NODE,
    ),
    Row(
        "memory_available",
        largest("node_memory_MemAvailable_bytes", HOST),
        Owner.NODE,
        (Fill("memory_available_bytes", whole),),
        "memory that a new program could get without swapping",
        find=FIND_NODE,
    ),
    Row(
        "cpu_max_frequency",
        largest("node_cpu_frequency_max_hertz", HOST),
        Owner.NODE,
        (Fill("cpu_max_frequency_hertz", whole),),
        "the fastest core's highest clock rate",
        find=FIND_NODE,
    ),
    Row(
        "cpu_max_frequency_by_agent",
        average("tlum_cpu_max_freq", HOST).times("1e6"),
        Owner.NODE,
        (Fill("cpu_max_frequency_hertz", whole),),
        "the same from the telemetry agent, which counts in MHz",
        find=FIND_NODE,
    ),
    Row(
        "cpu_frequency",
        average("node_cpu_scaling_frequency_hertz", HOST),
        Owner.NODE,
        (Fill("cpu_frequency_hertz", real),),
        "the clock rate of now, mean of all cores",
        find=FIND_NODE,
    ),
    Row(
        "cpu_frequency_by_agent",
        average("tlum_cpu_freq", HOST).times("1e6"),
        Owner.NODE,
        (Fill("cpu_frequency_hertz", real),),
        "the same from the telemetry agent, which counts in MHz",
        find=FIND_NODE,
    ),
    Row(
        "cpu_usage",
        Expression(f"100 * (1 - {average(per_second(IDLE_SECONDS), HOST)})", HOST),
        Owner.NODE,
        (Fill("cpu_usage_percent", real),),
        "how busy the cores were in the last five minutes",
        find=FIND_NODE,
    ),
    Row(
        "cpu_usage_prediction",
        largest("intelligence_node_cpu_utilization_prediction", HOST),
        Owner.NODE,
        (Fill("cpu_usage_predicted_percent", real),),
        "how busy the forecasting module expects the cores to be",
        find=FIND_NODE,
    ),
    Row(
        "memory_usage_prediction",
        largest("intelligence_node_memory_utilization_prediction", HOST),
        Owner.NODE,
        (Fill("memory_usage_predicted_percent", real),),
        "how full the forecasting module expects the memory to be",
        find=FIND_NODE,
    ),
    # --- nodes: condition ---------------------------------------------------------------------------------------
    Row(
        "temperature",
        largest("node_thermal_zone_temp", HOST),
        Owner.NODE,
        (Fill("temperature_celsius", real),),
        "the hottest thermal zone",
        find=FIND_NODE,
    ),
    Row(
        "energy",
        largest("scaph_host_energy_microjoules_total", AGENT_HOST).divided_by("1e6"),
        Owner.NODE,
        (Fill("energy_joules", real),),
        "energy used since boot, as Scaphandre counts it through OpenTelemetry",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "energy_plain",
        largest("scaph_host_energy_microjoules", AGENT_HOST).divided_by("1e6"),
        Owner.NODE,
        (Fill("energy_joules", real),),
        "the same where Scaphandre is scraped directly",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "uptime",
        largest("(node_time_seconds - node_boot_time_seconds)", HOST),
        Owner.NODE,
        (Fill("uptime_seconds", real),),
        "time since boot, by the host's own clock",
        find=FIND_NODE,
    ),
    # --- nodes: graphics processors -----------------------------------------------------------------------------
    Row(
        "gpu_capacity",
        largest('kube_node_status_capacity{resource="nvidia_com_gpu"}', AGENT_HOST),
        Owner.NODE,
        (Fill("gpu_count", real),),
        "graphics processors that pods can ask for",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "gpu_frequency",
        largest("DCGM_FI_DEV_SM_CLOCK", AGENT_HOST).times("1e6"),
        Owner.NODE,
        (Fill("gpu_frequency_hertz", whole),),
        "the fastest graphics processor's clock rate of now; DCGM counts in MHz",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "gpu_max_frequency",
        largest("DCGM_FI_DEV_MAX_SM_CLOCK", AGENT_HOST).times("1e6"),
        Owner.NODE,
        (Fill("gpu_max_frequency_hertz", whole),),
        "the fastest graphics processor's highest clock rate; DCGM counts in MHz",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "gpu_memory",
        total(largest("DCGM_FI_DEV_FB_TOTAL", EACH_GPU).text, AGENT_HOST).times("1048576"),
        Owner.NODE,
        (Fill("gpu_memory_bytes", whole),),
        "memory of all graphics processors; DCGM counts in MiB",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "gpu_temperature",
        largest("DCGM_FI_DEV_GPU_TEMP", AGENT_HOST),
        Owner.NODE,
        (Fill("gpu_temperature_celsius", real),),
        "the hottest graphics processor",
        find=FIND_NODE_BY_AGENT,
    ),
    Row(
        "gpu_energy",
        total(largest("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", EACH_GPU).text, AGENT_HOST).times("1e-3"),
        Owner.NODE,
        (Fill("gpu_energy_joules", real),),
        "energy used by all graphics processors since their driver was loaded; DCGM counts in mJ",
        find=FIND_NODE_BY_AGENT,
    ),
    # --- parts of nodes -----------------------------------------------------------------------------------------
    Row(
        "interfaces",
        present("node_network_info", (*HOST, "device", "duplex")),
        Owner.NODE,
        (Fill("duplex", word, "duplex"),),
        "network interfaces",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "interface_up",
        largest("node_network_up", (*HOST, "device")),
        Owner.NODE,
        (Fill("is_up", flag),),
        "whether an interface is up",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "interface_addresses",
        present("node_network_address_info", (*HOST, "device", "address", "netmask")),
        Owner.NODE,
        (Fill("addresses", text, "netmask", key="address"),),
        "addresses of an interface",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "interface_speed",
        largest("node_network_speed_bytes", (*HOST, "device")),
        Owner.NODE,
        (Fill("speed_bytes_per_second", whole),),
        "what an interface can carry; negative where its driver does not know",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "interface_received",
        largest(per_second("node_network_receive_bytes_total"), (*HOST, "device")),
        Owner.NODE,
        (Fill("receive_bytes_per_second", real),),
        "bytes that came in, a second",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "interface_sent",
        largest(per_second("node_network_transmit_bytes_total"), (*HOST, "device")),
        Owner.NODE,
        (Fill("transmit_bytes_per_second", real),),
        "bytes that went out, a second",
        find=FIND_NODE,
        part=Part.INTERFACE,
        part_label="device",
    ),
    Row(
        "devices",
        largest("node_mounted", (*HOST, "device", "resource_path")),
        Owner.NODE,
        (Fill("state", whole), Fill("path", word, "resource_path")),
        "peripherals that device discovery sees",
        find=FIND_NODE,
        part=Part.DEVICE,
        part_label="device",
    ),
    Row(
        "filesystems",
        largest("node_filesystem_size_bytes" + ON_DISK, (*HOST, "device", "fstype")),
        Owner.NODE,
        (Fill("size_bytes", real), Fill("fstype", word, "fstype")),
        "file systems on disks, one for each block device",
        find=FIND_NODE,
        part=Part.FILESYSTEM,
        part_label="device",
    ),
    Row(
        "root_filesystem",
        largest('node_filesystem_avail_bytes{mountpoint="/"}', (*HOST, "device")),
        Owner.NODE,
        (Fill("root_available_bytes", real),),
        "what is left on the root file system for programs without privileges",
        find=FIND_NODE,
        part=Part.FILESYSTEM,
        part_label="device",
    ),
    # --- pods and containers ------------------------------------------------------------------------------------
    Row(
        "pods",
        present("kube_pod_info", (*POD, "icos_host_name", "node", "pod_ip")),
        Owner.POD,
        (
            Fill("name", text, "pod"),
            Fill("namespace", text, "namespace"),
            Fill("uid", text, "uid"),
            Fill("ip", word, "pod_ip"),
        ),
        "pods, as Kubernetes lists them",
        makes=MAKE_POD,
    ),
    Row(
        "pod_phase",
        present("(kube_pod_status_phase == 1)", (*POD, "phase")),
        Owner.POD,
        (Fill("phase", word, "phase"),),
        "how far a pod has come in its life",
        find=FIND_POD,
    ),
    Row(
        "workloads",
        present("tlum_workload_info", ("id", "icos_app_instance", "icos_app_name", "icos_app_component")),
        Owner.POD,
        (Fill("app", word, "icos_app_name"), Fill("component", word, "icos_app_component")),
        "applications of which a pod is a part",
        find=(match("id=uid"),),
        part=Part.WORKLOAD,
        part_label="icos_app_instance",
    ),
    Row(
        "containers",
        present("kube_pod_container_info", (*POD, "container")),
        Owner.POD,
        (),
        "containers of pods, as Kubernetes lists them",
        find=FIND_POD,
        part=Part.CONTAINER,
        part_label="container",
    ),
    Row(
        "container_cpu",
        largest("container_cpu_utilization_ratio" + ON_KUBERNETES, KUBELET),
        Owner.POD,
        (Fill("cpu_usage_cores", real),),
        "cores that a container keeps busy",
        find=FIND_KUBELET_POD,
        part=Part.CONTAINER,
        part_label="k8s_container_name",
        known_parts_only=True,
    ),
    Row(
        "container_cpu_renamed",
        largest("container_cpu_usage" + ON_KUBERNETES, KUBELET),
        Owner.POD,
        (Fill("cpu_usage_cores", real),),
        "the same under the name that newer collectors give it",
        find=FIND_KUBELET_POD,
        part=Part.CONTAINER,
        part_label="k8s_container_name",
        known_parts_only=True,
    ),
    Row(
        "container_memory",
        largest("container_memory_working_set_bytes" + ON_KUBERNETES, KUBELET),
        Owner.POD,
        (Fill("memory_bytes", whole),),
        "memory of a container that cannot be freed quickly, from the kubelet's statistics",
        find=FIND_KUBELET_POD,
        part=Part.CONTAINER,
        part_label="k8s_container_name",
        known_parts_only=True,
    ),
    Row(
        "container_memory_by_cadvisor",
        largest('container_memory_working_set_bytes{container!="",container!="POD"}', CADVISOR),
        Owner.POD,
        (Fill("memory_bytes", whole),),
        "the same from cAdvisor",
        find=FIND_CADVISOR_POD,
        part=Part.CONTAINER,
        part_label="container",
        known_parts_only=True,
    ),
    Row(
        "docker_containers",
        present("container_cpu_utilization_ratio" + ON_DOCKER, DOCKER),
        Owner.POD,
        (Fill("name", text, "container_name"), Fill("uid", text, "container_id")),
        "containers of Docker hosts: each becomes a pod of one container",
        makes=(DOCKER,),
    ),
    Row(
        "docker_container_cpu",
        largest("container_cpu_utilization_ratio" + ON_DOCKER, DOCKER).divided_by("100"),
        Owner.POD,
        (Fill("cpu_usage_cores", real),),
        "cores that a Docker host's container keeps busy; Docker counts in percent of one core",
        find=(match(*DOCKER),),
        part=Part.CONTAINER,
        part_label="container_name",
    ),
)
