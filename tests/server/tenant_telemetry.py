"""Random telemetry of two tenants whose hosts and pods have equal names, addresses and machine IDs, with gaps."""

import random

from tests.support.samples import Series

SeriesByRow = dict[str, list[Series]]
Labels = dict[str, str]

# Clusters of each kind name themselves in another way. Series of the default cluster name no cluster.
CLUSTER_KINDS = ("ocm", "nuvla docker", "nuvla kubernetes", "plain")
DEFAULT_KIND = "default"
HOST_NAMES, MACHINE_IDS, POD_NAMES = ("h1", "h2"), ("m1", "m2", "m1\n"), ("p1", "p2")
SERIES_RATE = 0.8


class TenantTelemetry:
    """The series of one tenant's clusters. The UIDs of its clusters begin with the name of the tenant."""

    def __init__(self, tenant: str, rng: random.Random, kinds: tuple[str, ...]) -> None:
        self.series: SeriesByRow = {}
        self._rng = rng
        for number in range(rng.randint(0, 3)):
            kind = rng.choice(kinds)
            self._add_cluster(kind, f"{tenant}-{0 if kind == DEFAULT_KIND else number}")

    def _add(self, row: str, labels: Labels, value: float = 1) -> None:
        """Add a series, unless it is one of those that are missing."""
        if self._rng.random() < SERIES_RATE:
            self.series.setdefault(row, []).append((labels, str(value)))

    def _add_value(self, row: str, labels: Labels) -> None:
        self._add(row, labels, self._rng.randint(0, 10**6))

    def _add_cluster(self, kind: str, uid: str) -> None:
        cluster_labels: Labels = {}
        if kind == "ocm":
            cluster_labels = {"k8s_cluster_uid": uid} | ({"cluster": "shared"} if self._rng.random() < 0.5 else {})
            self._add("orchestrators", {"type": "ocm", "agent_name": "agent", "k8s_cluster_uid": uid})
            self._add("cluster_names", {"k8s_cluster_uid": uid, "name": "edge"})
        elif kind == "nuvla kubernetes":
            cluster_labels = {"k8s_cluster_uid": f"kubernetes {uid}"}
        elif kind == "plain":
            cluster_labels = {"cluster": uid}
        if kind.startswith("nuvla"):
            self._add("orchestrators", {"type": "nuvla", "agent_name": uid, "icos_host_name": f"{uid}:h1"})
        hosts = [self._add_host(kind, uid, name, cluster_labels) for name in self._rng.sample(HOST_NAMES, 2)]
        if kind == "nuvla docker":
            self._add_docker_containers(hosts[0])
            return
        for name in self._rng.sample(POD_NAMES, 2):
            self._add_pod(cluster_labels, name, self._rng.choice(hosts))

    def _add_host(self, kind: str, uid: str, name: str, cluster_labels: Labels) -> Labels:
        """Add all series of a host; return its labels."""
        labels = dict(cluster_labels)
        if kind in ("plain", DEFAULT_KIND):
            labels |= {"node": name}
        else:
            is_agent_host = kind == "nuvla docker" or (kind.startswith("nuvla") and name == "h1")
            host_name = f"{uid}:h1" if is_agent_host else name
            labels |= {"icos_host_id": self._rng.choice(MACHINE_IDS), "icos_host_name": host_name}
        self._add("nodes_by_uname", {**labels, "nodename": name, "net_host_name": "ip", "machine": "x86_64"})
        self._add("nodes_by_agent", {**labels, "hostname": name, "ip": "ip", "arch": "arm64"})
        for row in ("memory_free", "memory_total", "cpu_count", "temperature", "uptime", "gpu_temperature"):
            self._add_value(row, {**labels, "icos_agent_id": "agent"})
        self._add_value("cpu_capacity", self._select_labels(labels) | {"icos_agent_id": "agent"})
        self._add("cluster_links", labels)
        self._add("labels", {**labels, "label_owner": uid})
        self._add("interface_addresses", {**labels, "device": f"vpn-{uid}", "address": "10.0.0.1", "netmask": "24"})
        self._add("filesystems", {**labels, "device": "/dev/sda", "fstype": uid}, 9)
        self._add_value("devices", {**labels, "device": "camera", "resource_path": uid})
        scan = {"agent_hostname": name, "agent_ip": "ip", **cluster_labels}
        if cluster_labels:
            self._add_value("sca_score", scan)
            self._add_value("vulnerabilities", {**scan, "severity": uid})
        return labels

    def _select_labels(self, labels: Labels) -> Labels:
        """Return some of the labels of a host, with those that name its cluster."""
        kept = {"k8s_cluster_uid", "cluster", "node", self._rng.choice(("icos_host_id", "icos_host_name"))}
        if "k8s_cluster_uid" not in labels:
            kept.add("icos_host_name")
        return {label: value for label, value in labels.items() if label in kept}

    def _add_pod(self, cluster_labels: Labels, name: str, host: Labels) -> None:
        pod = {**cluster_labels, "namespace": "s", "pod": name}
        node = {label: value for label, value in host.items() if label in ("icos_host_name", "node")}
        self._add("pods", {**pod, **node, "uid": f"uid-{name}", "pod_ip": "10.1.0.1"})
        self._add("pod_phase", {**pod, "phase": self._rng.choice(("Running", "Failed"))})
        self._add("containers", {**pod, "container": "c", "image": str(cluster_labels)})
        kubelet = {"k8s_namespace_name": "s", "k8s_pod_name": name, "k8s_container_name": "c"}
        self._add_value("container_cpu", {**cluster_labels, **kubelet})
        self._add_value("container_memory_by_cadvisor", {**pod, "container": "c"})
        if cluster_labels:
            self._add("workloads", {**cluster_labels, "id": f"uid-{name}", "icos_app_instance": str(cluster_labels)})

    def _add_docker_containers(self, host: Labels) -> None:
        for number in "12":
            container = {**host, "container_id": number, "container_name": "c"}
            self._add("docker_containers", container)
            self._add_value("docker_container_cpu", container)


def mix_series(rng: random.Random, *tenants: SeriesByRow) -> SeriesByRow:
    """Return the series of several tenants in a random order that keeps the order of each tenant."""
    mixed: SeriesByRow = {}
    for row in sorted({row for series in tenants for row in series}):
        parts = [iter(series.get(row, [])) for series in tenants]
        turns = [part for part, series in zip(parts, tenants, strict=True) for _ in series.get(row, [])]
        rng.shuffle(turns)
        mixed[row] = [next(part) for part in turns]
    return mixed
