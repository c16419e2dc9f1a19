"""A gateway whose watch sends what a test says, one list of events for each connection."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.scripted_server import ReceivedRequest, ScriptedServer, build_http_response, run_scripted_server

Event = tuple[str, Mapping[str, Any]]

ADDED_POD = {"id": "p2", "name": "web-1", "namespace": "shop", "cluster": "icos-south", "phase": "Pending"}
SNAPSHOT: Event = (
    "snapshot",
    {
        "version": "v1",
        "time": "2026-11-20T20:57:10Z",
        "clusters": [{"id": "c1", "name": "icos-south", "type": "ocm"}],
        "nodes": [
            {
                "id": "c1/n1",
                "name": "athens-master",
                "cluster": "icos-south",
                "memoryBytes": "1073741824",
                "devices": [{"name": "video0", "state": "DEVICE_STATE_BUSY"}],
            }
        ],
        "properties": {"controllers": ["a"]},
    },
)
NODE_CHANGE = {
    "type": "MODIFIED",
    "kind": "nodes",
    "id": "c1/n1",
    "cluster": "icos-south",
    "name": "athens-master",
    "set": {"isUnschedulable": True, "devices": [{"name": "video0", "state": "DEVICE_STATE_AVAILABLE"}]},
    "unset": ["memoryBytes"],
}
POD_CHANGE = {
    "type": "ADDED",
    "kind": "pods",
    "id": "p2",
    "cluster": "icos-south",
    "name": "web-1",
    "namespace": "shop",
    "object": ADDED_POD,
}


def build_changes(version: str, *changes: Mapping[str, Any], **members: Any) -> Event:
    """Return an event with changes."""
    return "changes", {"version": version, "time": "2026-11-20T20:57:25Z", "changes": list(changes), **members}


def encode_events(events: Sequence[Event]) -> bytes:
    """Return events as a gateway sends them: the last part of an event has an ID."""
    lines = []
    for name, data in events:
        has_id = "version" in data and not data.get("remainingCount")
        lines += [f"event: {name}", *([f"id: {data['version']}"] if has_id else []), f"data: {json.dumps(data)}", ""]
    return "\n".join([*lines, ""]).encode()


@contextmanager
def run_watch_server(*connections: Sequence[Event] | bytes) -> Iterator[ScriptedServer]:
    """Serve a watch whose connections end after their events; bytes are another response. The last one repeats."""

    def answer(connection: socket.socket, _request: ReceivedRequest, server: ScriptedServer) -> None:
        content = connections[min(len(server.requests), len(connections)) - 1]
        if isinstance(content, bytes):
            connection.sendall(content)
        else:
            connection.sendall(build_http_response(encode_events(content), "200 OK", "Content-Type: text/event-stream"))

    with run_scripted_server(answer) as server:
        yield server


class StoppedError(Exception):
    """Ends a command that would run until Ctrl-C."""


class FakeSleep:
    """Records pauses, and ends the command after some of them."""

    def __init__(self, max_pauses: int) -> None:
        self.pauses: list[float] = []
        self._max_pauses = max_pauses

    def __call__(self, seconds: float) -> None:
        """Record a pause."""
        self.pauses.append(seconds)
        if len(self.pauses) >= self._max_pauses:
            raise StoppedError
