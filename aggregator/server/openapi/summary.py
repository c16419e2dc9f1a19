"""The description of GET /api/v1/summary/{kind}: schemas and examples."""

import json
from collections.abc import Mapping
from typing import Any

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.results import JSON_ENCODER, TopologyIndex
from aggregator.lookup.summary import SUMMARY_COLUMNS, ColumnType, SummaryRequest
from aggregator.models.topology import Cluster, Container, Filesystem, Node, Pod, Topology
from aggregator.server.openapi.schemas import build_object_schema

SUMMARY_TAG = "summary"
SUMMARY_PATHS: Mapping[ObjectKind, str] = {kind: f"/summary/{kind.value}" for kind in ObjectKind}

_ITEM_SCHEMAS: Mapping[ColumnType, Mapping[str, Any]] = {
    ColumnType.TEXT: {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ColumnType.NUMBER: {"anyOf": [{"type": "number"}, {"type": "null"}]},
    ColumnType.BOOLEAN: {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
}

_EXAMPLE_TOPOLOGY = Topology(
    clusters={"icos-south": Cluster(key="icos-south", uid="", type="ocm", is_linked=True)},
    nodes={
        ("icos-south", "athens-master"): Node(
            cluster="icos-south",
            key="athens-master",
            type="ocm",
            architecture="x86_64",
            cpu_cores=4,
            cpu_usage_percent=35.2,
            memory_bytes=17_179_869_184,
            filesystems={"/dev/nvme0n1p2": Filesystem("/dev/nvme0n1p2", "ext4", 2.5e11, 1e11)},
            conditions={"Ready": "true"},
            last_seen_seconds=1_795_208_160.0,
        )
    },
    pods={
        ("icos-south", "telemetry-agent-cdn6r"): Pod(
            cluster="icos-south",
            key="telemetry-agent-cdn6r",
            name="telemetry-agent-cdn6r",
            namespace="icos-system",
            node="athens-master",
            phase="Running",
            containers={
                "telemetry-agent": Container(
                    "telemetry-agent",
                    image="registry.example/icos-system/telemetry-agent:1.1",
                    cpu_usage_cores=0.037442,
                    memory_bytes=260_330_390,
                )
            },
        )
    },
    version="9a1f5c1e8d7b4f60a3c2b1d0e9f8a7b6",
)


def build_summary_example(kind: ObjectKind) -> Any:
    """Return the summary of an example."""
    return json.loads(SummaryRequest(kind).execute(TopologyIndex(_EXAMPLE_TOPOLOGY), JSON_ENCODER).body)


def name_schema(kind: ObjectKind) -> str:
    """Return the name of the schema of a summary."""
    return f"{kind.singular_name.capitalize()}Summary"


def build_summary_schemas() -> dict[str, Any]:
    """Return the schemas of all summaries and of their columns, by name."""
    columns = {each.value: _build_values_schema(each) for each in _ITEM_SCHEMAS}
    return {
        **{name_schema(kind): _build_summary_schema(kind) for kind in ObjectKind},
        **columns,
        ColumnType.DICTIONARY.value: build_object_schema(
            ColumnType.DICTIONARY.value,
            {
                "names": {"type": "array", "items": _ITEM_SCHEMAS[ColumnType.TEXT]},
                "indexes": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            },
            description="Text that repeats: the value of an object is the name at its index. `null` is unknown.",
        ),
    }


def _build_values_schema(column_type: ColumnType) -> dict[str, Any]:
    values = {"type": "array", "items": _ITEM_SCHEMAS[column_type]}
    return build_object_schema(
        column_type.value, {"values": values}, description="One value for each object. `null` is unknown."
    )


def _build_summary_schema(kind: ObjectKind) -> dict[str, Any]:
    columns = {
        each.name: {
            "$ref": f"#/components/schemas/{each.column_type.value}",
            "description": f"{each.description[0].upper()}{each.description[1:]}.",
        }
        for each in SUMMARY_COLUMNS[kind]
    }
    return build_object_schema(
        name_schema(kind),
        {
            "version": {"type": "string"},
            "totalCount": {"type": "integer", "description": "The number of objects, and of values of each column."},
            "columns": build_object_schema("", columns),
        },
    )
