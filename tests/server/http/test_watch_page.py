"""The clients of docs/watch.md keep an exact copy of what the gateway shows."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from aggregator.refresh.snapshot import Snapshot
from tests.cli.watch.scripted_watch import ADDED_POD, POD_CHANGE, SNAPSHOT, build_changes, run_watch_server
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import send_request

PAGE = (Path(__file__).parents[3] / "docs" / "watch.md").read_text(encoding="utf-8")
HTTP_PROGRAM, GRPC_PROGRAM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
KINDS = ("clusters", "nodes", "pods")

Copy = dict[tuple[str, str, str], Any]


def follow(program: str, *arguments: str) -> Iterator[Copy]:
    """Run a client of the page, which need not pause here before it connects again."""
    namespace: dict[str, Any] = {}
    program = program.replace("from aggregator.v1", "from aggregator.pb.aggregator.v1").replace("sleep(1)", "sleep(0)")
    exec(program, namespace)  # noqa: S102 - our own page
    client: Iterator[Copy] = namespace["follow"](*arguments)
    return client


def list_objects(ports: ServerPorts) -> Copy:
    """Return what the lists of the gateway show."""
    return {
        (kind, each.get("cluster", ""), each["id"]): each
        for kind in KINDS
        for each in send_request(ports.http, f"/api/v1/{kind}").json()[kind]
    }


@pytest.mark.parametrize("program", [HTTP_PROGRAM, GRPC_PROGRAM])
def test_the_clients_are_short(program: str) -> None:
    """A client has about 30 lines."""
    assert len([line for line in program.splitlines() if line.strip()]) <= 36


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_clients_keep_an_exact_copy(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot], transport: str
) -> None:
    """After each refresh of the demo, in which nodes vanish and return, the copy is what the lists show."""
    source.current_snapshot = demo[0]
    if transport == "http":
        client = follow(HTTP_PROGRAM, f"http://127.0.0.1:{ports.http}")
    else:
        client = follow(GRPC_PROGRAM, f"127.0.0.1:{ports.grpc}")
    for snapshot in demo:
        if snapshot is not demo[0]:
            source.publish(snapshot)
        copy = next(client)
        shown = list_objects(ports)
        if transport == "grpc":
            shown = {key: json_format.ParseDict(each, type(copy[key])()) for key, each in shown.items()}
        assert copy == shown


def test_the_client_continues_after_a_lost_connection() -> None:
    """The client over HTTP asks for what follows its version, and drops the parts of an incomplete event."""
    part = build_changes("v2", POD_CHANGE, remainingCount=1)
    with run_watch_server([SNAPSHOT, part], [build_changes("v2", POD_CHANGE)]) as server:
        client = follow(HTTP_PROGRAM, server.url)
        assert list(next(client)) == [("clusters", "", "c1"), ("nodes", "icos-south", "c1/n1")]
        assert next(client)["pods", "icos-south", "p2"] == ADDED_POD
    assert [request.parameters for request in server.requests] == [{}, {"known_version": ["v1"]}]


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_the_clients_send_a_token(
    guarded_source: FakeSnapshotProvider,
    guarded: ServerPorts,
    realm: FakeRealm,
    demo: Sequence[Snapshot],
    transport: str,
) -> None:
    """A client with a token gets the objects, and one without ends with the error."""
    guarded_source.current_snapshot = demo[0]
    target = f"http://127.0.0.1:{guarded.http}" if transport == "http" else f"127.0.0.1:{guarded.grpc}"
    program = HTTP_PROGRAM if transport == "http" else GRPC_PROGRAM
    assert len(next(follow(program, target, realm.issue_token()))) == 59
    with pytest.raises(Exception, match=r"401|UNAUTHENTICATED"):
        next(follow(program, target))
