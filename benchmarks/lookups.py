"""How fast is a look-up of one node, and a filtered list of all? Over HTTP and gRPC, as a script asks."""

import json
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from benchmarks import asking, wrk
from benchmarks.cores import SERVER, on_core
from benchmarks.figures import Figure
from benchmarks.grpc import load
from benchmarks.processes import Program, gateway, running

QUESTION = "lookups"
PER_SECOND = 5000.0
LIST_MILLISECONDS = 10.0
SECONDS = 3.0
CALLS = 6_000
# So many other filters, one after another: each is one that the gateway has not seen.
FILTERS = 50
GET_NODE = "/aggregator.v1.TopologyService/GetNode"
# About half of the nodes have more than a threshold among these, few have a camera that nobody uses.
LISTS = {
    "those with some free memory": "free_memory_bytes>={at}Mi",
    "those with an available device of a name": "device.state=available,device~usb,free_memory_bytes>={at}",
    "none": "free_memory_bytes<{at}",
}


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Figure]:
    """Measure look-ups and lists on one size of fleet."""
    wrk_program = wrk.obtain()
    with running(gateway(prometheus_url, core=on_core(SERVER))) as ours:
        cluster, node = _a_node(ours)
        figures = [_over_http(wrk_program, ours, (cluster, node), nodes, rounds)]
        figures += _over_grpc(ours, (cluster, node), nodes, rounds)
        return figures + [figure for what, form in LISTS.items() for figure in _list(ours, what, form, nodes)]


def _a_node(ours: Program) -> tuple[str, str]:
    page = json.loads(asking.body(ours.url, "/api/v1/nodes?limit=1&fields=name,cluster"))
    return page["nodes"][0]["cluster"], page["nodes"][0]["name"]


def _over_http(program: wrk.Wrk, ours: Program, names: tuple[str, str], nodes: int, rounds: int) -> Figure:
    cluster, node = (quote(name, safe="") for name in names)
    url = f"{ours.url}/api/v1/clusters/{cluster}/nodes/{node}"
    rates = [program.requests_per_second(url, SECONDS) for _ in range(rounds)]
    return Figure(QUESTION, nodes, "GET one node", median(rates), "requests/s", at_least=PER_SECOND)


def _over_grpc(ours: Program, names: tuple[str, str], nodes: int, rounds: int) -> list[Figure]:
    request = pb.GetNodeRequest(cluster=names[0], node=names[1]).SerializeToString().hex()
    loads = [load(ours, CALLS, method=(GET_NODE, request)) for _ in range(rounds)]
    rate = median(load["calls_per_second"] for load in loads)
    cost = median(load["cpu_microseconds"] for load in loads)
    return [
        Figure(QUESTION, nodes, "GetNode", rate, "calls/s", at_least=PER_SECOND),
        Figure(QUESTION, nodes, "server CPU of a GetNode", cost, "µs"),
    ]


def _list(ours: Program, what: str, form: str, nodes: int) -> list[Figure]:
    """Measure filters that were not asked before; the nodes themselves have been, so they are written already."""
    asking.body(ours.url, "/api/v1/nodes")
    waits, used = [], ours.cpu_seconds()
    for number in range(FILTERS):
        path = f"/api/v1/nodes?{urlencode({'filter': form.format(at=number + 1)})}"
        began = time.monotonic()
        asking.body(ours.url, path)
        waits.append(1e3 * (time.monotonic() - began))
    cost = 1e3 * (ours.cpu_seconds() - used) / FILTERS
    name = f"a filtered list of nodes, {what}"
    return [
        Figure(QUESTION, nodes, name, median(waits), "ms", at_most=LIST_MILLISECONDS),
        Figure(QUESTION, nodes, f"server CPU of {name}", cost, "ms"),
    ]
