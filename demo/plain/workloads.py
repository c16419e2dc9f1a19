"""What runs in a plain Kubernetes cluster: workloads, their containers, and the nodes of their replicas."""

from dataclasses import dataclass
from enum import Enum

MIB_BYTES = 1024**2
ALL_NODES: tuple[tuple[int, ...], ...] = ()
# The share of its requests that a container uses.
MEAN_CPU_SHARE, MAX_CPU_SHARE = 0.4, 0.6
MIN_MEMORY_SHARE, MAX_MEMORY_SHARE = 0.55, 0.85


class Behavior(Enum):
    """What happens to one replica of a workload: the last one, except that the first one moves."""

    STEADY = "run without interruption"
    CRASHES = "the container crashes soon after each start"
    EXCEEDS_MEMORY = "the container exceeds its memory limit from time to time"
    UNSCHEDULABLE = "no node has enough resources"
    MOVES = "it moves to another node from time to time, and keeps its name"
    REPLACED = "it is replaced from time to time, by a pod of another name"
    COMPLETES = "a job starts every few minutes and succeeds"
    FAILED = "the job has failed"
    EVICTED = "it was evicted, and another replica replaced it"


@dataclass(frozen=True)
class ContainerSpec:
    """A container of a workload. `cpu_limit_cores` is 0 if there is no limit."""

    name: str
    image: str
    cpu_request_cores: float
    memory_request_bytes: int
    cpu_limit_cores: float
    memory_limit_bytes: int


@dataclass(frozen=True)
class Workload:
    """A controller and its replicas: for each one, the numbers of the nodes that it runs on, in turn."""

    kind: str
    namespace: str
    name: str
    containers: tuple[ContainerSpec, ...]
    replica_nodes: tuple[tuple[int, ...], ...]
    behavior: Behavior = Behavior.STEADY
    init_container: ContainerSpec | None = None
    uses_host_network: bool = False
    volume_claim: str = ""

    def list_replica_nodes(self, node_count: int) -> tuple[tuple[int, ...], ...]:
        """Return the nodes of each replica; a DaemonSet has a replica on every node."""
        return self.replica_nodes or tuple((number,) for number in range(node_count))


def specify_container(
    name: str, image: str, millicores: int, mebibytes: int, *, limit_millicores: int = 0, limit_mebibytes: int = 0
) -> ContainerSpec:
    """Return a container; without a memory limit, its request is the limit."""
    return ContainerSpec(
        name,
        image,
        millicores / 1000,
        mebibytes * MIB_BYTES,
        limit_millicores / 1000,
        (limit_mebibytes or mebibytes) * MIB_BYTES,
    )


_LOG_SHIPPER = specify_container("log-shipper", "docker.io/fluent/fluent-bit:3.2", 20, 48, limit_mebibytes=96)

KUBE_STATE_METRICS = "kps-kube-state-metrics"
OTHER_KUBE_STATE_METRICS = "kube-state-metrics"
NODE_EXPORTER = "kps-prometheus-node-exporter"
ELASTICSEARCH_EXPORTER = "elasticsearch-exporter"
DATABASE = "db"
# It keeps its name, because it belongs to a StatefulSet.
MOVING_POD = f"{DATABASE}-0"

# On four nodes: 0 is the control plane, 3 is cordoned.
WORKLOADS = (
    Workload(
        "DaemonSet",
        "kube-system",
        "kube-proxy",
        (specify_container("kube-proxy", "registry.k8s.io/kube-proxy:v1.33.4", 50, 64, limit_mebibytes=128),),
        ALL_NODES,
        uses_host_network=True,
    ),
    Workload(
        "DaemonSet",
        "monitoring",
        NODE_EXPORTER,
        (specify_container("node-exporter", "quay.io/prometheus/node-exporter:v1.9.1", 30, 48, limit_mebibytes=64),),
        ALL_NODES,
        uses_host_network=True,
    ),
    Workload(
        "Deployment",
        "kube-system",
        "coredns",
        (specify_container("coredns", "registry.k8s.io/coredns/coredns:v1.12.0", 100, 70, limit_mebibytes=170),),
        ((1,), (2,)),
    ),
    Workload(
        "Deployment",
        "monitoring",
        KUBE_STATE_METRICS,
        (
            specify_container(
                "kube-state-metrics",
                "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0",
                100,
                128,
                limit_mebibytes=256,
            ),
        ),
        ((1,),),
    ),
    Workload(
        "StatefulSet",
        "monitoring",
        "prometheus-kps-kube-prometheus-stack-prometheus",
        (
            specify_container("prometheus", "quay.io/prometheus/prometheus:v3.5.0", 500, 1536, limit_mebibytes=3072),
            specify_container(
                "config-reloader",
                "quay.io/prometheus-operator/prometheus-config-reloader:v0.85.0",
                10,
                32,
                limit_millicores=10,
            ),
        ),
        ((2,),),
        volume_claim="prometheus-db",
    ),
    Workload(
        "Deployment",
        "search",
        ELASTICSEARCH_EXPORTER,
        (
            specify_container(
                "exporter", "quay.io/prometheuscommunity/elasticsearch-exporter:v1.9.0", 20, 32, limit_mebibytes=64
            ),
        ),
        ((1,),),
    ),
    Workload(
        "Deployment",
        "shop",
        "web",
        (
            specify_container(
                "nginx", "docker.io/library/nginx:1.29", 200, 128, limit_millicores=500, limit_mebibytes=256
            ),
            _LOG_SHIPPER,
        ),
        ((1,), (2,), (1,)),
        Behavior.REPLACED,
    ),
    Workload(
        "StatefulSet",
        "shop",
        DATABASE,
        (specify_container("postgres", "docker.io/library/postgres:17", 500, 1024, limit_millicores=500),),
        ((1, 2), (3,)),
        Behavior.MOVES,
        init_container=specify_container("init-schema", "docker.io/library/postgres:17", 50, 64),
        volume_claim="data",
    ),
    Workload(
        "Deployment",
        "shop",
        "recommender",
        (specify_container("recommender", "registry.example/shop/recommender:0.9", 100, 256, limit_millicores=200),),
        ((2,),),
        Behavior.CRASHES,
    ),
    Workload(
        "Deployment",
        "shop",
        "image-resizer",
        (specify_container("image-resizer", "registry.example/shop/image-resizer:2.4", 300, 384, limit_mebibytes=512),),
        ((1,),),
        Behavior.EXCEEDS_MEMORY,
    ),
    Workload(
        "Deployment",
        "shop",
        "trainer",
        (specify_container("trainer", "registry.example/shop/trainer:5.0", 32_000, 262_144),),
        ((0,),),
        Behavior.UNSCHEDULABLE,
    ),
    Workload(
        "Deployment",
        "shop",
        "cache",
        (specify_container("redis", "docker.io/library/redis:8", 100, 192, limit_mebibytes=256),),
        ((2,), (2,)),
        Behavior.EVICTED,
    ),
    Workload(
        "CronJob",
        "batch",
        "report",
        (specify_container("report", "registry.example/batch/report:1.1", 250, 256, limit_mebibytes=512),),
        ((1,),),
        Behavior.COMPLETES,
    ),
    Workload(
        "CronJob",
        "batch",
        "export",
        (specify_container("export", "registry.example/batch/export:1.1", 250, 256, limit_mebibytes=512),),
        ((2,),),
        Behavior.FAILED,
    ),
)

SECOND_KUBE_STATE_METRICS = Workload(
    "Deployment",
    "kube-system",
    OTHER_KUBE_STATE_METRICS,
    (
        specify_container(
            "kube-state-metrics",
            "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.18.0",
            100,
            128,
            limit_mebibytes=256,
        ),
    ),
    ((2,),),
)
