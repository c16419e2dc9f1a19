"""What a filter should find, told naively: from the JSON of an object, which a person reads."""

import operator
from datetime import datetime
from typing import Any

from google.protobuf import json_format

from aggregator.lookup.items import Kind
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def objects(kind: Kind, whole: pb.Topology) -> list[Any]:
    """Return the JSON of all objects of a kind in a topology, in order; containers tell where they are."""
    clusters = list(whole.clusters)
    if kind is Kind.CLUSTERS:
        found: list[Any] = clusters
    elif kind is Kind.NODES:
        found = [node for cluster in clusters for node in cluster.nodes]
    else:
        found = [pod for cluster in clusters for pod in cluster.pods]
    if kind is not Kind.CONTAINERS:
        return [json_format.MessageToDict(each, preserving_proto_field_name=True) for each in found]
    return [_standing(pod, each) for pod in found for each in pod.containers]


def _standing(pod: pb.Pod, container: pb.Container) -> Any:
    told: dict[str, Any] = json_format.MessageToDict(container, preserving_proto_field_name=True)
    where = {"cluster": pod.cluster, "namespace": pod.namespace, "pod": pod.name, "node": pod.node}
    return told | {name: value for name, value in where.items() if value}


def known(told: Any, path: str) -> list[Any]:
    """Return all values at a path that are known; what is text and empty is not, but in a mapping."""
    if not path:
        return [] if told is None or told == "" else [told]
    name, _, rest = path.partition(".")
    if name in ("labels", "vulnerabilities"):
        entries = told.get(name, {})
        return [entries[rest]] if rest in entries else list(entries) if not rest else []
    inner = told.get(name)
    if isinstance(inner, list):
        return [value for each in inner for value in known(each, rest)]
    return [] if inner is None else known(inner, rest)


def holds(told: Any, path: str, how: str, wanted: list[str]) -> bool:
    """Return whether an object is as a requirement has it; the values are written as JSON has them."""
    values = known(told, path)
    if how in ("exists", "!"):
        return bool(values) is (how == "exists")
    if how in ("=", "in"):
        return any(same(value, each) for value in values for each in wanted)
    if how in ("!=", "notin"):
        return not any(same(value, each) for value in values for each in wanted)
    if how in ("~", "!~"):
        return any(wanted[0] in value for value in values) is (how == "~")
    return any(ORDERS[how](ordered(value), ordered(wanted[0])) for value in values)


def same(value: Any, wanted: str) -> bool:
    """Return whether a value is the one that is wanted."""
    if isinstance(value, bool):
        return value is (wanted == "true")
    if isinstance(value, float | int):
        return float(value) == float(wanted)
    return str(value) == wanted or (value.isdigit() and wanted.isdigit() and int(value) == int(wanted))


def ordered(value: Any) -> float:
    """Return a number or a time as a number."""
    if isinstance(value, str) and "T" in value:
        return datetime.fromisoformat(value).timestamp()
    return float(value)
