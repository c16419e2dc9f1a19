"""Differences: what changed between two topologies, with the options and the objects of a watch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from aggregator.lookup.request import MAX_LIMIT, check_limit
from aggregator.lookup.watch import WatchOptions, WatchPlan
from aggregator.lookup.watch_events import JsonChangeEncoder, MessageChangeEncoder, list_changes
from aggregator.models.changes import ObjectChange, compare_topologies
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import JSON_CONVERTERS
from aggregator.views.v1_protobuf import MESSAGE_CONVERTERS, LengthDelimitedField, serialize_message

FROM_PARAMETER = "from"
TO_PARAMETER = "to"
DEFAULT_FROM = "-1h"


@dataclass(frozen=True)
class DiffRequest:
    """Which instants to compare, as in the request, and what to show of the changes, at most `limit` of them."""

    options: WatchOptions
    from_text: str = DEFAULT_FROM
    to_text: str = ""
    limit: int | None = None

    def validate_limit(self) -> None:
        """Raise BadRequestError for a limit that is out of range."""
        if self.limit is not None:
            check_limit(self.limit, MAX_LIMIT)


class ComparedTopology(NamedTuple):
    """One of two topologies, the time of its queries in whole seconds, and whether it is complete."""

    topology: Topology
    seconds: int
    is_complete: bool


class Comparison(NamedTuple):
    """Two topologies to compare, and what to show of their changes."""

    plan: WatchPlan
    before: ComparedTopology
    after: ComparedTopology
    limit: int | None

    def list_changes(self) -> Iterator[ObjectChange]:
        """Yield the changes of the objects that the plan shows. Those of some have no field that it shows."""
        delta = compare_topologies(self.before.topology, self.after.topology)
        return list_changes(self.plan, delta.select_structure() if self.plan.needs_only_structure else delta)


DiffEncoder = Callable[[Comparison], bytes]


class _ComparedObject(msgspec.Struct, gc=False):
    version: str
    time: str | None
    complete: bool


class _DiffObject(msgspec.Struct, gc=False):
    from_topology: _ComparedObject = msgspec.field(name="from")
    to_topology: _ComparedObject = msgspec.field(name="to")
    total_count: int = msgspec.field(name="totalCount")
    changes: list[msgspec.Raw]


def encode_diff_json(comparison: Comparison) -> bytes:
    """Return the JSON of the changes."""
    encoders = {plan.kind: JsonChangeEncoder(plan, has_before=True) for plan in comparison.plan.kind_plans}
    encoded = (encoders[change.kind].encode(change) for change in comparison.list_changes())
    changes, total_count = _limit(encoded, comparison.limit)
    before, after = (
        _ComparedObject(each.topology.version, JSON_CONVERTERS.convert_time(each.seconds), each.is_complete)
        for each in (comparison.before, comparison.after)
    )
    return msgspec.json.encode(_DiffObject(before, after, total_count, [msgspec.Raw(each) for each in changes]))


def _limit(encoded_changes: Iterable[bytes | None], limit: int | None) -> tuple[list[bytes], int]:
    """Return the first changes that are shown, and the number of all of them."""
    kept: list[bytes] = []
    total_count = 0
    for encoded in encoded_changes:
        if encoded is not None:
            total_count += 1
            if limit is None or total_count <= limit:
                kept.append(encoded)
    return kept, total_count


_CHANGES_FIELD = LengthDelimitedField(pb.DiffTopologyResponse, "changes")


def encode_diff_protobuf(comparison: Comparison) -> bytes:
    """Return the serialized DiffTopologyResponse."""
    encoders = {plan.kind: MessageChangeEncoder(plan, has_before=True) for plan in comparison.plan.kind_plans}
    messages = (encoders[change.kind].build(change) for change in comparison.list_changes())
    encoded = (None if message is None else serialize_message(message) for message in messages)
    changes, total_count = _limit(encoded, comparison.limit)
    before, after = (
        pb.ComparedTopology(
            version=each.topology.version,
            time=MESSAGE_CONVERTERS.convert_time(each.seconds),
            complete=each.is_complete,
        )
        for each in (comparison.before, comparison.after)
    )
    response = pb.DiffTopologyResponse(from_topology=before, to_topology=after, total_count=total_count)
    return b"".join((serialize_message(response), *_CHANGES_FIELD.list_pieces(changes)))
