"""The throughput of look-ups of one node and of filtered lists, over HTTP and gRPC."""

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import quote, urlencode

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from benchmarks import simple_client, wrk
from benchmarks.cpu_affinity import SERVER_CPU, build_taskset_prefix
from benchmarks.grpc_throughput import run_grpc_load
from benchmarks.measurements import Measurement, compute_median_ratio, compute_medians, run_interleaved
from benchmarks.processes import ServerProcess, build_baseline_command, build_gateway_command, run_server

BENCHMARK_NAME = "lookups"
MIN_REQUESTS_PER_SECOND = 4000.0
MAX_LIST_MS = 10.0
WINDOW_SECONDS = 3.0
CALLS = 6_000
# The number of different filters, each new to the gateway.
FILTERS_PER_TEMPLATE = 50
GET_NODE_METHOD = "/aggregator.v1.TopologyService/GetNode"
# About half of the nodes exceed these thresholds; few have an unused camera.
FILTER_TEMPLATES = {
    "filtered by free memory": "free_memory_bytes>={at}Mi",
    "filtered by an available device": "device.state=available,device~usb,free_memory_bytes>={at}",
    "with an empty filter result": "free_memory_bytes<{at}",
}


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Measurement]:
    """Measure look-ups and lists for one fleet size."""
    wrk_runner, cpu_prefix = wrk.obtain_wrk(), build_taskset_prefix(SERVER_CPU)
    with (
        run_server(build_gateway_command(prometheus_url, cpu_prefix=cpu_prefix)) as gateway,
        tempfile.TemporaryDirectory() as work,
    ):
        node_request = _find_node_request(gateway)
        (Path(work) / "http").write_bytes(simple_client.fetch_body(gateway.url, node_request.path))
        (Path(work) / "grpc").write_bytes(
            simple_client.fetch_message(gateway.target, method=GET_NODE_METHOD, request=node_request.request)
        )
        with run_server(build_baseline_command(Path(work), cpu_prefix)) as baseline:
            measurements = _measure_http(wrk_runner, (gateway, baseline), node_request, nodes, rounds)
            measurements += _measure_grpc((gateway, baseline), node_request, nodes, rounds)
        return measurements + [
            figure
            for what, template in FILTER_TEMPLATES.items()
            for figure in _measure_filter(gateway, what, template, nodes)
        ]


class NodeRequest(NamedTuple):
    """One node, with its HTTP path and its gRPC request."""

    path: str
    request: bytes


def _find_node_request(gateway: ServerProcess) -> NodeRequest:
    page = json.loads(simple_client.fetch_body(gateway.url, "/api/v1/nodes?limit=1&fields=name,cluster"))
    cluster, name = page["nodes"][0]["cluster"], page["nodes"][0]["name"]
    path = f"/api/v1/clusters/{quote(cluster, safe='')}/nodes/{quote(name, safe='')}"
    return NodeRequest(path, pb.GetNodeRequest(cluster=cluster, node=name).SerializeToString())


def _measure_http(
    wrk_runner: wrk.WrkRunner,
    servers: tuple[ServerProcess, ServerProcess],
    node_request: NodeRequest,
    nodes: int,
    rounds: int,
) -> list[Measurement]:
    gateway_url, baseline_url = (f"{each.url}{node_request.path}" for each in servers)
    measure_rate = partial(wrk_runner.measure_requests_per_second, seconds=WINDOW_SECONDS)
    results = run_interleaved(
        {"baseline": lambda: measure_rate(baseline_url), "gateway": lambda: measure_rate(gateway_url)}, rounds
    )
    rates = compute_medians(results)
    return [
        Measurement(BENCHMARK_NAME, nodes, "a baseline ASGI app with a node's bytes", rates["baseline"], "requests/s"),
        Measurement(
            BENCHMARK_NAME, nodes, "GET one node", rates["gateway"], "requests/s", min_value=MIN_REQUESTS_PER_SECOND
        ),
        Measurement(
            BENCHMARK_NAME,
            nodes,
            "GET one node / baseline",
            compute_median_ratio(results["gateway"], results["baseline"]),
            "×",
        ),
    ]


def _measure_grpc(
    servers: tuple[ServerProcess, ServerProcess], node_request: NodeRequest, nodes: int, rounds: int
) -> list[Measurement]:
    gateway, baseline = servers
    results = run_interleaved(
        {
            "baseline": lambda: run_grpc_load(baseline, CALLS),
            "gateway": lambda: run_grpc_load(gateway, CALLS, method=(GET_NODE_METHOD, node_request.request.hex())),
        },
        rounds,
    )
    rates = compute_medians({name: [load["calls_per_second"] for load in loads] for name, loads in results.items()})
    costs = compute_medians({name: [load["cpu_microseconds"] for load in loads] for name, loads in results.items()})
    return [
        Measurement(BENCHMARK_NAME, nodes, "a baseline handler with a node's bytes", rates["baseline"], "calls/s"),
        Measurement(BENCHMARK_NAME, nodes, "GetNode", rates["gateway"], "calls/s", min_value=MIN_REQUESTS_PER_SECOND),
        Measurement(BENCHMARK_NAME, nodes, "server CPU of a call, baseline", costs["baseline"], "µs"),
        Measurement(BENCHMARK_NAME, nodes, "server CPU of a GetNode", costs["gateway"], "µs"),
    ]


def _measure_filter(gateway: ServerProcess, description: str, template: str, nodes: int) -> list[Measurement]:
    """Measure filters that are new to the gateway; the encoded nodes are cached already."""
    simple_client.fetch_body(gateway.url, "/api/v1/nodes")
    latencies_ms, cpu_before_seconds = [], gateway.read_cpu_seconds()
    for number in range(FILTERS_PER_TEMPLATE):
        path = f"/api/v1/nodes?{urlencode({'filter': template.format(at=number + 1)})}"
        began = time.monotonic()
        simple_client.fetch_body(gateway.url, path)
        latencies_ms.append(1e3 * (time.monotonic() - began))
    cpu_ms = 1e3 * (gateway.read_cpu_seconds() - cpu_before_seconds) / FILTERS_PER_TEMPLATE
    name = f"list of nodes {description}"
    return [
        Measurement(BENCHMARK_NAME, nodes, name, median(latencies_ms), "ms", max_value=MAX_LIST_MS),
        Measurement(BENCHMARK_NAME, nodes, f"server CPU of {name}", cpu_ms, "ms"),
    ]
