"""`aggregator watch` and `aggregator diff`."""

import json
from collections.abc import Sequence

import pytest

from aggregator.cli import main
from aggregator.cli.watch.command import run_watch
from tests.cli.watch.scripted_watch import (
    NODE_CHANGE,
    POD_CHANGE,
    SNAPSHOT,
    Event,
    FakeSleep,
    StoppedError,
    build_changes,
    run_watch_server,
)
from tests.support.scripted_server import ScriptedServer, build_http_response, build_sending_script, run_scripted_server

DIFFERENCES = {
    "from": {"version": "v1", "time": "2026-11-20T14:00:00Z", "complete": True},
    "to": {"version": "v2", "time": "2026-11-20T15:00:00Z", "complete": False},
    "changes": [
        {**NODE_CHANGE, "before": {"memoryBytes": "1073741824", "devices": SNAPSHOT[1]["nodes"][0]["devices"]}},
        POD_CHANGE,
        {"type": "REMOVED", "kind": "clusters", "id": "c9", "name": "old"},
        {"type": "REMOVED", "kind": "pods", "id": "p9", "cluster": "old", "namespace": "shop", "name": "web-0"},
    ],
}
NODE_DETAILS = (
    "memoryBytes 1.0 GiB → –  devices[video0].state DEVICE_STATE_BUSY → DEVICE_STATE_AVAILABLE  "
    "isUnschedulable – → true"
)


def watch_events(connections: Sequence[Sequence[Event]], *arguments: str) -> ScriptedServer:
    """Run the command until the connections have ended."""
    with run_watch_server(*connections) as server:
        parsed = main.build_parser().parse_args(["watch", "--url", server.url, *arguments])
        with pytest.raises(StoppedError):
            run_watch(parsed, {}, FakeSleep(len(connections)))
    return server


def test_changes_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The snapshot is one line with totals, each change a line, and what interrupts them, too."""
    events = [
        ("completeness", {"complete": False, "gaps": ["query a: timeout", "query b: timeout"]}),
        SNAPSHOT,
        build_changes("v2", NODE_CHANGE, POD_CHANGE),
        ("bookmark", {"version": "v3", "time": "2026-11-20T20:58:00Z"}),
        ("end", {"reason": "the server is stopping"}),
    ]
    watch_events([events, [("restart", {"reason": "unknown version"}), SNAPSHOT]])
    out = capsys.readouterr().out.replace("2026-11-20T20:57:", "")
    assert out.splitlines() == [
        "! incomplete: query a: timeout",
        "!             query b: timeout",
        "10Z = 1 cluster, 1 node",
        f"25Z ~ node    icos-south  athens-master  {NODE_DETAILS}",
        "25Z + pod     icos-south  shop/web-1  Pending",
        "! end: the server is stopping",
        "! disconnect: the gateway ended the stream; connecting again in 1 s",
        "! restart: unknown version",
        "10Z = 1 cluster, 1 node",
        "! disconnect: the gateway ended the stream; connecting again in 1 s",
    ]


def test_events_are_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, each event is one line with its name."""
    watch_events([[SNAPSHOT, build_changes("v2", POD_CHANGE)]], "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["snapshot", "changes", "disconnect"]
    assert lines[1]["changes"] == [POD_CHANGE]


def test_options_select_what_is_watched() -> None:
    """The options are parameters of the request."""
    options = ("--kind", "nodes", "--filter", "name~a", "--cluster", "c", "--structure", "--min-interval", "5s")
    server = watch_events([[SNAPSHOT]], *options)
    assert server.requests[0].parameters == {
        "kind": ["nodes"],
        "filter": ["name~a"],
        "cluster": ["c"],
        "changes": ["structure"],
        "min_interval": ["5s"],
    }


def test_a_gateway_without_a_watch_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with 1 and the reason if it cannot watch."""
    with run_watch_server(build_http_response(b'{"detail":"no such path"}', "404 Not Found")) as server:
        parsed = main.build_parser().parse_args(["watch", "--url", server.url])
        assert parsed.run(parsed, {}) == 1
    assert capsys.readouterr().err == f"{server.url}: HTTP 404: no such path\n"


def run_diff(body: bytes, *arguments: str, status: str = "200 OK") -> tuple[int, ScriptedServer]:
    """Run the command with a response; return its exit code and the server."""
    with run_scripted_server(build_sending_script(build_http_response(body, status))) as server:
        parsed = main.build_parser().parse_args(["diff", *arguments, "--url", server.url])
        return parsed.run(parsed, {}), server


def test_differences_are_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    """Changed objects are below their clusters; the last line has totals and times."""
    code, server = run_diff(json.dumps(DIFFERENCES).encode(), "-1h")
    assert code == 0
    assert server.requests[0].parameters == {"from": ["-1h"], "changes": ["structure"]}
    assert capsys.readouterr().out.splitlines() == [
        "icos-south",
        f"├─ ~ node    athens-master  {NODE_DETAILS}",
        "└─ + pod     shop/web-1  Pending",
        "- cluster old",
        "└─ - pod     shop/web-0",
        "1 added, 2 removed, 1 changed from 2026-11-20T14:00:00Z to 2026-11-20T15:00:00Z (incomplete)",
    ]


def test_no_differences_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Without changes, the only line says so; two relative times and all options are passed on."""
    arguments = ("-2h", "-1h", "--kind", "pods", "--cluster", "c", "--filter", "phase", "--fields", "phase", "--all")
    code, server = run_diff(json.dumps({**DIFFERENCES, "changes": []}).encode(), *arguments)
    assert code == 0
    assert capsys.readouterr().out.startswith("no changes from ")
    assert server.requests[0].parameters == {
        "from": ["-2h"],
        "to": ["-1h"],
        "kind": ["pods"],
        "cluster": ["c"],
        "filter": ["phase"],
        "fields": ["phase"],
        "changes": ["all"],
    }


def test_the_document_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, the output is the document."""
    run_diff(json.dumps(DIFFERENCES).encode(), "2026-11-20T14:00:00Z", "--json")
    assert json.loads(capsys.readouterr().out) == DIFFERENCES


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b'{"detail":"from: before the data"}', "404 Not Found", "HTTP 404: from: before the data"),
        (b"<html>", "200 OK", "the response is not a document with differences; is it a gateway?"),
        (b'{"changes":[{}]}', "200 OK", "the response is not a document with differences; is it a gateway?"),
        (b"{}", "200 OK", "the response is not a document with differences; is it a gateway?"),
    ],
)
def test_failures_are_explained(body: bytes, status: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with 1 and the reason if there is no document."""
    code, server = run_diff(body, "-1h", status=status)
    assert (code, capsys.readouterr().err) == (1, f"{server.url}: {reason}\n")
