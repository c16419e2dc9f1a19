"""The part of the OpenAPI document that tells of the quality: made from the message's own descriptor."""

import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.quality import (
    NOTHING_REASON,
    LeftOut,
    Quality,
    QualityTotals,
    QueryResult,
    RowQuality,
    SourceAnswer,
    UnfilledField,
    UnplacedObjects,
)
from aggregator.server.openapi import CHALLENGE
from aggregator.server.openapi_refusals import COMMON, shown
from aggregator.server.openapi_v1 import refusal
from aggregator.server.problems import QUALITY, problem
from aggregator.server.quality_api import no_parameter
from aggregator.views import quality as view

_KINDS = {
    FieldDescriptor.TYPE_BOOL: "boolean",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "integer",
}
# protobuf's own types have a descriptor of Python and one of C, which are alike.
_Message = Any
_TIMESTAMP = "google.protobuf.Timestamp"
_BAD = {"no such parameter": f"GET {QUALITY}?colour=blue"}

EXAMPLE = Quality(
    refresh_seconds=1795208230.5,
    refresh_duration_seconds=0.25,
    topology_version="6d1f0c5f2b1e4a7c9d3e8f7a6b5c4d3e",
    complete=False,
    totals=QualityTotals(
        clusters=1,
        nodes=2,
        pods=0,
        containers=0,
        queries=2,
        failed_queries=0,
        stood_in_queries=1,
        samples=5,
        placed_samples=4,
        unplaced_samples=1,
        dropped_samples=0,
        conflicting_samples=0,
        warnings=1,
    ),
    rows=(
        RowQuality(
            name="memory_free",
            note="memory that nothing uses",
            exporter="node_exporter, collector meminfo",
            promql="max by (k8s_cluster_uid, icos_host_id, icos_host_name, cluster, node) (node_memory_MemFree_bytes)",
            samples=3,
            placed_samples=2,
            unplaced=(LeftOut("no node with its labels", 1),),
            dropped=(),
            conflicts=(),
            sources=(
                SourceAnswer(
                    "prometheus:9090", QueryResult.OK, 0.012, samples=3, age_seconds=0.0, warnings=("a store is away",)
                ),
            ),
        ),
        RowQuality(
            name="uptime",
            note="time since boot, by the host's own clock",
            exporter="node_exporter, collector stat",
            promql="max by (icos_host_id) ((node_time_seconds - node_boot_time_seconds))",
            samples=2,
            placed_samples=2,
            unplaced=(),
            dropped=(LeftOut("not a number", 1),),
            conflicts=(LeftOut("uptime_seconds", 1),),
            sources=(
                SourceAnswer("prometheus:9090", QueryResult.STOOD_IN, 5.0, "no answer within 5 s", 2, age_seconds=10.0),
            ),
        ),
    ),
    unplaced_objects=(UnplacedObjects("nodes", "belongs to no known cluster", 1),),
    unfilled_fields=(
        UnfilledField(
            "Node",
            "temperature_celsius",
            NOTHING_REASON,
            ("temperature",),
            ("node_exporter, collector thermal_zone",),
        ),
    ),
    vanished=("cluster edge-b with 3 nodes, 20 s ago",),
)


def describe_quality(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the path and the schemas of the quality added."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _add(schemas, pb.Quality.DESCRIPTOR)
    document["paths"][QUALITY] = {"get": _operation()}
    return document


def _operation() -> dict[str, Any]:
    body = {"schema": _reference(pb.Quality.DESCRIPTOR), "example": json.loads(view.render_json(EXAMPLE))}
    content = {"content": {"application/json": body}}
    return {
        "tags": ["quality"],
        "summary": "What became of each query, and what is missing",
        "description": (
            "The last refresh, row by row of the table in docs/metrics.md: results, durations, samples and what was "
            "left out, and the fields that no sample fills with the exporters that would fill them. It is answered "
            "while there is no topology, too, and says why. It counts samples of all clusters, so who may see only "
            "some gets 403. It is the proto3 JSON mapping of what aggregator.v1.TopologyService/GetQuality answers."
        ),
        "operationId": "v1_quality",
        "security": [{}, {"token": []}],
        "responses": {
            "200": {"description": "The quality of the last refresh", **content},
            "400": refusal(400, shown(_BAD, problem(no_parameter("colour"))), {}),
            "401": refusal(401, COMMON[401], CHALLENGE),
            "403": refusal(403, COMMON[403], CHALLENGE),
        },
    }


def _reference(message: _Message) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{message.name}"}


def _add(schemas: dict[str, Any], message: _Message) -> None:
    """Add the schema of a message, and of those in it."""
    if message.name in schemas:
        return
    schemas[message.name] = {
        "type": "object",
        "properties": {field.json_name: _schema(schemas, field) for field in message.fields},
        "additionalProperties": False,
    }


def _schema(schemas: dict[str, Any], field: FieldDescriptor) -> dict[str, Any]:
    one = _schema_of_one(schemas, field)
    return {"type": "array", "items": one} if field.is_repeated else one


def _schema_of_one(schemas: dict[str, Any], field: FieldDescriptor) -> dict[str, Any]:
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values if value.number]}
    if field.message_type is None:
        return {"type": _KINDS[field.type]}
    if field.message_type.full_name == _TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    _add(schemas, field.message_type)
    return _reference(field.message_type)
