"""The parity cases: an exposition, the responses of Prometheus, and the response of the Go service 1.2.5.

tests/data/parity/README.md describes the origin of the files.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from aggregator.models.sample import Sample
from aggregator.models.topology import Topology
from aggregator.pb.etim import server_pb2 as pb
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.views import etim, v1_format
from aggregator.views.renderers import RENDERERS
from tests.support.catalog import CATALOG
from tests.support.samples import build_from_samples

PARITY_DIR = Path(__file__).parents[1] / "data" / "parity"
GOLDEN_DIR = Path(__file__).parents[1] / "data" / "golden"
CASE_NAMES = sorted(path.stem for path in PARITY_DIR.glob("*.prom"))
RECORD_COMMAND = "python -m tests.record_answers"

# The scrape time of cases for which the Go service returned no body.
DEFAULT_SCRAPE_TIME_SECONDS = 1795208200.0
# The time between scrape and rendering.
DOCUMENT_AGE_SECONDS = 0.75

Json = Any


def read_exposition(name: str) -> str:
    """Return the scraped exposition with the series `up`, which Prometheus adds."""
    return (PARITY_DIR / f"{name}.prom").read_text(encoding="utf-8") + '\nup{instance="case",job="case"} 1\n'


def read_go_response(name: str) -> Json:
    """Return the response of the Go service over HTTP, None for an empty body."""
    text = (PARITY_DIR / f"{name}.go-1.2.5.json").read_text(encoding="utf-8")
    return json.loads(text) if text else None


def read_go_nodes(name: str) -> Json:
    """Return the nodes of the Go service over gRPC, in the JSON of protobuf."""
    return json.loads((PARITY_DIR / f"{name}.go-1.2.5.etim.json").read_text(encoding="utf-8"))["nodes"]


def read_scrape_time_seconds(name: str) -> float:
    """Return the scrape time of a case."""
    response = read_go_response(name)
    return float(response["timestamp"]["oldestTimestamp"]) if response else DEFAULT_SCRAPE_TIME_SECONDS


@cache
def load_recorded_responses(name: str) -> Mapping[str, Json]:
    """Return the PromQL and the recorded response of each row for which Prometheus returned samples."""
    responses: Mapping[str, Json] = json.loads((PARITY_DIR / f"{name}.answers.json").read_text(encoding="utf-8"))
    return responses


def decode_case_samples(name: str) -> dict[str, list[Sample]]:
    """Return the samples of each row, decoded by the decoder of the row."""
    responses = load_recorded_responses(name)
    return {
        row.name: create_decoder(row.expression.labels)(json.dumps(responses[row.name]["answer"]).encode()).samples
        for row in CATALOG
        if row.name in responses
    }


def build_case_topology(name: str) -> Topology:
    """Build the topology from the recorded responses."""
    return build_from_samples(decode_case_samples(name))[0]


def render_etim_message(topology: Topology) -> pb.InfrastructureModel:
    """Return the message of the ETIM contract that a gateway sends for a topology."""
    return pb.InfrastructureModel.FromString(etim.render_etim(topology, 0.0))


def render_golden_files(name: str) -> dict[str, bytes]:
    """Return the expected contents of the golden files of a case, by file name."""
    topology = build_case_topology(name)
    now_seconds = read_scrape_time_seconds(name) + DOCUMENT_AGE_SECONDS
    nodes = text_format.MessageToString(render_etim_message(topology), as_utf8=True)
    return {
        f"{name}.1.2.5.json": RENDERERS["1.2.5"](topology, now_seconds),
        f"{name}.2025.json": RENDERERS["2025"](topology, now_seconds),
        f"{name}.etim.txt": nodes.encode(),
        f"{name}.v1.json": _format_json(RENDERERS[v1_format.V1_JSON](topology, now_seconds)),
    }


def _format_json(document: bytes) -> bytes:
    return json.dumps(json.loads(document), indent=2, ensure_ascii=False).encode() + b"\n"


def find_json_differences(expected: Json, actual: Json, path: str = "") -> dict[str, tuple[Json, Json]]:
    """Return the values of Go and of the gateway for each path where they differ; the gateway may have more paths.

    A path is the keys from the root, each after a slash; the value is MISSING if the gateway lacks the path.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        differences: dict[str, tuple[Json, Json]] = {}
        for key, value in expected.items():
            differences |= find_json_differences(value, actual.get(key, MISSING), f"{path}/{key}")
        return differences
    return {} if type(expected) is type(actual) and expected == actual else {path: (expected, actual)}


MISSING = "(missing)"

# The path that may always differ, because it depends on the time of the response.
AGE_PATH = "/timestamp/timeSinceOldest"


def extract_nodes(message: pb.InfrastructureModel) -> list[tuple[str, str, int, int]]:
    """Return the fields that the Go service sets for each node: ID, architecture, memory, available memory."""
    return sorted(
        (node.id, node.cpu_architecture, node.resources.memoryInBytes, node.available_resources.memoryInBytes)
        for node in message.nodes
    )


def extract_go_nodes(name: str) -> list[tuple[str, str, int, int]]:
    """Return the same fields of the response of the Go service."""
    return sorted(
        (
            node.get("id", ""),
            node.get("cpu_architecture", ""),
            int(node["resources"].get("memoryInBytes", 0)),
            int(node["available_resources"].get("memoryInBytes", 0)),
        )
        for node in read_go_nodes(name)
    )
