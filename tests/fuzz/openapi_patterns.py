"""Patterns of valid values for parameters with their own syntax, for schemathesis.

The OpenAPI document has no patterns for them, because no pattern covers the whole syntax. Invalid values are tested in
tests/lookup and tests/server/http/test_routes_v1.py.
"""

from typing import Any

from aggregator.lookup.fields import (
    FieldType,
    ObjectKind,
    find_filter_field,
    get_descriptor,
    list_descriptor_fields,
    list_filter_field_names,
)
from aggregator.lookup.request import Resource
from tests.server.openapi.document import DIFF_PATH, GRAPH_PATHS, SUMMARY_PATHS, V1_PATHS, WATCH_PATH, find_resource

_GRAPH_PATTERNS = {"level": "^(nodes)?$", "cluster": "^(icos-south)?$"}
# The fields of a graph are the same for clusters that do not exist.
_FIELDS_PATH = "/api/v1/graph/api/graph/fields"
_PARAMETERS_OF_KINDS = ("filter", "labels", "fields", "depth")


def add_parameter_patterns(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document with a pattern for each parameter that has its own syntax."""
    for path in (*V1_PATHS, *SUMMARY_PATHS):
        for parameter in document["paths"][path]["get"]["parameters"]:
            pattern = _build_pattern(parameter["name"], find_resource(path))
            if pattern:
                parameter["schema"]["pattern"] = pattern
    for path in GRAPH_PATHS:
        for parameter in document["paths"][path]["get"].get("parameters", ()):
            if (path, parameter["name"]) == (_FIELDS_PATH, "cluster"):
                continue
            # Of the default level. Other levels have other fields, and no labels.
            pattern = _GRAPH_PATTERNS.get(parameter["name"]) or _build_pattern(parameter["name"], Resource.NODES)
            if pattern:
                parameter["schema"]["pattern"] = pattern
    # These are valid only with the right kind: tests/server/watch, tests/server/test_diff.py.
    for path in (WATCH_PATH, DIFF_PATH):
        operation = document["paths"][path]["get"]
        operation["parameters"] = [each for each in operation["parameters"] if each["name"] not in _PARAMETERS_OF_KINDS]
        for parameter in operation["parameters"]:
            if parameter["name"] == "cluster":
                parameter["schema"]["pattern"] = _GRAPH_PATTERNS["cluster"]
    # No value but the current version is valid, and this weight needs another field.
    schemas = document["components"]["schemas"]
    del schemas["v1.FindCandidatesRequest"]["properties"]["ifVersion"]
    del schemas["v1.Ranking"]["properties"]["distance"]
    return document


def _build_pattern(name: str, resource: Resource) -> str:
    if name == "filter" and resource.kind is not None:
        return _build_filter_pattern(resource.kind)
    if name == "labels":
        key = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?"
        requirement = rf"(!?{key}|{key}(=|==|!=){key}|{key} (in|notin) \({key}(,{key})?\))"
        return rf"^({requirement}(,{requirement})?)?$"
    if name == "fields":
        requirement = "|".join(field.name for field in list_descriptor_fields(get_descriptor(resource.message_type)))
        return rf"^(({requirement})(,({requirement})){{0,3}})?$"
    return ""


def _build_filter_pattern(kind: ObjectKind) -> str:
    names_by_type: dict[FieldType, list[str]] = {field_type: [] for field_type in FieldType}
    known_value_patterns = []
    for name in list_filter_field_names(kind):
        field = find_filter_field(kind, name.replace("KEY", "a"))
        if field is None or field.name.count(".") or "KEY" in name:
            continue
        if field.field_type is FieldType.STRING and field.known_values:
            known_value_patterns.append(rf"|{name}(=|!=)({'|'.join(field.known_values)})")
        else:
            names_by_type[field.field_type].append(name)
    string_names, number_names = "|".join(names_by_type[FieldType.STRING]), "|".join(names_by_type[FieldType.NUMBER])
    number_pattern = rf"|({number_names})([<>]=?|!?=)-?[0-9]{{1,9}}(Ki|Mi|Gi|k|M|G)?" if number_names else ""
    value_pattern = "[A-Za-z0-9._/:-]{0,40}"
    requirement_pattern = (
        rf"(!?({string_names})|({string_names})(=|!=|~){value_pattern}"
        rf"|({string_names}) (in|notin) \({value_pattern}(,{value_pattern}){{0,2}}\){number_pattern}"
        rf"{''.join(known_value_patterns)})"
    )
    return rf"^({requirement_pattern}(,{requirement_pattern})?)?$"
