"""Invalid requests for candidates are refused with the field that is wrong."""

import math
from typing import Any

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup.candidates.request import NUMBER_BOUNDS, validate_request
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

ZONE = pb.LabelExpression(key="zone", operator="In", values=["a"])


@pytest.mark.parametrize(
    ("fields", "parameter", "problem"),
    [
        ({"cpu_cores": -1}, "cpu_cores", "must be between 0 and 1000000, got -1"),
        ({"cpu_cores": math.nan}, "cpu_cores", "must be between 0 and 1000000, got nan"),
        ({"cpu_cores": math.inf}, "cpu_cores", "must be between 0 and 1000000, got inf"),
        ({"memory_bytes": -1}, "memory_bytes", "must be between"),
        ({"memory_bytes": 2**62}, "memory_bytes", "must be between"),
        ({"gpu_count": -1}, "gpu_count", "must be between"),
        ({"min_security_score": 101}, "min_security_score", "must be between 0 and 100, got 101"),
        ({"max_critical_vulnerabilities": -1}, "max_critical_vulnerabilities", "must be between"),
        ({"max_power_watts": -1}, "max_power_watts", "must be between 0 and 1000000, got -1"),
        (
            {"tolerations": [pb.Toleration(operator="Exists", toleration_seconds=2**60)]},
            "tolerations[0].toleration_seconds",
            "must be between",
        ),
        ({"limit": 501}, "limit", "must be between 0 and 500, got 501"),
        ({"limit": -1}, "limit", "must be between"),
        ({"rejected_limit": 501}, "rejected_limit", "must be between"),
        ({"max_per_cluster": -1}, "max_per_cluster", "must be between"),
        ({"near": pb.Near(latitude=91, longitude=0)}, "near.latitude", "must be between -90 and 90, got 91"),
        ({"near": pb.Near(latitude=1)}, "near.longitude", "must be given"),
        ({"near": pb.Near()}, "near.latitude", "must be given"),
        ({"near": pb.Near(latitude=0, longitude=0, max_distance_km=-1)}, "near.max_distance_km", "must be between"),
        ({"ranking": pb.Ranking(free_cpu=-1)}, "ranking.free_cpu", "must be between 0 and 1000, got -1"),
        ({"ranking": pb.Ranking(distance=1)}, "ranking.distance", "needs `near`"),
        ({"devices": ["a"] * 33}, "devices", "must have at most 32 entries, got 33"),
        ({"devices": ["a", "b" * 318]}, "devices[1]", "must have at most 317 characters, got 318"),
        ({"clusters": ["a" * 318]}, "clusters[0]", "must have at most 317 characters"),
        ({"node_selector": {"": "a"}}, "node_selector", "a key must not be empty"),
        ({"node_selector": {"a": "b" * 318}}, "node_selector[a]", "must have at most 317 characters"),
        (
            {"label_expressions": [ZONE, pb.LabelExpression(key="a", operator="in", values=["b"])]},
            "label_expressions[1].operator",
            "must be a word of Kubernetes, got 'in'; did you mean In",
        ),
        ({"label_expressions": [pb.LabelExpression(operator="Exists")]}, "label_expressions[0].key", "must not be"),
        ({"label_expressions": [pb.LabelExpression(key="a")]}, "label_expressions[0].operator", "must be given"),
        (
            {"label_expressions": [pb.LabelExpression(key="a", operator="In")]},
            "label_expressions[0].values",
            "must have at least one value with In, got 0",
        ),
        (
            {"label_expressions": [pb.LabelExpression(key="a", operator="Exists", values=["b"])]},
            "label_expressions[0].values",
            "must have no values with Exists, got 1",
        ),
        (
            {"label_expressions": [pb.LabelExpression(key="a", operator="Gt", values=["1", "2"])]},
            "label_expressions[0].values",
            "must have one value with Gt, got 2",
        ),
        (
            {"label_expressions": [pb.LabelExpression(key="a", operator="Lt", values=["1.5"])]},
            "label_expressions[0].values",
            "must be an integer with Lt, got '1.5'",
        ),
        ({"tolerations": [pb.Toleration(operator="exists")]}, "tolerations[0].operator", "must be a word of"),
        ({"tolerations": [pb.Toleration(key="a", effect="NoRun")]}, "tolerations[0].effect", "must be a word of"),
        ({"tolerations": [pb.Toleration(value="a")]}, "tolerations[0].key", "must not be empty unless operator is"),
        (
            {"tolerations": [pb.Toleration(key="a", operator="Exists", value="b")]},
            "tolerations[0].value",
            "must be empty with Exists",
        ),
    ],
)
def test_an_invalid_field_is_named(fields: dict[str, Any], parameter: str, problem: str) -> None:
    """The error names the field, what is expected, and what was found."""
    with pytest.raises(BadRequestError) as caught:
        validate_request(pb.FindCandidatesRequest(**fields))
    assert caught.value.parameter == parameter
    assert str(caught.value).startswith(f"{parameter} {problem}")


def test_an_empty_request_is_valid() -> None:
    """Nothing is required: every node on which the scheduler would place a pod fits."""
    validate_request(pb.FindCandidatesRequest())


def test_every_number_has_bounds() -> None:
    """Each number of a request has bounds, which the API description shows."""
    messages = (pb.FindCandidatesRequest, pb.LabelExpression, pb.Toleration, pb.Near, pb.Ranking)
    numbers = {
        (message.DESCRIPTOR.name, field.name)
        for message in messages
        for field in message.DESCRIPTOR.fields
        if field.cpp_type not in (field.CPPTYPE_STRING, field.CPPTYPE_MESSAGE)
    }
    assert numbers == set(NUMBER_BOUNDS)
