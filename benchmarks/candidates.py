"""The CPU time of a search for candidates: python -m benchmarks.candidates [NODES].

In one process, without servers: the search and the encoding of its result as JSON and as protobuf. The first search of
a topology also computes what the others reuse.
"""

import gc
import random
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

from aggregator.lookup.candidates.node_facts import CandidateIndex
from aggregator.lookup.candidates.search import find_candidates
from aggregator.models.topology import Cluster, Device, Node, Taint, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.candidate_service import encode_candidates_json, encode_candidates_protobuf
from aggregator.util.runtime import GC_THRESHOLDS

NODE_COUNT = 2000
NODES_PER_CLUSTER = 40
ROUNDS = 50
MAX_SEARCH_MS = 10.0

REQUESTS: Mapping[str, pb.FindCandidatesRequest] = {
    "CPU and memory": pb.FindCandidatesRequest(cpu_cores=2, memory_bytes=2**31),
    "nothing fits": pb.FindCandidatesRequest(cpu_cores=1000, memory_bytes=2**31),
    "labels, a device and a place": pb.FindCandidatesRequest(
        cpu_cores=1,
        architecture="amd64",
        devices=["video*"],
        node_selector={"zone": "a"},
        label_expressions=[pb.LabelExpression(key="disk", operator="In", values=["ssd", "nvme"])],
        near=pb.Near(latitude=46, longitude=14.5, max_distance_km=800),
    ),
    "all criteria, spread over clusters": pb.FindCandidatesRequest(
        cpu_cores=1,
        memory_bytes=2**30,
        near=pb.Near(latitude=46, longitude=14.5),
        max_per_cluster=2,
        limit=50,
        ranking=pb.Ranking(free_cpu=1, free_memory=1, security=1, distance=1, energy=1, spread=1),
    ),
    "500 candidates": pb.FindCandidatesRequest(limit=500),
}

_Result = TypeVar("_Result")


def build_topology(node_count: int) -> Topology:
    """Return a random fleet, the same each time."""
    rng = random.Random(7)
    nodes = {}
    for number in range(node_count):
        cluster, key = f"cluster-{number // NODES_PER_CLUSTER}", f"node-{number}"
        nodes[cluster, key] = _build_node(rng, cluster, key)
    clusters = {node.cluster: Cluster(key=node.cluster, uid=node.cluster, type="ocm") for node in nodes.values()}
    return add_version(Topology(clusters=dict(sorted(clusters.items())), nodes=dict(sorted(nodes.items()))))


def _build_node(rng: random.Random, cluster: str, key: str) -> Node:
    cores = rng.choice([4, 8, 16])
    device = Device("video0", rng.choice([0, 1]))
    taint = Taint("dedicated:NoSchedule", key="dedicated", value="ml", effect="NoSchedule")
    return Node(
        cluster=cluster,
        key=key,
        id=f"{cluster}/{key}",
        architecture=rng.choice(["x86_64", "aarch64"]),
        latitude=rng.uniform(36, 60),
        longitude=rng.uniform(-9, 30),
        labels={"zone": rng.choice("abc"), "disk": rng.choice(["ssd", "nvme", "hdd"])},
        sca_score=rng.randrange(100),
        cpu_cores=cores,
        power_watts=rng.uniform(10, 400),
        allocatable_cpu_cores=cores - 0.1,
        allocatable_memory_bytes=cores * 2**32,
        allocatable_pods=110,
        requested_cpu_cores=round(rng.uniform(0, cores), 3),
        requested_memory_bytes=rng.randrange(cores * 2**32),
        pod_count=rng.randrange(100),
        conditions={"Ready": "true", "DiskPressure": "false"},
        devices={"video0": device} if rng.random() < 0.5 else {},
        taints={taint.name: taint} if rng.random() < 0.1 else {},
    )


def measure_ms(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """Return the median of the CPU time, and the result."""
    costs_ms = []
    for _ in range(ROUNDS):
        began = time.process_time()
        result = work()
        costs_ms.append(1e3 * (time.process_time() - began))
    return median(costs_ms), result


def main() -> None:
    """Print a Markdown table of medians."""
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    node_count = int(sys.argv[1]) if sys.argv[1:] else NODE_COUNT
    topology = build_topology(node_count)
    index = CandidateIndex(topology)
    first_ms, _ = measure_ms(lambda: find_candidates(CandidateIndex(topology), REQUESTS["CPU and memory"]))
    print(f"first search of a topology of {node_count:,} nodes: {first_ms:.1f} ms\n")
    print("| request | candidates | search | JSON | protobuf |\n|---|---:|---:|---:|---:|")
    for name, request in REQUESTS.items():
        search_ms, result = measure_ms(lambda request=request: find_candidates(index, request))  # type: ignore[misc]
        json_ms, _ = measure_ms(lambda result=result: encode_candidates_json(result))  # type: ignore[misc]
        protobuf_ms, _ = measure_ms(lambda result=result: encode_candidates_protobuf(result))  # type: ignore[misc]
        cells = " | ".join(f"{cell:.1f} ms" for cell in (search_ms, json_ms, protobuf_ms))
        print(f"| {name} | {result.totals.candidates:,} | {cells} |")
    print(f"\nTarget: searches in at most {MAX_SEARCH_MS:g} ms.")


if __name__ == "__main__":
    main()
