"""What schemathesis is to write where a parameter has a language of its own: texts that are understood.

The document has no patterns for them, as none is as wide as the languages are. Texts that are not understood are in
tests/lookup and tests/server/test_api_v1.py.
"""

from typing import Any

from aggregator.lookup.items import Form, Kind, descriptor, field, fields_of, names
from aggregator.lookup.plan import Resource
from aggregator.server.api_v1 import PATHS
from aggregator.server.problems import API


def narrowed(document: dict[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document with a pattern for each parameter that has a language of its own."""
    for path, resource in PATHS.items():
        for parameter in document["paths"][f"{API}/{path}"]["get"]["parameters"]:
            pattern = _pattern(parameter["name"], resource)
            if pattern:
                parameter["schema"]["pattern"] = pattern
    return document


def _pattern(name: str, resource: Resource) -> str:
    if name == "filter" and resource.kind is not None:
        return _filter(resource.kind)
    if name == "labels":
        key = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?"
        one = rf"(!?{key}|{key}(=|==|!=){key}|{key} (in|notin) \({key}(,{key})?\))"
        return rf"^({one}(,{one})?)?$"
    if name == "fields":
        one = "|".join(each.name for each in fields_of(descriptor(resource.message)))
        return rf"^(({one})(,({one})){{0,3}})?$"
    return ""


def _filter(kind: Kind) -> str:
    by_form: dict[Form, list[str]] = {form: [] for form in Form}
    for name in names(kind):
        found = field(kind, name.replace("KEY", "a"))
        if found is not None and not found.name.count(".") and "KEY" not in name:
            by_form[found.form].append(name)
    texts, numbers = "|".join(by_form[Form.TEXT]), "|".join(by_form[Form.NUMBER])
    compared = rf"|({numbers})([<>]=?|!?=)-?[0-9]{{1,9}}(Ki|Mi|Gi|k|M|G)?" if numbers else ""
    word = "[A-Za-z0-9._/:-]{0,40}"
    one = rf"(!?({texts})|({texts})(=|!=|~){word}|({texts}) (in|notin) \({word}(,{word}){{0,2}}\){compared})"
    return rf"^({one}(,{one})?)?$"
