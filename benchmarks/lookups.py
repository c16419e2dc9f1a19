"""How fast is a look-up of one node, and a filtered list of all? Over HTTP and gRPC, as a script asks."""

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import quote, urlencode

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from benchmarks import asking, wrk
from benchmarks.cores import SERVER, on_core
from benchmarks.figures import Figure, in_turn, medians, paired
from benchmarks.grpc import load
from benchmarks.processes import Program, bare, gateway, running

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
    program, core = wrk.obtain(), on_core(SERVER)
    with running(gateway(prometheus_url, core=core)) as ours, tempfile.TemporaryDirectory() as work:
        asked = _a_node(ours)
        (Path(work) / "http").write_bytes(asking.body(ours.url, asked.path))
        (Path(work) / "grpc").write_bytes(asking.message(ours.target, method=GET_NODE, request=asked.request))
        with running(bare(Path(work), core)) as least:
            figures = _over_http(program, (ours, least), asked, nodes, rounds)
            figures += _over_grpc((ours, least), asked, nodes, rounds)
        return figures + [figure for what, form in LISTS.items() for figure in _list(ours, what, form, nodes)]


class Asked(NamedTuple):
    """One node, as it is asked for over HTTP and over gRPC."""

    path: str
    request: bytes


def _a_node(ours: Program) -> Asked:
    page = json.loads(asking.body(ours.url, "/api/v1/nodes?limit=1&fields=name,cluster"))
    cluster, name = page["nodes"][0]["cluster"], page["nodes"][0]["name"]
    path = f"/api/v1/clusters/{quote(cluster, safe='')}/nodes/{quote(name, safe='')}"
    return Asked(path, pb.GetNodeRequest(cluster=cluster, node=name).SerializeToString())


def _over_http(
    program: wrk.Wrk, contest: tuple[Program, Program], asked: Asked, nodes: int, rounds: int
) -> list[Figure]:
    ours, least = (f"{each.url}{asked.path}" for each in contest)
    ask = partial(program.requests_per_second, seconds=SECONDS)
    given = in_turn({"bare": lambda: ask(least), "ours": lambda: ask(ours)}, rounds)
    rates = medians(given)
    return [
        Figure(QUESTION, nodes, "a bare ASGI app with a node's bytes", rates["bare"], "requests/s"),
        Figure(QUESTION, nodes, "GET one node", rates["ours"], "requests/s", at_least=PER_SECOND),
        Figure(QUESTION, nodes, "GET one node / bare", paired(given["ours"], given["bare"]), "×"),
    ]


def _over_grpc(contest: tuple[Program, Program], asked: Asked, nodes: int, rounds: int) -> list[Figure]:
    ours, least = contest
    given = in_turn(
        {
            "bare": lambda: load(least, CALLS),
            "ours": lambda: load(ours, CALLS, method=(GET_NODE, asked.request.hex())),
        },
        rounds,
    )
    rates = medians({name: [load["calls_per_second"] for load in loads] for name, loads in given.items()})
    costs = medians({name: [load["cpu_microseconds"] for load in loads] for name, loads in given.items()})
    return [
        Figure(QUESTION, nodes, "a bare handler with a node's bytes", rates["bare"], "calls/s"),
        Figure(QUESTION, nodes, "GetNode", rates["ours"], "calls/s", at_least=PER_SECOND),
        Figure(QUESTION, nodes, "server CPU of a call, bare", costs["bare"], "µs"),
        Figure(QUESTION, nodes, "server CPU of a GetNode", costs["ours"], "µs"),
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
