"""The description of GET /api/v1/diff: the schema of its response, and examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.lookup.diff import FROM_PARAMETER
from aggregator.lookup.fields import ObjectKind, get_descriptor
from aggregator.lookup.watch_events import ADDED, MODIFIED, REMOVED
from aggregator.models.changes import CHANGE_KINDS
from aggregator.refresh.past import build_no_data_error
from aggregator.server.http.responses import API_V1_PATH, build_problem
from aggregator.server.openapi.examples import COMMON_PROBLEM_EXAMPLES, OpenApiExamples, build_example
from aggregator.server.openapi.schemas import build_object_schema
from aggregator.server.openapi.watch import build_bad_request_examples

DIFF_TAG = "diff"
DIFF_PATH = "/diff"

DIFF_EXAMPLE: Mapping[str, Any] = {
    "from": {"version": "9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6", "time": "2026-11-20T20:00:00Z", "complete": True},
    "to": {"version": "6d1f0c5f2b1e4a7c9d3e8f7a6b5c4d3e", "time": "2026-11-20T20:57:10Z", "complete": True},
    "totalCount": 2,
    "changes": [
        {
            "type": MODIFIED,
            "kind": "nodes",
            "id": "cd613e30-d8f1-4adf-91b7-584a2265b1f5/b2221a58008a05a6c4647159c324c985",
            "cluster": "icos-south",
            "name": "athens-master",
            "set": {"isUnschedulable": True},
            "before": {"isUnschedulable": False},
        },
        {
            "type": REMOVED,
            "kind": "pods",
            "id": "b9365c98-0e2a-47ae-9877-cdb877eae310",
            "cluster": "icos-south",
            "name": "telemetry-agent-cdn6r",
            "namespace": "icos-system",
        },
    ],
}

_NO_DATA_LINE = f"GET {API_V1_PATH}{DIFF_PATH}?{FROM_PARAMETER}=0"


def build_diff_schemas(prefix: str) -> dict[str, Any]:
    """Return the schemas by name; `prefix` is that of the names of v1 messages."""
    text, fields = {"type": "string"}, {"type": "object", "additionalProperties": {}}
    compared = {"version": text, "time": {**text, "format": "date-time"}, "complete": {"type": "boolean"}}
    objects = [
        {"$ref": f"#/components/schemas/{prefix}{get_descriptor(ObjectKind(kind).message_type).name}"}
        for kind in CHANGE_KINDS
    ]
    change = {
        "type": {**text, "enum": [ADDED, MODIFIED, REMOVED]},
        "kind": {**text, "enum": list(CHANGE_KINDS)},
        **dict.fromkeys(("id", "cluster", "name", "namespace"), text),
        "object": {"anyOf": objects},
        "set": fields,
        "unset": {"type": "array", "items": text},
        "before": fields,
    }
    sides = {"$ref": "#/components/schemas/ComparedTopology"}
    changes = {"type": "array", "items": {"$ref": "#/components/schemas/ObjectChange"}}
    return {
        "ComparedTopology": build_object_schema("ComparedTopology", compared),
        "ObjectChange": build_object_schema("ObjectChange", change, ("type", "kind", "id")),
        "Diff": build_object_schema(
            "Diff", {"from": sides, "to": sides, "totalCount": {"type": "integer"}, "changes": changes}
        ),
    }


def build_diff_problem_examples(parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems, by status."""
    return {
        400: build_bad_request_examples(f"{API_V1_PATH}{DIFF_PATH}", parameters),
        404: build_example(
            {"no data at this time": _NO_DATA_LINE}, build_problem(build_no_data_error(0, FROM_PARAMETER))
        ),
        **COMMON_PROBLEM_EXAMPLES,
    }
