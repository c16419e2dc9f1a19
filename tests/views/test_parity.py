"""Responses of the Go service 1.2.5 compared with the views, from recorded Prometheus responses.

tests/integration/test_parity_fixtures.py compares them with the running program.
"""

import json

import pytest

from tests.support.parity_cases import (
    AGE_PATH,
    CASE_NAMES,
    MISSING,
    Json,
    build_case_topology,
    extract_go_nodes,
    extract_nodes,
    find_json_differences,
    read_go_response,
    render_etim_message,
    render_golden_files,
)
from tests.support.parity_differences import CASES_WITHOUT_GO_RESPONSE, GRPC_DIFFERENCES, HTTP_DIFFERENCES


def test_every_case_has_expected_differences() -> None:
    """Each case has a list of expected differences, or a reason why there is no response to compare with."""
    assert sorted([*HTTP_DIFFERENCES, *CASES_WITHOUT_GO_RESPONSE]) == CASE_NAMES


@pytest.mark.parametrize("name", HTTP_DIFFERENCES)
def test_values_equal_those_of_the_go_service(name: str) -> None:
    """Paths, JSON types and values equal those of the Go service, except for exactly the listed differences."""
    found = find_json_differences(read_go_response(name), json.loads(render_golden_files(name)[f"{name}.1.2.5.json"]))
    assert found.keys() - {AGE_PATH} == HTTP_DIFFERENCES[name].keys()


@pytest.mark.parametrize("name", HTTP_DIFFERENCES)
def test_keys_are_in_the_order_of_the_go_service(name: str) -> None:
    """Members that both have are in the same order: some clients take the first that fits."""
    assert_same_order(read_go_response(name), json.loads(render_golden_files(name)[f"{name}.1.2.5.json"]))


def assert_same_order(go: Json, ours: Json) -> None:
    """Fail if two objects, or objects in them, have common keys in a different order."""
    if isinstance(go, dict) and isinstance(ours, dict):
        assert [key for key in ours if key in go] == [key for key in go if key in ours]
        for key in go.keys() & ours.keys():
            assert_same_order(go[key], ours[key])


@pytest.mark.parametrize("name", CASES_WITHOUT_GO_RESPONSE)
def test_cases_without_response_of_the_go_service(name: str) -> None:
    """A case for which the Go service sends an empty body has a topology here."""
    assert read_go_response(name) is None
    assert json.loads(render_golden_files(name)[f"{name}.1.2.5.json"])["cluster"]


@pytest.mark.parametrize("name", [name for name in CASE_NAMES if name not in GRPC_DIFFERENCES])
def test_grpc_nodes_equal_those_of_the_go_service(name: str) -> None:
    """If series have the labels that the Go service reads, the nodes over gRPC are equal."""
    assert extract_nodes(render_etim_message(build_case_topology(name))) == extract_go_nodes(name)


@pytest.mark.parametrize("name", GRPC_DIFFERENCES)
def test_grpc_nodes_that_the_go_service_loses(name: str) -> None:
    """If the Go service merges nodes without ID, or finds none, all nodes have IDs here."""
    nodes = extract_nodes(render_etim_message(build_case_topology(name)))
    assert all(node_id for node_id, *_ in nodes)
    assert len(nodes) >= max(1, len(extract_go_nodes(name)))
    assert nodes != extract_go_nodes(name)


def test_the_comparison_reports_differences() -> None:
    """Missing members, other values and other JSON types are reported; additional members are not."""
    go = {"same": 1, "value": 1, "type": 1, "gone": 1, "in": {"value": "a"}}
    ours = {"same": 1, "value": 2, "type": 1.0, "more": 1, "in": {"value": "b"}}
    assert find_json_differences(go, ours) == {
        "/value": (1, 2),
        "/type": (1, 1.0),
        "/gone": (1, MISSING),
        "/in/value": ("a", "b"),
    }
