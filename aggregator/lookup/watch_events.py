"""The events of a watch, encoded as server-sent events or as protobuf.

Events with many objects are split into parts. Only the last part has a version from which a client can continue.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import msgspec
from google.protobuf.message import Message

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.watch import KindPlan, WatchPlan
from aggregator.models.changes import ChangeKind, ObjectChange, TopologyDelta, TopologyProperties, get_properties
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import (
    JSON_CONVERTERS,
    FormatConverters,
    V1Format,
    create_json_class,
    create_message_encoder,
)
from aggregator.views.v1_protobuf import MESSAGE_CONVERTERS, LengthDelimitedField, serialize_message

ADDED = "ADDED"
MODIFIED = "MODIFIED"
REMOVED = "REMOVED"

# A part has at most this many objects, and unless it has only one, at most this many bytes of objects.
MAX_PART_OBJECTS = 500
MAX_PART_BYTES = 2**20


class WatchEvent(NamedTuple):
    """An encoded event; `name` is also the value of a label of metrics."""

    name: str
    body: bytes


class Moment(NamedTuple):
    """A version of a topology, and the time that it is about."""

    version: str
    seconds: float


class ObjectHead(NamedTuple):
    """What identifies a changed object, for people and programs."""

    type: str
    kind: ChangeKind
    id: str
    cluster: str
    name: str
    namespace: str


class _EncodedObject(NamedTuple):
    kind: ChangeKind
    body: bytes


def describe_change(change: ObjectChange) -> ObjectHead:
    """Return the head of a change."""
    kind_of_change = ADDED if change.before is None else REMOVED if change.after is None else MODIFIED
    item = change.before if change.after is None else change.after
    if change.kind == "clusters":
        return ObjectHead(kind_of_change, change.kind, change.id, "", item.key, "")
    if change.kind == "nodes":
        return ObjectHead(kind_of_change, change.kind, change.id, item.cluster, item.key, "")
    return ObjectHead(kind_of_change, change.kind, change.id, item.cluster, item.name, item.namespace)


class ObjectEncoder:
    """Encodes the objects of one kind in one format, with the fields that a watch shows."""

    def __init__(self, plan: KindPlan, converters: FormatConverters) -> None:
        v1_format = V1Format(converters, plan.masks_by_message)
        encoders: Mapping[ChangeKind, Callable[[Any], Any]] = {
            "clusters": lambda cluster: v1_format.encode_cluster(cluster, (), ()),
            "nodes": v1_format.encode_node,
            "pods": v1_format.encode_pod,
        }
        self.encode = encoders[plan.kind]


class ChangeDetector:
    """Finds the fields of an object that differ, as v1 JSON shows them."""

    def __init__(self, plan: KindPlan) -> None:
        self._encode = ObjectEncoder(plan, JSON_CONVERTERS).encode
        message_type = ObjectKind(plan.kind).message_type
        self._fields = msgspec.structs.fields(create_json_class(message_type))

    def find_changes(self, before: Any, after: Any) -> list[tuple[str, str, Any, Any]]:
        """Return the name of each changed field in .proto and in JSON spelling, and its values before and after."""
        encoded_before, encoded_after = self._encode(before), self._encode(after)
        return [
            (field.name, field.encode_name, value_before, value_after)
            for field in self._fields
            if (value_before := getattr(encoded_before, field.name))
            != (value_after := getattr(encoded_after, field.name))
        ]


class WatchEncoder(Protocol):
    """Encodes the events of one watch in one format."""

    def encode_snapshot(self, topology: Topology, seconds: float) -> list[WatchEvent]:
        """Return the parts of the snapshot."""

    def encode_delta(self, delta: TopologyDelta, seconds: float) -> list[WatchEvent]:
        """Return the parts of the changes, or one bookmark if the watch shows none."""

    def encode_bookmark(self, moment: Moment) -> WatchEvent:
        """Return an event that says which version the client has."""

    def encode_completeness(self, is_complete: bool, gaps: Sequence[str]) -> WatchEvent:
        """Return an event that says whether data is missing."""

    def encode_restart(self, reason: str) -> WatchEvent:
        """Return an event after which a snapshot follows."""

    def encode_end(self, reason: str) -> WatchEvent:
        """Return the last event."""


# --- server-sent events


class _ChangeObject(msgspec.Struct, omit_defaults=True, gc=False):
    type: str
    kind: str
    id: str
    cluster: str = ""
    name: str = ""
    namespace: str = ""
    object: Any = None
    set: dict[str, Any] = {}
    unset: list[str] = []
    before: dict[str, Any] = {}


class _Envelope(msgspec.Struct, omit_defaults=True, rename="camel", gc=False):
    version: str = ""
    previous_version: str = ""
    time: str | None = None
    clusters: list[msgspec.Raw] = []
    nodes: list[msgspec.Raw] = []
    pods: list[msgspec.Raw] = []
    changes: list[msgspec.Raw] = []
    remaining_count: int = 0
    properties: Any = None
    reason: str = ""
    complete: bool | None = None
    gaps: Sequence[str] = ()


class JsonChangeEncoder:
    """Encodes changes of the objects of one kind as JSON; `has_before` adds the old values of changed fields."""

    def __init__(self, plan: KindPlan, *, has_before: bool = False) -> None:
        self._detector = ChangeDetector(plan)
        self._encode = ObjectEncoder(plan, JSON_CONVERTERS).encode
        self._has_before = has_before

    def encode(self, change: ObjectChange) -> bytes | None:
        """Return the encoded change, None if no field that the watch shows differs."""
        head = describe_change(change)
        if head.type == ADDED:
            return msgspec.json.encode(_ChangeObject(*head, object=self._encode(change.after)))
        if head.type == REMOVED:
            return msgspec.json.encode(_ChangeObject(*head))
        differences = self._detector.find_changes(change.before, change.after)
        if not differences:
            return None
        return msgspec.json.encode(
            _ChangeObject(
                *head,
                set={name: after for _, name, _, after in differences if after is not None},
                unset=[name for _, name, _, after in differences if after is None],
                before={name: before for _, name, before, _ in differences if before is not None}
                if self._has_before
                else {},
            )
        )


_build_json_properties = create_message_encoder(pb.TopologyProperties, JSON_CONVERTERS)


class ServerSentEventEncoder:
    """Encodes the events of one watch as server-sent events with v1 JSON."""

    def __init__(self, plan: WatchPlan, max_part_objects: int = MAX_PART_OBJECTS) -> None:
        self._plan = plan
        self._max_part_objects = max_part_objects
        self._object_encoders = {each.kind: ObjectEncoder(each, JSON_CONVERTERS).encode for each in plan.kind_plans}
        self._change_encoders = {each.kind: JsonChangeEncoder(each) for each in plan.kind_plans}

    def encode_snapshot(self, topology: Topology, seconds: float) -> list[WatchEvent]:
        """Return the parts of the snapshot."""
        objects = [
            _EncodedObject(plan.kind, msgspec.json.encode(self._object_encoders[plan.kind](item)))
            for plan in self._plan.kind_plans
            for item in plan.list_objects(topology)
        ]
        properties = _build_json_properties(select_properties(self._plan, get_properties(topology)))
        return [
            _frame(
                "snapshot",
                _Envelope(
                    version=topology.version,
                    time=JSON_CONVERTERS.convert_time(seconds),
                    clusters=_list_raw(part, "clusters"),
                    nodes=_list_raw(part, "nodes"),
                    pods=_list_raw(part, "pods"),
                    remaining_count=remaining_count,
                    properties=properties if self._plan.shows_properties and not remaining_count else None,
                ),
                "" if remaining_count else topology.version,
            )
            for part, remaining_count in split_parts(objects, self._max_part_objects)
        ]

    def encode_delta(self, delta: TopologyDelta, seconds: float) -> list[WatchEvent]:
        """Return the parts of the changes, or one bookmark if the watch shows none."""
        changes = [
            _EncodedObject(change.kind, body)
            for change in list_changes(self._plan, delta)
            if (body := self._change_encoders[change.kind].encode(change)) is not None
        ]
        properties = find_changed_properties(self._plan, delta)
        if not changes and properties is None:
            return [self.encode_bookmark(Moment(delta.version, seconds))]
        return [
            _frame(
                "changes",
                _Envelope(
                    version=delta.version,
                    previous_version=delta.previous_version,
                    time=JSON_CONVERTERS.convert_time(seconds),
                    changes=[msgspec.Raw(each.body) for each in part],
                    remaining_count=remaining_count,
                    properties=None if properties is None or remaining_count else _build_json_properties(properties),
                ),
                "" if remaining_count else delta.version,
            )
            for part, remaining_count in split_parts(changes, self._max_part_objects)
        ]

    def encode_bookmark(self, moment: Moment) -> WatchEvent:
        """Return an event that says which version the client has."""
        time = JSON_CONVERTERS.convert_time(moment.seconds)
        return _frame("bookmark", _Envelope(version=moment.version, time=time), moment.version)

    def encode_completeness(self, is_complete: bool, gaps: Sequence[str]) -> WatchEvent:
        """Return an event that says whether data is missing."""
        return _frame("completeness", _Envelope(complete=is_complete, gaps=gaps))

    def encode_restart(self, reason: str) -> WatchEvent:
        """Return an event after which a snapshot follows."""
        return _frame("restart", _Envelope(reason=reason))

    def encode_end(self, reason: str) -> WatchEvent:
        """Return the last event."""
        return _frame("end", _Envelope(reason=reason))


def _list_raw(part: Iterable[_EncodedObject], kind: ChangeKind) -> list[msgspec.Raw]:
    return [msgspec.Raw(each.body) for each in part if each.kind == kind]


def _frame(name: str, envelope: _Envelope, version: str = "") -> WatchEvent:
    event_id = f"id: {version}\n" if version else ""
    head = f"event: {name}\n{event_id}data: ".encode()
    return WatchEvent(name, b"".join((head, msgspec.json.encode(envelope), b"\n\n")))


# --- protobuf

_build_message_properties = create_message_encoder(pb.TopologyProperties, MESSAGE_CONVERTERS)
_SNAPSHOT_FIELDS: Mapping[ChangeKind, LengthDelimitedField] = {
    kind: LengthDelimitedField(pb.WatchSnapshot, kind) for kind in ("clusters", "nodes", "pods")
}
_CHANGES_FIELD = LengthDelimitedField(pb.WatchChanges, "changes")


class MessageChangeEncoder:
    """Encodes changes of the objects of one kind as ObjectChange; `has_before` adds the old values of fields."""

    def __init__(self, plan: KindPlan, *, has_before: bool = False) -> None:
        self._has_before = has_before
        self._detector = ChangeDetector(plan)
        self._encode = ObjectEncoder(plan, MESSAGE_CONVERTERS).encode
        self._member = ObjectKind(plan.kind).singular_name

    def build(self, change: ObjectChange) -> pb.ObjectChange | None:
        """Return the message, None if no field that the watch shows differs."""
        head = describe_change(change)
        message = pb.ObjectChange(**head._asdict())
        if head.type == REMOVED:
            return message
        if head.type == ADDED:
            getattr(message.object, self._member).CopyFrom(self._encode(change.after))
            return message
        names = {name for name, *_ in self._detector.find_changes(change.before, change.after)}
        if not names:
            return None
        message.changed_fields.extend(sorted(names))
        getattr(message.object, self._member).CopyFrom(self._encode_fields(change.after, names))
        if self._has_before:
            getattr(message.before, self._member).CopyFrom(self._encode_fields(change.before, names))
        return message

    def _encode_fields(self, item: Any, names: Collection[str]) -> Any:
        """Return the message of an object with nothing but these fields."""
        encoded = self._encode(item)
        for field in encoded.DESCRIPTOR.fields:
            if field.name not in names:
                encoded.ClearField(field.name)
        return encoded


class MessageEncoder:
    """Encodes the events of one watch as WatchEvent messages."""

    def __init__(self, plan: WatchPlan, max_part_objects: int = MAX_PART_OBJECTS) -> None:
        self._plan = plan
        self._max_part_objects = max_part_objects
        self._object_encoders = {each.kind: ObjectEncoder(each, MESSAGE_CONVERTERS).encode for each in plan.kind_plans}
        self._change_encoders = {each.kind: MessageChangeEncoder(each) for each in plan.kind_plans}

    def encode_snapshot(self, topology: Topology, seconds: float) -> list[WatchEvent]:
        """Return the parts of the snapshot."""
        objects = [
            _EncodedObject(plan.kind, serialize_message(self._object_encoders[plan.kind](item)))
            for plan in self._plan.kind_plans
            for item in plan.list_objects(topology)
        ]
        properties = _build_message_properties(select_properties(self._plan, get_properties(topology)))
        return [
            _wrap(
                "snapshot",
                pb.WatchSnapshot(
                    version=topology.version,
                    time=MESSAGE_CONVERTERS.convert_time(seconds),
                    remaining_count=remaining_count,
                    properties=properties if self._plan.shows_properties and not remaining_count else None,
                ),
                [piece for each in part for piece in _SNAPSHOT_FIELDS[each.kind].list_pieces([each.body])],
            )
            for part, remaining_count in split_parts(objects, self._max_part_objects)
        ]

    def encode_delta(self, delta: TopologyDelta, seconds: float) -> list[WatchEvent]:
        """Return the parts of the changes, or one bookmark if the watch shows none."""
        changes = [
            _EncodedObject(change.kind, serialize_message(message))
            for change in list_changes(self._plan, delta)
            if (message := self._change_encoders[change.kind].build(change)) is not None
        ]
        properties = find_changed_properties(self._plan, delta)
        if not changes and properties is None:
            return [self.encode_bookmark(Moment(delta.version, seconds))]
        return [
            _wrap(
                "changes",
                pb.WatchChanges(
                    version=delta.version,
                    previous_version=delta.previous_version,
                    time=MESSAGE_CONVERTERS.convert_time(seconds),
                    remaining_count=remaining_count,
                    properties=None if properties is None or remaining_count else _build_message_properties(properties),
                ),
                _CHANGES_FIELD.list_pieces(each.body for each in part),
            )
            for part, remaining_count in split_parts(changes, self._max_part_objects)
        ]

    def encode_bookmark(self, moment: Moment) -> WatchEvent:
        """Return an event that says which version the client has."""
        time = MESSAGE_CONVERTERS.convert_time(moment.seconds)
        return _wrap("bookmark", pb.WatchBookmark(version=moment.version, time=time))

    def encode_completeness(self, is_complete: bool, gaps: Sequence[str]) -> WatchEvent:
        """Return an event that says whether data is missing."""
        return _wrap("completeness", pb.WatchCompleteness(complete=is_complete, gaps=gaps))

    def encode_restart(self, reason: str) -> WatchEvent:
        """Return an event after which a snapshot follows."""
        return _wrap("restart", pb.WatchRestart(reason=reason))

    def encode_end(self, reason: str) -> WatchEvent:
        """Return the last event, whose body is the text of the status."""
        return WatchEvent("end", reason.encode())


@lru_cache
def _get_event_field(name: str) -> LengthDelimitedField:
    return LengthDelimitedField(pb.WatchEvent, name)


def _wrap(name: str, message: Message, pieces: Iterable[bytes] = ()) -> WatchEvent:
    """Return an event with a message, to which serialized pieces are added."""
    body = b"".join((serialize_message(message), *pieces))
    return WatchEvent(name, _get_event_field(name).encode_all([body]))


# --- both formats


def list_changes(plan: WatchPlan, delta: TopologyDelta) -> Iterator[ObjectChange]:
    """Yield the changes that a watch shows, by kind, cluster and ID."""
    for kind_plan in plan.kind_plans:
        for _, change in sorted(delta.get_changes(kind_plan.kind).items()):
            selected = kind_plan.select_change(change)
            if selected is not None:
                yield selected


def select_properties(plan: WatchPlan, properties: TopologyProperties) -> TopologyProperties:
    """Return the properties of a topology that a watch shows."""
    return properties._replace(oldest_sample_seconds=None) if plan.is_structure else properties


def find_changed_properties(plan: WatchPlan, delta: TopologyDelta) -> TopologyProperties | None:
    """Return the new properties if the watch shows a change of them."""
    before, after = (select_properties(plan, each) for each in (delta.properties_before, delta.properties_after))
    return after if plan.shows_properties and before != after else None


def split_parts(objects: Sequence[_EncodedObject], max_objects: int) -> Iterator[tuple[Sequence[_EncodedObject], int]]:
    """Yield the objects in parts, at least one, each with the number of objects in the parts that follow."""
    start = 0
    while True:
        end, size_bytes = start, 0
        while end < len(objects) and end - start < max_objects:
            size_bytes += len(objects[end].body)
            if size_bytes > MAX_PART_BYTES and end > start:
                break
            end += 1
        yield objects[start:end], len(objects) - end
        start = end
        if start >= len(objects):
            return
