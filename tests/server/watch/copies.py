"""Clients that keep a copy of what they watch, from server-sent events or from messages."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from aggregator.lookup.watch_events import WatchEvent
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_protobuf import serialize_message

# Canonical bytes of each object, by kind and ID.
Objects = Mapping[tuple[str, str, str], bytes]
KINDS = ("clusters", "nodes", "pods")


class WatchCopy(Protocol):
    """A copy of the objects of a watch. Parts of an event are applied together, when the last one has arrived."""

    version: str
    restart_count: int
    is_complete: bool | None
    gaps: list[str]

    def apply(self, event: WatchEvent) -> None:
        """Apply one event."""

    def disconnect(self) -> None:
        """Forget incomplete parts."""

    def list_objects(self) -> Objects:
        """Return the objects."""


class JsonCopy:
    """A copy from server-sent events."""

    def __init__(self) -> None:
        self.version = ""
        self.time = ""
        self.restart_count = 0
        self.end_reason = ""
        self.is_complete: bool | None = None
        self.gaps: list[str] = []
        self.properties: dict[str, Any] | None = None
        self._objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._parts: list[dict[str, Any]] = []

    def apply(self, event: WatchEvent) -> None:
        """Apply one event."""
        fields = dict(line.split(": ", 1) for line in event.body.decode().removesuffix("\n\n").split("\n"))
        assert fields["event"] == event.name
        data = json.loads(fields["data"])
        is_last = not data.get("remainingCount")
        assert fields.get("id") == (data.get("version") if is_last else None)
        if event.name == "restart":
            self._objects, self.version, self.properties = {}, "", None
            self.restart_count += 1
        elif event.name == "completeness":
            self.is_complete, self.gaps = data["complete"], data.get("gaps", [])
        elif event.name == "end":
            self.end_reason = data["reason"]
        elif is_last:
            self._apply_parts(event.name, [*self._parts, data])
            self.version, self._parts = data["version"], []
            self.time = data["time"]
        else:
            self._parts.append(data)

    def _apply_parts(self, name: str, parts: list[dict[str, Any]]) -> None:
        for data in parts:
            if name == "snapshot":
                self._objects |= {
                    (kind, each.get("cluster", ""), each["id"]): each for kind in KINDS for each in data.get(kind, ())
                }
            elif name == "changes":
                assert data["previousVersion"] == self.version
                for change in data.get("changes", ()):
                    self._apply_change(change)
            if "properties" in data:
                self.properties = data["properties"]

    def _apply_change(self, change: dict[str, Any]) -> None:
        key = change["kind"], change.get("cluster", ""), change["id"]
        if change["type"] == "REMOVED":
            del self._objects[key]
        elif change["type"] == "ADDED":
            assert key not in self._objects
            self._objects[key] = change["object"]
        else:
            known = self._objects[key]
            known.update(change.get("set", {}))
            for name in change.get("unset", ()):
                del known[name]

    def disconnect(self) -> None:
        """Forget incomplete parts."""
        self._parts = []

    def list_objects(self) -> Objects:
        """Return the objects."""
        return {key: msgspec.json.encode(each, order="sorted") for key, each in self._objects.items()}


class MessageCopy:
    """A copy from messages."""

    def __init__(self) -> None:
        self.version = ""
        self.restart_count = 0
        self.is_complete: bool | None = None
        self.gaps: list[str] = []
        self._objects: dict[tuple[str, str, str], Any] = {}
        self._parts: list[Any] = []

    def apply(self, event: WatchEvent) -> None:
        """Apply one event."""
        self.apply_message(pb.WatchEvent.FromString(event.body))

    def apply_message(self, message: pb.WatchEvent) -> None:
        """Apply one message."""
        name = message.WhichOneof("event")
        assert name is not None
        data = getattr(message, name)
        if name == "restart":
            self._objects, self.version = {}, ""
            self.restart_count += 1
        elif name == "completeness":
            self.is_complete, self.gaps = data.complete, list(data.gaps)
        elif name == "bookmark":
            self.version = data.version
        else:
            self._parts.append(data)
            if not data.remaining_count:
                for part in self._parts:
                    self._apply_part(name, part)
                self.version, self._parts = data.version, []

    def _apply_part(self, name: str, part: Any) -> None:
        if name == "snapshot":
            self._objects |= {
                (kind, getattr(each, "cluster", ""), each.id): each for kind in KINDS for each in getattr(part, kind)
            }
            return
        assert part.previous_version == self.version
        for change in part.changes:
            key = change.kind, change.cluster, change.id
            if change.type == "REMOVED":
                del self._objects[key]
                continue
            shown = getattr(change.object, change.kind.removesuffix("s"))
            if change.type == "MODIFIED":
                for field in change.changed_fields:
                    self._objects[key].ClearField(field)
                self._objects[key].MergeFrom(shown)
            else:
                assert key not in self._objects
                self._objects[key] = shown

    def disconnect(self) -> None:
        """Forget incomplete parts."""
        self._parts = []

    def list_objects(self) -> Objects:
        """Return the objects."""
        return {key: serialize_message(each) for key, each in self._objects.items()}
