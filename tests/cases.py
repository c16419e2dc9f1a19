"""The parity cases: an exposition, Prometheus' answers about it, and what the Go service 1.2.5 made of it.

tests/data/parity/README.md tells where the files come from.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from aggregator.models.build import build
from aggregator.models.catalog import CATALOG
from aggregator.models.topology import Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.decode import Sample
from aggregator.views import BY_NAME, etim, v1

PARITY = Path(__file__).parent / "data" / "parity"
GOLDEN = Path(__file__).parent / "data" / "golden"
NAMES = sorted(path.stem for path in PARITY.glob("*.prom"))
RECORD = "python -m tests.record_answers"

# When the series of a case without an answer of the Go service were scraped.
SOME_TIME_SECONDS = 1795208200.0
# How long after the scrape the documents are made.
AGE_SECONDS = 0.75

Json = Any


def exposition(name: str) -> str:
    """Return what was scraped, with the series that Prometheus itself adds to a scrape."""
    return (PARITY / f"{name}.prom").read_text(encoding="utf-8") + '\nup{instance="case",job="case"} 1\n'


def go_answer(name: str) -> Json:
    """Return what the Go service answered over HTTP, None where it sent an empty body."""
    text = (PARITY / f"{name}.go-1.2.5.json").read_text(encoding="utf-8")
    return json.loads(text) if text else None


def go_nodes(name: str) -> Json:
    """Return the nodes that the Go service answered with over gRPC, in protobuf's JSON."""
    return json.loads((PARITY / f"{name}.go-1.2.5.etim.json").read_text(encoding="utf-8"))["nodes"]


def scraped_at_seconds(name: str) -> float:
    """Return when the Go service's series were scraped."""
    answer = go_answer(name)
    return float(answer["timestamp"]["oldestTimestamp"]) if answer else SOME_TIME_SECONDS


@cache
def recorded(name: str) -> Mapping[str, Json]:
    """Return the recorded PromQL and answer of each row of the catalog that a real Prometheus had an answer for."""
    read: Mapping[str, Json] = json.loads((PARITY / f"{name}.answers.json").read_text(encoding="utf-8"))
    return read


def answers(name: str) -> dict[str, list[Sample]]:
    """Return the samples of each row, read by the row's own decoder."""
    by_row = recorded(name)
    return {
        row.name: row.query.decode(json.dumps(by_row[row.name]["answer"]).encode()).samples
        for row in CATALOG
        if row.name in by_row
    }


def topology(name: str) -> Topology:
    """Return what the builder makes of the recorded answers."""
    return build(answers(name), CATALOG)[0]


def golden(name: str) -> dict[str, bytes]:
    """Return what the golden files of a case should hold, by their names."""
    made = topology(name)
    now_seconds = scraped_at_seconds(name) + AGE_SECONDS
    nodes = text_format.MessageToString(etim.message(made), as_utf8=True)
    return {
        f"{name}.1.2.5.json": BY_NAME["1.2.5"](made, now_seconds),
        f"{name}.2025.json": BY_NAME["2025"](made, now_seconds),
        f"{name}.etim.txt": nodes.encode(),
        f"{name}.v1.json": _readable(BY_NAME[v1.JSON](made, now_seconds)),
    }


def _readable(document: bytes) -> bytes:
    return json.dumps(json.loads(document), indent=2, ensure_ascii=False).encode() + b"\n"


def unlike(go: Json, ours: Json, path: str = "") -> dict[str, tuple[Json, Json]]:
    """Return each path where ours has not what Go has, with both values; ours may have more.

    A path is the keys from the top, each after a slash; MISSING stands for what ours lacks.
    """
    if isinstance(go, dict) and isinstance(ours, dict):
        found: dict[str, tuple[Json, Json]] = {}
        for key, value in go.items():
            found |= unlike(value, ours.get(key, MISSING), f"{path}/{key}")
        return found
    return {} if type(go) is type(ours) and go == ours else {path: (go, ours)}


MISSING = "(missing)"

# The one path that may differ everywhere: it tells when the answer was made.
AGE = "/timestamp/timeSinceOldest"


def nodes_of(message: pb.InfrastructureModel) -> list[tuple[str, str, int, int]]:
    """Return of each node what the Go service fills: id, architecture, memory, available memory."""
    return sorted(
        (node.id, node.cpu_architecture, node.resources.memoryInBytes, node.available_resources.memoryInBytes)
        for node in message.nodes
    )


def go_nodes_of(name: str) -> list[tuple[str, str, int, int]]:
    """Return the same of the Go service's own answer."""
    return sorted(
        (
            node.get("id", ""),
            node.get("cpu_architecture", ""),
            int(node["resources"].get("memoryInBytes", 0)),
            int(node["available_resources"].get("memoryInBytes", 0)),
        )
        for node in go_nodes(name)
    )
