"""What the Go service 1.2.5 answers is in our answer: from recorded answers of Prometheus, in no time.

tests/integration/test_parity_fixtures.py says the same of the running program.
"""

import json

import pytest

from aggregator.views import etim
from tests.cases import AGE, MISSING, NAMES, Json, go_answer, go_nodes_of, golden, nodes_of, topology, unlike
from tests.differences import OVER_GRPC, OVER_HTTP, WITHOUT_ANSWER


def test_every_case_is_judged() -> None:
    """Each case has its list of differences, or a reason why there is nothing to compare with."""
    assert sorted([*OVER_HTTP, *WITHOUT_ANSWER]) == NAMES


@pytest.mark.parametrize("name", OVER_HTTP)
def test_every_value_of_the_go_service_is_ours(name: str) -> None:
    """Path, JSON type and value are the same, except where a difference is listed; each listed one is real."""
    found = unlike(go_answer(name), json.loads(golden(name)[f"{name}.1.2.5.json"]))
    assert found.keys() - {AGE} == OVER_HTTP[name].keys()


@pytest.mark.parametrize("name", OVER_HTTP)
def test_keys_are_in_the_order_of_the_go_service(name: str) -> None:
    """The members of every object that both have are in the same order: consumers take the first that fits."""
    assert_same_order(go_answer(name), json.loads(golden(name)[f"{name}.1.2.5.json"]))


def assert_same_order(go: Json, ours: Json) -> None:
    """Fail where two objects, or objects in them, have common keys in another order."""
    if isinstance(go, dict) and isinstance(ours, dict):
        assert [key for key in ours if key in go] == [key for key in go if key in ours]
        for key in go.keys() & ours.keys():
            assert_same_order(go[key], ours[key])


@pytest.mark.parametrize("name", WITHOUT_ANSWER)
def test_where_the_go_service_says_nothing_we_answer(name: str) -> None:
    """A case that makes the Go service send an empty body has a topology here."""
    assert go_answer(name) is None
    assert json.loads(golden(name)[f"{name}.1.2.5.json"])["cluster"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OVER_GRPC])
def test_nodes_over_grpc_are_the_go_services(name: str) -> None:
    """Where series have the labels that the Go service reads, its gRPC answer has the same nodes as ours."""
    assert nodes_of(etim.message(topology(name))) == go_nodes_of(name)


@pytest.mark.parametrize("name", OVER_GRPC)
def test_nodes_that_the_go_service_loses_are_told(name: str) -> None:
    """Where it collapses nodes to one without id, or finds none, ours all have their ids."""
    nodes = nodes_of(etim.message(topology(name)))
    assert all(node_id for node_id, *_ in nodes)
    assert len(nodes) >= max(1, len(go_nodes_of(name)))
    assert nodes != go_nodes_of(name)


def test_the_comparison_sees_a_difference() -> None:
    """A missing member, another value, and another JSON type are each told; more members are not."""
    go = {"same": 1, "value": 1, "type": 1, "gone": 1, "in": {"value": "a"}}
    ours = {"same": 1, "value": 2, "type": 1.0, "more": 1, "in": {"value": "b"}}
    assert unlike(go, ours) == {
        "/value": (1, 2),
        "/type": (1, 1.0),
        "/gone": (1, MISSING),
        "/in/value": ("a", "b"),
    }
