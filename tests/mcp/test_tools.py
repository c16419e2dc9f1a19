"""The tools, called by the official client on the recorded fleet of the demo."""

import json
from collections.abc import Sequence

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import Tool

from aggregator.errors import NoTopologyError
from aggregator.lookup.fields import get_descriptor, list_descriptor_fields
from aggregator.mcp.answers import INCOMPLETE_NOTE, MAX_ANSWER_BYTES
from aggregator.mcp.gaps import summarize_quality
from aggregator.mcp.server import INTERNAL_ERROR_TEXT
from aggregator.mcp.tools import TOOLS, FindCandidates, Near
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.snapshot import Snapshot
from tests.mcp.tool_calls import ToolCaller
from tests.server.snapshot_provider import FAILED_GAP, FakeSnapshotProvider, build_snapshot


async def list_definitions(tools: ToolCaller) -> list[Tool]:
    """Return what a client learns about the tools."""
    async with tools.connect() as client:
        return (await client.list_tools()).tools


async def test_tools_describe_themselves(tools: ToolCaller) -> None:
    """Every tool has a description and a schema of an object without further arguments, and only reads."""
    definitions = await list_definitions(tools)
    assert [tool.name for tool in definitions] == [tool.name for tool in TOOLS]
    for tool in definitions:
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint


async def test_the_definitions_of_all_tools_are_short(tools: ToolCaller) -> None:
    """The definitions, which models read before every conversation, have at most 12 KiB."""
    definitions = await list_definitions(tools)
    assert sum(len(tool.model_dump_json(exclude_none=True)) for tool in definitions) < 12 * 1024


async def test_the_overview_has_a_row_for_each_cluster(tools: ToolCaller) -> None:
    """get_overview returns health and totals of each cluster."""
    result = await tools.call("get_overview")
    assert result.notes == []
    assert [row["name"] for row in result.document["clusters"]][:3] == ["icos-central", "icos-north", "icos-south"]
    south = result.document["clusters"][2]
    assert (south["health"], south["nodeCount"], south["podCount"], south["warningPodCount"]) == ("ok", 3, 13, 1)


async def test_problems_have_their_reasons(tools: ToolCaller) -> None:
    """list_problems returns the objects that are not well, and what is wrong."""
    document = (await tools.call("list_problems")).document
    assert document["nodes"] == []
    (pod,) = document["pods"]
    assert (pod["cluster"], pod["health"], pod["problems"]) == ("icos-south", "warning", "Pending")
    assert (await tools.call("list_problems", cluster="icos-north")).document["pods"] == []


async def test_lists_are_filtered_and_masked(tools: ToolCaller) -> None:
    """list_objects returns the fields of the objects that match."""
    result = await tools.call(
        "list_objects", kind="pods", filter="phase!=Running", cluster="icos-south", fields="name,phase"
    )
    assert result.document == {
        "totalCount": 1,
        "pods": [{"name": "metrics-server-x8tdznbbb-p5dsw", "phase": "Pending"}],
    }


@pytest.mark.parametrize(("kind", "count"), [("clusters", 1), ("nodes", 3), ("pods", 13), ("containers", 26)])
async def test_every_list_can_be_limited_to_a_cluster(tools: ToolCaller, kind: str, count: int) -> None:
    """The argument cluster selects the objects of one cluster, by its name."""
    result = await tools.call("list_objects", kind=kind, cluster="icos-south", fields="name")
    assert result.document["totalCount"] == len(result.document[kind]) == count


async def test_a_name_is_no_filter(tools: ToolCaller) -> None:
    """Characters of filters in the name of a cluster are part of the name."""
    result = await tools.call("list_objects", kind="nodes", cluster='a",name~"')
    assert (result.error, result.document["totalCount"]) == ("", 0)


async def test_long_lists_are_cut(tools: ToolCaller) -> None:
    """All 44 pods with all their fields exceed the limit of an answer; the note says so."""
    result = await tools.call("list_objects", kind="pods")
    shown = len(result.document["pods"])
    assert result.notes == [f"pods cut at {shown} of 44; narrow with filter=…, or ask for less of each with fields=…"]
    assert 20 < shown < 44
    assert len(json.dumps(result.document, separators=(",", ":"), ensure_ascii=False).encode()) <= MAX_ANSWER_BYTES


async def test_objects_are_found_by_name(tools: ToolCaller) -> None:
    """get_object returns a cluster, a node, a pod, and a Docker container, whose cluster has a slash in its name."""
    node = await tools.call("get_object", kind="node", cluster="icos-south", object="athens-master")
    assert node.document["architecture"] == "x86_64"
    cluster = await tools.call("get_object", kind="cluster", cluster="icos-south")
    assert "nodes" not in cluster.document
    deep = await tools.call("get_object", kind="cluster", cluster="icos-south", depth=2)
    assert len(deep.document["nodes"]) == 3
    docker = "nuvlabox/e4b06ce6-0741-47a8-bce4-2c8218072e8c"
    pod = await tools.call("get_object", kind="pod", cluster=docker, object="mosquitto")
    assert pod.document["cluster"] == docker


async def test_search_finds_objects_by_text(tools: ToolCaller) -> None:
    """The tool returns the objects with a text, and how many there are."""
    result = await tools.call("search", query="ATHENS", limit=1)
    assert result.document["matches"][0]["name"] == "athens-master"
    assert result.notes == ["matches cut at 1 of 3; narrow with a longer query"]


async def test_fields_of_filters_are_listed(tools: ToolCaller) -> None:
    """list_filter_fields names fields, with the values of small vocabularies."""
    result = await tools.call("list_filter_fields", kind="nodes", contains="Device")
    assert {"name": "device.path", "type": "string"} in result.document["fields"]
    assert any("DEVICE_STATE_AVAILABLE" in each.get("values", ()) for each in result.document["fields"])


async def test_candidates_have_reasons(tools: ToolCaller) -> None:
    """find_candidates returns nodes on which a workload fits, and why others are rejected."""
    near = {"latitude": 37.98, "longitude": 23.73, "max_distance_km": 500}
    result = await tools.call(
        "find_candidates", cpu_cores=0.5, near=near, ranking={"distance": 1}, limit=1, rejected_limit=1
    )
    assert result.document["candidates"][0]["cluster"] == "icos-south"
    assert result.document["rejected"][0]["reasons"]
    assert [note.split(";")[0] for note in result.notes] == ["candidates cut at 1 of 3", "rejected cut at 1 of 7"]


def test_candidates_have_all_requirements() -> None:
    """The arguments of find_candidates are the fields of the request without the version, and the time."""
    fields = {field.name for field in list_descriptor_fields(get_descriptor(pb.FindCandidatesRequest))}
    assert {*FindCandidates.__struct_fields__, "if_version"} - {"time"} == fields
    assert set(Near.__struct_fields__) == {field.name for field in list_descriptor_fields(get_descriptor(pb.Near))}


async def test_missing_data_is_explained(tools: ToolCaller) -> None:
    """explain_missing_data returns each gap once, and the fields that nothing fills."""
    document = (await tools.call("explain_missing_data")).document
    assert document["complete"] is False
    assert {gap["event"] for gap in document["gaps"]} >= {"old response used", "warning of Prometheus"}
    assert all(gap["reason"] and gap["queries"] for gap in document["gaps"])


def test_queries_with_the_same_reason_are_one_gap() -> None:
    """A hundred queries that fail for one reason are one gap that names five of them."""
    source = {"source": "a", "result": "QUERY_RESULT_FAILED", "error": "timeout"}
    report = {"rows": [{"name": f"row_{number}", "sources": [source]} for number in range(100)]}
    (gap,) = summarize_quality(report)["gaps"]
    assert (gap["source"], gap["reason"], gap["queryCount"]) == ("a", "timeout", 100)
    assert gap["queries"] == [f"row_{number}" for number in range(5)]


def test_unfilled_fields_are_found_by_name() -> None:
    """With a part of a name, only the unfilled fields with it are returned."""
    fields = [{"kind": "Node", "field": name, "reason": "no samples"} for name in ("cpu_model", "power_watts")]
    found = summarize_quality({"unfilledFields": fields}, "POWER")["unfilledFields"]
    assert [each["field"] for each in found] == ["power_watts"]


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("list_objects", {"kind": "nodes", "filter": "memory>1"}, "did you mean memory_bytes?"),
        ("list_objects", {"kind": "nodes", "filters": "x"}, "unknown field `filters`; arguments: time, kind, filter, "),
        ("list_objects", {"kind": "boxes"}, "Invalid enum value 'boxes'"),
        ("list_objects", {"kind": "pods", "labels": "a=b"}, "labels selects nodes only"),
        ("list_objects", {}, "missing required field `kind`"),
        ("get_object", {"kind": "node", "cluster": "icos-south", "object": "athens"}, "athens-master"),
        ("get_object", {"kind": "cluster", "cluster": "."}, "cluster not found: '.'"),
        ("get_object", {"kind": "node", "cluster": "..", "object": ".."}, "cluster not found: '..'"),
        ("get_object", {"kind": "pod", "cluster": "icos-south"}, "object must be the name of the pod"),
        ("find_candidates", {"cpu_cores": -1}, "cpu_cores"),
        ("search", {"query": ""}, "length >= 1"),
        ("search", {"query": "\ud800"}, "must be valid Unicode"),
        ("explain_missing_data", {"x": 1}, "arguments: time, field"),
    ],
)
async def test_errors_say_what_to_change(
    tools: ToolCaller, tool: str, arguments: dict[str, object], error: str
) -> None:
    """Invalid arguments are results that a model can read, with the names that are allowed."""
    assert error in (await tools.call(tool, **arguments)).error


async def test_numbers_may_be_text(tools: ToolCaller) -> None:
    """Models write numbers in quotes, which is no error."""
    result = await tools.call("list_objects", kind="nodes", fields="name", limit="2")
    assert len(result.document["nodes"]) == 2


async def test_an_unknown_tool_is_an_error_of_the_protocol(tools: ToolCaller) -> None:
    """The error names the tools that exist."""
    async with tools.connect() as client:
        with pytest.raises(MCPError, match="unknown tool 'delete_node'; tools: get_overview, "):
            await client.call_tool("delete_node", {})


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_overview", {}),
        ("list_problems", {}),
        ("list_objects", {"kind": "nodes", "fields": "name"}),
        ("get_object", {"kind": "node", "cluster": "icos-cluster-a", "object": "k8s-master"}),
        ("search", {"query": "k8s-master"}),
        ("find_candidates", {"cpu_cores": 1}),
    ],
)
async def test_tools_look_into_the_past(
    tools: ToolCaller, provider: FakeSnapshotProvider, tool: str, arguments: dict[str, object]
) -> None:
    """With time, a tool returns what it would have returned then."""
    provider.past.snapshot = build_snapshot()
    past = await tools.call(tool, time="2026-11-20T19:00:00Z", **arguments)
    provider.current_snapshot = provider.past.snapshot
    assert (past.error, past) == ("", await tools.call(tool, **arguments))


async def test_times_are_compared(
    tools: ToolCaller, provider: FakeSnapshotProvider, recorded_fleet: Sequence[Snapshot]
) -> None:
    """compare_times returns what was added, removed and changed; of added pods, only their state."""
    provider.past.snapshot, provider.current_snapshot = recorded_fleet[-1], recorded_fleet[0]
    result = await tools.call("compare_times", from_time="-1h", kind="pods", cluster="icos-central")
    assert result.error == ""
    assert result.document["totalCount"] == len(result.document["changes"]) > 0
    added = [change for change in result.document["changes"] if change["type"] == "ADDED"]
    assert set(added[0]["object"]) <= {"node", "phase", "reason", "isReady"}
    cut = await tools.call("compare_times", from_time="-1h", limit=1)
    assert cut.notes[-1].startswith("changes cut at 1 of ")
    back = await tools.call("compare_times", from_time="-1h", kind="nodes", measurements=True)
    assert any("before" in change for change in back.document["changes"])


async def test_impossible_times_are_errors(tools: ToolCaller) -> None:
    """The error says which times are possible."""
    assert "time" in (await tools.call("get_overview", time="yesterday")).error


async def test_an_incomplete_topology_is_noted(tools: ToolCaller, provider: FakeSnapshotProvider) -> None:
    """While data is missing, answers say so and name the tool that explains it."""
    provider.current_snapshot = build_snapshot(FAILED_GAP)
    for tool, arguments in (("get_overview", {}), ("list_problems", {}), ("list_objects", {"kind": "nodes"})):
        assert (await tools.call(tool, **arguments)).notes == [INCOMPLETE_NOTE]


async def test_without_a_topology_the_error_says_why(tools: ToolCaller, provider: FakeSnapshotProvider) -> None:
    """While the gateway has no topology, tools return its reason."""
    provider.failure = NoTopologyError("no topology yet")
    assert (await tools.call("get_overview")).error == "no topology yet"


async def test_defects_are_not_shown(tools: ToolCaller, provider: FakeSnapshotProvider) -> None:
    """An unexpected exception becomes a constant text."""
    provider.failure = RuntimeError("secret")
    assert (await tools.call("get_overview")).error in {INTERNAL_ERROR_TEXT, "internal error"}
