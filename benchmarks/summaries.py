"""The size and the cost of summaries, and the cost of searches: python -m benchmarks.summaries [NODES].

In one process, without servers. Names of pods have random suffixes, as those of Kubernetes, and measured values are
random, so that nothing compresses better than in a real fleet.
"""

import gc
import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.results import JSON_ENCODER, LookupResult, TopologyIndex
from aggregator.lookup.search import DEFAULT_SEARCH_LIMIT
from aggregator.lookup.summary import SummaryRequest
from aggregator.models.topology import Cluster, Container, Filesystem, Node, Pod, Topology, add_version
from aggregator.util.content_coding import COMPACT_CONTENT_CODINGS
from aggregator.util.runtime import GC_THRESHOLDS

NODE_COUNT = 2000
NODES_PER_CLUSTER = 40
PODS_PER_NODE = 15
MAX_NODES_AND_PODS_BYTES = 300_000
MAX_SEARCH_MS = 50

# What Kubernetes makes the suffixes of names from.
_SUFFIX_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
_NOW_SECONDS = 1_795_208_160
_DAEMON_SETS = ("cilium", "kube-proxy", "node-exporter", "telemetry-agent")
_CITIES = (("Athens", "GR", 37.98, 23.73), ("Ljubljana", "SI", 46.05, 14.51), ("Madrid", "ES", 40.42, -3.7))


class PodHistory(NamedTuple):
    """What the replicas of a pod have in common: when they started, and about what they use."""

    started_seconds: float
    cpu_usage_cores: float
    memory_bytes: float


_Result = TypeVar("_Result")


def build_fleet(node_count: int) -> Topology:
    """Return a random fleet, the same each time, with 15 pods per node and two containers per pod."""
    rng = random.Random(7)
    clusters: dict[str, Cluster] = {}
    nodes: dict[tuple[str, str], Node] = {}
    pods: dict[tuple[str, str], Pod] = {}
    for start in range(0, node_count, NODES_PER_CLUSTER):
        cluster = f"cluster-{start // NODES_PER_CLUSTER:03}"
        clusters[cluster] = Cluster(key=cluster, uid=cluster, type="ocm", last_seen_seconds=_NOW_SECONDS)
        keys = [f"node-{number:05}" for number in range(start, min(start + NODES_PER_CLUSTER, node_count))]
        nodes |= {(cluster, key): _build_node(rng, cluster, key) for key in keys}
        pods |= {(cluster, pod.key): pod for pod in _generate_pods(rng, cluster, keys)}
    return add_version(Topology(clusters=clusters, nodes=dict(sorted(nodes.items())), pods=dict(sorted(pods.items()))))


def _build_node(rng: random.Random, cluster: str, key: str) -> Node:
    city, country, latitude, longitude = rng.choice(_CITIES)
    memory_bytes = rng.choice([8, 16, 64]) * 2**30 - rng.randrange(2**26)
    return Node(
        cluster=cluster,
        key=key,
        type="ocm",
        architecture=rng.choice(["x86_64", "aarch64"]),
        city=city,
        country=country,
        latitude=latitude + rng.uniform(-0.1, 0.1),
        longitude=longitude + rng.uniform(-0.1, 0.1),
        cpu_cores=rng.choice([4, 8, 16]),
        cpu_usage_percent=rng.uniform(2, 90),
        memory_bytes=memory_bytes,
        host_memory_bytes=memory_bytes,
        available_memory_bytes=int(memory_bytes * rng.uniform(0.1, 0.9)),
        temperature_celsius=rng.uniform(35, 80),
        filesystems={"/dev/sda1": Filesystem("/dev/sda1", "ext4", 2.5e11, rng.uniform(1e10, 2.4e11))},
        last_seen_seconds=_NOW_SECONDS - rng.randrange(30),
        pod_count=PODS_PER_NODE,
        conditions={"Ready": "true" if rng.random() < 0.99 else "false", "DiskPressure": "false"},
    )


def _generate_pods(rng: random.Random, cluster: str, nodes: list[str]) -> Iterator[Pod]:
    """Yield the pods of some DaemonSets and of Deployments with one to twenty replicas."""
    for name in _DAEMON_SETS:
        started_seconds = _NOW_SECONDS - rng.expovariate(1e-6)
        for node in nodes:
            place = (cluster, "kube-system", node)
            yield _build_pod(rng, place, ("DaemonSet", name), name, PodHistory(started_seconds, 0.01, 6e7))
    left = (PODS_PER_NODE - len(_DAEMON_SETS)) * len(nodes)
    while left > 0:
        name = f"{rng.choice(['web', 'api', 'worker', 'db', 'auth'])}-{rng.choice(['shop', 'video', 'core', 'edge'])}"
        namespace, replica_set = f"team-{rng.randrange(12)}", f"{name}-{_build_suffix(rng, 10)}"
        started_seconds = _NOW_SECONDS - rng.expovariate(1e-6)
        history = PodHistory(started_seconds, rng.lognormvariate(-4, 1.5), rng.lognormvariate(18.5, 1.2))
        replicas = min(left, rng.choice([1, 1, 2, 3, 5, 8, 20]))
        for _ in range(replicas):
            place = (cluster, namespace, rng.choice(nodes))
            yield _build_pod(rng, place, ("Deployment", name), replica_set, history)
        left -= replicas


def _build_pod(
    rng: random.Random,
    place: tuple[str, str, str],
    controller: tuple[str, str],
    owner: str,
    history: PodHistory,
) -> Pod:
    cluster, namespace, node = place
    name = f"{owner}-{_build_suffix(rng, 5)}"
    has_failed = rng.random() < 0.01
    containers = {
        key: Container(
            key,
            image=f"registry.example/{controller[1]}/{key}:1.{len(owner)}",
            cpu_usage_cores=history.cpu_usage_cores * rng.lognormvariate(0, 0.4),
            memory_bytes=int(history.memory_bytes * rng.lognormvariate(0, 0.4)),
            restart_count=rng.randrange(20) if rng.random() < 0.1 else 0,
            state="waiting" if has_failed else "running",
            reason="CrashLoopBackOff" if has_failed else None,
            memory_limit_bytes=2**29,
        )
        for key in ("main", "sidecar")
    }
    return Pod(
        cluster=cluster,
        key=f"{namespace}/{name}",
        name=name,
        namespace=namespace,
        node=node,
        phase="Running",
        ip=f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}",
        containers=containers,
        controller_kind=controller[0],
        controller_name=controller[1],
        # One in five was replaced since.
        start_seconds=(
            _NOW_SECONDS - rng.expovariate(3e-6)
            if rng.random() < 0.2
            else history.started_seconds + rng.uniform(0, 120)
        ),
        labels={"app": controller[1], "pod-template-hash": owner.rpartition("-")[2]},
        last_seen_seconds=_NOW_SECONDS,
    )


def _build_suffix(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(_SUFFIX_CHARACTERS, k=length))


def measure_ms(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """Return the CPU time and the result."""
    began = time.process_time()
    result = work()
    return 1e3 * (time.process_time() - began), result


def build_summary(index: TopologyIndex, kind: ObjectKind) -> LookupResult:
    """Return the summary of a kind."""
    return SummaryRequest(kind).execute(index, JSON_ENCODER)


def print_searches(index: TopologyIndex) -> None:
    """Print a Markdown table of the CPU times of searches."""
    index_ms, _ = measure_ms(lambda: index.search_index)
    print(f"\nSearched texts, once per version: {index_ms:.0f} ms\n")
    print("| search | matches | CPU |\n|---|---:|---:|")
    for query in ("a", "web-shop", "node-00123", "crashloop", "10.2.3", "nothing"):
        search_ms, (_, total) = measure_ms(lambda query=query: index.search_index.find(query, DEFAULT_SEARCH_LIMIT))  # type: ignore[misc]
        print(f"| {query} | {total:,} | {search_ms:.1f} ms |")
    print(f"\nTarget: {MAX_SEARCH_MS:g} ms.")


def main() -> None:
    """Print Markdown tables of sizes and CPU times."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    topology = build_fleet(int(sys.argv[1]) if sys.argv[1:] else NODE_COUNT)
    print(f"{len(topology.nodes):,} nodes, {len(topology.pods):,} pods\n")
    index = TopologyIndex(topology)
    states_ms, _ = measure_ms(lambda: (index.node_states, index.pod_states))
    print(f"States of all nodes and pods, once per version: {states_ms:.0f} ms\n")
    print("| summary | CPU | JSON | zstd | gzip |\n|---|---:|---:|---:|---:|")
    totals = dict.fromkeys(COMPACT_CONTENT_CODINGS, 0)
    for kind in ObjectKind:
        build_ms, result = measure_ms(lambda kind=kind: build_summary(index, kind))  # type: ignore[misc]
        cells = []
        for coding, encode in COMPACT_CONTENT_CODINGS.items():
            encode_ms, body = measure_ms(lambda encode=encode, result=result: encode(result.body))  # type: ignore[misc]
            cells.append(f"{len(body) / 1e3:,.0f} kB in {encode_ms:.0f} ms")
            totals[coding] += len(body) if kind in (ObjectKind.NODES, ObjectKind.PODS) else 0
        print(f"| {kind.value} | {build_ms:.0f} ms | {len(result.body) / 1e3:,.0f} kB | {' | '.join(cells)} |")
    sizes = ", ".join(f"{size / 1e3:,.0f} kB with {coding}" for coding, size in totals.items())
    print(f"\nNodes and pods: {sizes}. Target: {MAX_NODES_AND_PODS_BYTES / 1e3:,.0f} kB.")
    print_searches(index)


if __name__ == "__main__":
    main()
