"""A naive evaluation of filters on the JSON of objects, to compare with."""

import operator
from datetime import datetime
from typing import Any

from google.protobuf import json_format

from aggregator.lookup.fields import ObjectKind
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

ORDER_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def list_objects(kind: ObjectKind, topology: pb.Topology) -> list[Any]:
    """Return the JSON of all objects of a kind in a topology, in order; containers include the names of their pod."""
    clusters = list(topology.clusters)
    if kind is ObjectKind.CLUSTERS:
        found: list[Any] = clusters
    elif kind is ObjectKind.NODES:
        found = [node for cluster in clusters for node in cluster.nodes]
    else:
        found = [pod for cluster in clusters for pod in cluster.pods]
    if kind is not ObjectKind.CONTAINERS:
        return [json_format.MessageToDict(each, preserving_proto_field_name=True) for each in found]
    return [_render_container(pod, each) for pod in found for each in pod.containers]


def _render_container(pod: pb.Pod, container: pb.Container) -> Any:
    document: dict[str, Any] = json_format.MessageToDict(container, preserving_proto_field_name=True)
    location = {"cluster": pod.cluster, "namespace": pod.namespace, "pod": pod.name, "node": pod.node}
    return document | {name: value for name, value in location.items() if value}


def find_values(document: Any, path: str) -> list[Any]:
    """Return all values at a path; an empty string counts as absent, except in a map."""
    if not path:
        return [] if document is None or document == "" else [document]
    name, _, rest = path.partition(".")
    if name in ("labels", "vulnerabilities"):
        entries = document.get(name, {})
        return [entries[rest]] if rest in entries else list(entries) if not rest else []
    inner = document.get(name)
    if isinstance(inner, list):
        return [value for each in inner for value in find_values(each, rest)]
    return [] if inner is None else find_values(inner, rest)


def matches_requirement(document: Any, path: str, operator_text: str, expected: list[str]) -> bool:
    """Return whether an object meets a requirement; the values are in JSON spelling."""
    values = find_values(document, path)
    if operator_text in ("exists", "!"):
        return bool(values) is (operator_text == "exists")
    if operator_text in ("=", "in"):
        return any(is_equal(value, each) for value in values for each in expected)
    if operator_text in ("!=", "notin"):
        return not any(is_equal(value, each) for value in values for each in expected)
    if operator_text in ("~", "!~"):
        return any(expected[0] in value for value in values) is (operator_text == "~")
    return any(
        ORDER_OPERATORS[operator_text](parse_comparable(value), parse_comparable(expected[0])) for value in values
    )


def is_equal(value: Any, expected: str) -> bool:
    """Return whether a value is the one that is wanted."""
    if isinstance(value, bool):
        return value is (expected == "true")
    if isinstance(value, float | int):
        return float(value) == float(expected)
    return str(value) == expected or (value.isdigit() and expected.isdigit() and int(value) == int(expected))


def parse_comparable(value: Any) -> float:
    """Return a number or a time as a number."""
    if isinstance(value, str) and "T" in value:
        return datetime.fromisoformat(value).timestamp()
    return float(value)
