"""The clusters and hosts of a simulated fleet, generated once from a seed."""

import random
import uuid
from dataclasses import dataclass
from functools import cached_property

from demo.exposition import format_labels
from demo.fleet_parts import CITIES, GPU_SERVER, HARDWARE_MODELS, NUC, PERIPHERALS, City, HardwareModel

CONTROLLER_ID = "icos-controller-1"
REGIONS = ("south", "central", "north")


@dataclass(frozen=True)
class SimulatedCluster:
    """The cluster of one orchestrator; `uid` is empty without Kubernetes."""

    number: int
    kind: str
    name: str
    cluster_id: str
    uid: str
    agent_id: str

    @cached_property
    def labels(self) -> str:
        """The labels of every series of the cluster."""
        kubernetes = {"k8s_cluster_uid": self.uid} if self.uid else {}
        return format_labels(icos_agent_id=self.agent_id, icos_controller_id=CONTROLLER_ID, **kubernetes)


@dataclass(frozen=True)
class SimulatedHost:
    """One machine; `fleet_index` is unique in the fleet, `cluster_index` in its cluster; `booted_seconds` is a time."""

    fleet_index: int
    cluster_index: int
    cluster: SimulatedCluster
    name: str
    machine_id: str
    hardware: HardwareModel
    city: City
    boot_time_seconds: float
    peripherals: tuple[tuple[str, str], ...]
    mac_suffix: str

    @property
    def is_kubernetes(self) -> bool:
        """Whether the host runs pods, and not just containers."""
        return bool(self.cluster.uid)

    @cached_property
    def ip(self) -> str:
        """The address in the network of the site."""
        if not self.is_kubernetes:
            return f"192.168.40.{self.cluster_index + 43}"
        return f"10.{160 + self.cluster.number}.{self.cluster_index // 250}.{self.cluster_index % 250 + 1}"

    @cached_property
    def icos_name(self) -> str:
        """The name of the host in ICOS telemetry."""
        return f"{(self.cluster.uid or self.machine_id)[:8]}:{self.name}"

    @cached_property
    def cluster_exporter_labels(self) -> str:
        """The labels of series about this host from exporters of the cluster."""
        return f"{self.cluster.labels},{format_labels(icos_host_name=self.icos_name)}"

    @cached_property
    def labels(self) -> str:
        """The labels of series that are scraped on the host."""
        target = self.ip if self.is_kubernetes else "172.17.0.1"
        kubernetes = {"k8s_node_name": self.name} if self.is_kubernetes else {}
        return f"{self.cluster_exporter_labels}," + format_labels(
            icos_host_id=self.machine_id,
            net_host_name=target,
            net_host_port="9100",
            instance=f"{target}:9100",
            job="icos-annotated-services",
            **kubernetes,
        )

    @cached_property
    def telemetry_agent_labels(self) -> str:
        """The labels of series of the telemetry agent."""
        return f"{self.labels},{format_labels(icos_cluster_id=self.cluster.cluster_id)}"


def generate_clusters(rng: random.Random) -> tuple[SimulatedCluster, ...]:
    """Return three OCM clusters, a Kubernetes NuvlaEdge and a Docker NuvlaEdge."""
    ocm = [_generate_kubernetes_cluster(rng, number, "ocm", f"icos-{region}") for number, region in enumerate(REGIONS)]
    edge_id, box_id = _generate_uuid(rng), _generate_uuid(rng)
    edge = _generate_kubernetes_cluster(rng, 3, "nuvla", f"infrastructure-service/{edge_id}")
    box = SimulatedCluster(4, "nuvla", f"nuvlabox/{box_id}", box_id, "", f"nuvlabox/{box_id}")
    return (*ocm, edge, box)


def _generate_kubernetes_cluster(rng: random.Random, number: int, kind: str, name: str) -> SimulatedCluster:
    uid = _generate_uuid(rng)
    return SimulatedCluster(number, kind, name, uid, uid, name if kind == "nuvla" else f"ocm-agent-{number + 1}")


def generate_hosts(rng: random.Random, host_count: int, since_seconds: float) -> tuple[SimulatedHost, ...]:
    """Return the hosts: one for the Docker NuvlaEdge, a tenth for the other NuvlaEdge, the rest for OCM."""
    clusters = generate_clusters(rng)
    edge = max(2, host_count // 10)
    rest = host_count - 1 - edge
    first, second = rest // 2, rest * 3 // 10
    shares = (first, second, rest - first - second, edge, 1)
    placements = [
        (cluster, position) for cluster, share in zip(clusters, shares, strict=True) for position in range(share)
    ]
    return tuple(_generate_host(rng, number, placement, since_seconds) for number, placement in enumerate(placements))


def _generate_host(
    rng: random.Random, number: int, placement: tuple[SimulatedCluster, int], since_seconds: float
) -> SimulatedHost:
    cluster, position = placement
    city = _select_city(cluster, position)
    return SimulatedHost(
        fleet_index=number,
        cluster_index=position,
        cluster=cluster,
        name=_build_host_name(cluster, position, city),
        machine_id=f"{rng.getrandbits(128):032x}",
        hardware=_select_hardware(rng, cluster, position),
        city=city,
        boot_time_seconds=since_seconds - rng.randrange(3_600, 90 * 86_400),
        peripherals=tuple(rng.sample(PERIPHERALS, rng.choices((0, 1, 2), (5, 3, 2))[0])),
        mac_suffix=f"{rng.getrandbits(16):04x}",
    )


def _select_city(cluster: SimulatedCluster, position: int) -> City:
    """Return a city in the region of the cluster, the same for four nodes; a NuvlaEdge may be anywhere."""
    cities = [city for city in CITIES if cluster.name == f"icos-{city.region}"] or CITIES
    return cities[(cluster.number + position // 4) % len(cities)]


def _build_host_name(cluster: SimulatedCluster, position: int, city: City) -> str:
    if not cluster.uid:
        return "docker-gateway"
    if cluster.kind == "nuvla":
        return f"nuvla-edge-{position + 1}"
    return f"{city.name}-master" if position == 0 else f"{city.name}-worker-{position}"


def _select_hardware(rng: random.Random, cluster: SimulatedCluster, position: int) -> HardwareModel:
    """Return a random model; a few are fixed, so that the smallest fleet has a GPU and two architectures."""
    random_hardware = rng.choices(HARDWARE_MODELS, [kind.weight for kind in HARDWARE_MODELS])[0]
    if cluster.kind == "ocm" and position == 1:
        return GPU_SERVER
    if not cluster.uid:
        return NUC
    return random_hardware


def _generate_uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
