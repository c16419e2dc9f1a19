"""The description of GET /api/v1/graph and of the paths below it: schemas, parameters and examples."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.errors import NotFoundError, RequestError
from aggregator.lookup.graph import (
    DEFAULT_GRAPH_LIMIT,
    DEFAULT_LEVEL,
    EDGE_FIELDS,
    VERTEX_FIELDS,
    GraphField,
    parse_level,
)
from aggregator.lookup.results import CLUSTER_NOT_FOUND_MESSAGE
from aggregator.server.http.responses import API_V1_PATH, build_problem, build_unknown_parameter_error
from aggregator.server.openapi.examples import (
    COMMON_PROBLEM_EXAMPLES,
    EXAMPLE_NAMES,
    MISSPELLED_CLUSTER,
    OpenApiExamples,
    build_example,
    build_no_data_example,
)
from aggregator.server.openapi.schemas import build_object_schema

GRAPH_PATH = "/graph"
# The data source appends these to its URL.
DATA_PATH = "/graph/api/graph/data"
FIELDS_PATH = "/graph/api/graph/fields"
HEALTH_PATH = "/graph/api/health"

GRAPH_TAG = "graph"
EXAMPLE_CLUSTER = EXAMPLE_NAMES["cluster"]
LEVEL_DESCRIPTION = (
    "The smallest objects in the graph: those of this kind, and the objects that contain them. "
    f"The default is `{DEFAULT_LEVEL.value}`."
)
CLUSTER_DESCRIPTION = "The name of the only cluster in the graph. The default is all clusters."
FILTER_DESCRIPTION = (
    "Requirements on the objects of `level`, as in the list of these objects. The graph contains the objects that "
    "match, and those that contain them."
)
LABELS_DESCRIPTION = "A label selector in the Kubernetes syntax, for the labels of nodes; only with `level=nodes`."
LIMIT_DESCRIPTION = (
    f"The maximum number of objects in the graph. The default is {DEFAULT_GRAPH_LIMIT}. If there are more, the largest "
    "objects come first, one more vertex says how many are missing, and `totalCount` counts all."
)

RESPONSE_EXAMPLE: Mapping[str, Any] = {
    "nodes": [
        {"id": "cluster/icos-south", "title": "icos-south", "subtitle": "ocm", "detail__kind": "cluster"},
        {"id": "node/icos-south/athens-master", "title": "athens-master", "subtitle": "Athens", "detail__kind": "node"},
    ],
    "edges": [
        {
            "id": "cluster/icos-south>node/icos-south/athens-master",
            "source": "cluster/icos-south",
            "target": "node/icos-south/athens-master",
        }
    ],
    "totalCount": 2,
}


HEALTH_EXAMPLE: Mapping[str, str] = {"status": "ok"}


def _describe_field(field: GraphField) -> dict[str, str]:
    optional = {"displayName": field.label, "color": field.color}
    return {"field_name": field.name, "type": field.type, **{key: text for key, text in optional.items() if text}}


FIELDS_EXAMPLE: Mapping[str, Any] = {
    "nodes_fields": [_describe_field(each) for each in VERTEX_FIELDS],
    "edges_fields": [_describe_field(each) for each in EDGE_FIELDS],
}
HEALTH_BODY = json.dumps(HEALTH_EXAMPLE, separators=(",", ":")).encode() + b"\n"
FIELDS_BODY = json.dumps(FIELDS_EXAMPLE, separators=(",", ":")).encode() + b"\n"


def build_graph_problem_examples(path: str, parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems at a path that has the parameters of a graph, by status."""
    line = f"GET {API_V1_PATH}{path}"
    unknown_parameter: RequestError = build_unknown_parameter_error("colour", parameters)
    return {
        400: {
            **build_example({"unknown parameter": f"{line}?colour=blue"}, build_problem(unknown_parameter)),
            **build_example({"unknown level": f"{line}?level=racks"}, build_problem(_capture_level_error("racks"))),
        },
        **COMMON_PROBLEM_EXAMPLES,
    }


def build_cluster_problem_examples(path: str) -> OpenApiExamples:
    """Return the examples of the problems with a cluster that does not exist, and with a time without data."""
    error = NotFoundError(f"{CLUSTER_NOT_FOUND_MESSAGE} {MISSPELLED_CLUSTER!r}", nearest=("icos-south", "icos-north"))
    unknown_cluster = build_example(
        {"unknown cluster": f"GET {API_V1_PATH}{path}?cluster={MISSPELLED_CLUSTER}"}, build_problem(error)
    )
    return {**unknown_cluster, **build_no_data_example(f"GET {API_V1_PATH}{path}")}


def _capture_level_error(text: str) -> RequestError:
    try:
        parse_level(text)
    except RequestError as error:
        return error
    raise AssertionError(text)


def build_graph_schemas() -> dict[str, Any]:
    """Return the schemas of the graph by name."""
    field_names = {"type": "array", "items": {"$ref": "#/components/schemas/GraphField"}}
    text = {"type": "string"}
    return {
        "Graph": build_object_schema(
            "Graph",
            {
                "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/GraphVertex"}},
                "edges": {"type": "array", "items": {"$ref": "#/components/schemas/GraphEdge"}},
                "totalCount": {"type": "integer", "description": "The number of objects without a limit."},
            },
        ),
        "GraphVertex": _build_member_schema("GraphVertex", VERTEX_FIELDS),
        "GraphEdge": _build_member_schema("GraphEdge", EDGE_FIELDS),
        "GraphFields": build_object_schema("GraphFields", {"nodes_fields": field_names, "edges_fields": field_names}),
        "GraphField": build_object_schema(
            "GraphField",
            {"field_name": text, "type": text, "displayName": text, "color": text},
            required=("field_name", "type"),
        ),
    }


def _build_member_schema(title: str, fields: Sequence[GraphField]) -> dict[str, Any]:
    return build_object_schema(title, {each.name: {"type": each.type} for each in fields}, required=())
