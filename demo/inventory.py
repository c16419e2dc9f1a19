"""The lasting parts of a simulated fleet, drawn once from a seed: clusters and their hosts."""

import random
import uuid
from dataclasses import dataclass
from functools import cached_property

from demo.catalogue import CITIES, GPU_SERVER, MACHINES, NUC, PERIPHERALS, City, Hardware
from demo.page import labels

CONTROLLER = "icos-controller-1"
REGIONS = ("south", "central", "north")


@dataclass(frozen=True)
class Cluster:
    """One orchestrator's realm; `uid` is empty where there is no Kubernetes."""

    number: int
    kind: str
    name: str
    identity: str
    uid: str
    agent_id: str

    @cached_property
    def labels(self) -> str:
        """What every series of the cluster carries."""
        kubernetes = {"k8s_cluster_uid": self.uid} if self.uid else {}
        return labels(icos_agent_id=self.agent_id, icos_controller_id=CONTROLLER, **kubernetes)


@dataclass(frozen=True)
class Host:
    """One machine; `number` is unique in the fleet, `position` in its cluster, `booted_seconds` a point in time."""

    number: int
    position: int
    cluster: Cluster
    name: str
    machine_id: str
    hardware: Hardware
    city: City
    booted_seconds: float
    peripherals: tuple[tuple[str, str], ...]
    mac_suffix: str

    @property
    def is_kubernetes(self) -> bool:
        """Whether pods run here, and not containers alone."""
        return bool(self.cluster.uid)

    @cached_property
    def ip(self) -> str:
        """The address in the site's own network."""
        if not self.is_kubernetes:
            return f"192.168.40.{self.position + 43}"
        return f"10.{160 + self.cluster.number}.{self.position // 250}.{self.position % 250 + 1}"

    @cached_property
    def icos_name(self) -> str:
        """The name under which ICOS telemetry knows the host."""
        return f"{(self.cluster.uid or self.machine_id)[:8]}:{self.name}"

    @cached_property
    def kube_labels(self) -> str:
        """What series of the cluster's own exporters carry that concern this host."""
        return f"{self.cluster.labels},{labels(icos_host_name=self.icos_name)}"

    @cached_property
    def labels(self) -> str:
        """What series scraped on the host itself carry."""
        target = self.ip if self.is_kubernetes else "172.17.0.1"
        kubernetes = {"k8s_node_name": self.name} if self.is_kubernetes else {}
        return f"{self.kube_labels}," + labels(
            icos_host_id=self.machine_id,
            net_host_name=target,
            net_host_port="9100",
            instance=f"{target}:9100",
            job="icos-annotated-services",
            **kubernetes,
        )

    @cached_property
    def tlum_labels(self) -> str:
        """What the telemetry agent's own series carry."""
        return f"{self.labels},{labels(icos_cluster_id=self.cluster.identity)}"


def clusters(rng: random.Random) -> tuple[Cluster, ...]:
    """Return three OCM clusters, a Kubernetes NuvlaEdge and a Docker NuvlaEdge."""
    ocm = [_kubernetes(rng, number, "ocm", f"icos-{region}") for number, region in enumerate(REGIONS)]
    edge_id, box_id = _uuid(rng), _uuid(rng)
    edge = _kubernetes(rng, 3, "nuvla", f"infrastructure-service/{edge_id}")
    box = Cluster(4, "nuvla", f"nuvlabox/{box_id}", box_id, "", f"nuvlabox/{box_id}")
    return (*ocm, edge, box)


def _kubernetes(rng: random.Random, number: int, kind: str, name: str) -> Cluster:
    uid = _uuid(rng)
    return Cluster(number, kind, name, uid, uid, name if kind == "nuvla" else f"ocm-agent-{number + 1}")


def hosts(rng: random.Random, size: int, since_seconds: float) -> tuple[Host, ...]:
    """Return `size` hosts: one for the Docker NuvlaEdge, a tenth for the other, the rest for OCM."""
    members = clusters(rng)
    edge = max(2, size // 10)
    rest = size - 1 - edge
    first, second = rest // 2, rest * 3 // 10
    shares = (first, second, rest - first - second, edge, 1)
    places = [(cluster, position) for cluster, share in zip(members, shares, strict=True) for position in range(share)]
    return tuple(_host(rng, number, place, since_seconds) for number, place in enumerate(places))


def _host(rng: random.Random, number: int, place: tuple[Cluster, int], since_seconds: float) -> Host:
    cluster, position = place
    city = _city(cluster, position)
    return Host(
        number=number,
        position=position,
        cluster=cluster,
        name=_name(cluster, position, city),
        machine_id=f"{rng.getrandbits(128):032x}",
        hardware=_hardware(rng, cluster, position),
        city=city,
        booted_seconds=since_seconds - rng.randrange(3_600, 90 * 86_400),
        peripherals=tuple(rng.sample(PERIPHERALS, rng.choices((0, 1, 2), (5, 3, 2))[0])),
        mac_suffix=f"{rng.getrandbits(16):04x}",
    )


def _city(cluster: Cluster, position: int) -> City:
    """Give every four nodes a city of the cluster's region; a NuvlaEdge stands wherever."""
    cities = [city for city in CITIES if cluster.name == f"icos-{city.region}"] or CITIES
    return cities[(cluster.number + position // 4) % len(cities)]


def _name(cluster: Cluster, position: int, city: City) -> str:
    if not cluster.uid:
        return "docker-gateway"
    if cluster.kind == "nuvla":
        return f"nuvla-edge-{position + 1}"
    return f"{city.name}-master" if position == 0 else f"{city.name}-worker-{position}"


def _hardware(rng: random.Random, cluster: Cluster, position: int) -> Hardware:
    """Draw a machine; a few are given, so that the smallest fleet shows a GPU and a second architecture."""
    drawn = rng.choices(MACHINES, [kind.weight for kind in MACHINES])[0]
    if cluster.kind == "ocm" and position == 1:
        return GPU_SERVER
    if not cluster.uid:
        return NUC
    return drawn


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
