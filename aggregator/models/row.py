"""What a row of the catalog can say: what is asked, whose the samples are, and what of them lands in which field."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import get_origin, get_type_hints

import msgspec

from aggregator.models import topology
from aggregator.models.exporters import Exporter
from aggregator.models.values import Converter
from aggregator.querier.decode import decoder
from aggregator.querier.gather import Query
from aggregator.querier.promql import Expression


class Owner(Enum):
    """The kinds of objects that samples are told of."""

    SYSTEM = "system"
    ORCHESTRATOR = "orchestrator"
    CLUSTER = "cluster"
    NODE = "node"
    POD = "pod"


class Part(Enum):
    """The kinds of objects that an owner has by name; the value is the owner's field that holds them."""

    INTERFACE = "interfaces"
    DEVICE = "devices"
    FILESYSTEM = "filesystems"
    CONTAINER = "containers"
    WORKLOAD = "workloads"


# What each kind becomes in the topology. An orchestrator becomes its cluster.
BECOMES: dict[Owner | Part, type[msgspec.Struct]] = {
    Owner.SYSTEM: topology.Topology,
    Owner.CLUSTER: topology.Cluster,
    Owner.NODE: topology.Node,
    Owner.POD: topology.Pod,
    Part.INTERFACE: topology.Interface,
    Part.DEVICE: topology.Device,
    Part.FILESYSTEM: topology.Filesystem,
    Part.CONTAINER: topology.Container,
    Part.WORKLOAD: topology.Workload,
}

# What the builder itself fills, from where an object stands or what it is called.
FILLED_BY_THE_BUILDER: dict[Owner | Part, set[str]] = {
    Owner.SYSTEM: {"clusters", "nodes", "pods", "controllers", "version"},
    Owner.CLUSTER: {"key", "uid", "type", "cluster_id", "agent_id", "controllers", "last_seen_seconds"},
    Owner.NODE: {"cluster", "key", "id", "type", "interfaces", "devices", "filesystems"},
    Owner.POD: {"cluster", "key", "id", "node", "containers", "workloads"},
    Part.INTERFACE: {"name"},
    Part.DEVICE: {"name"},
    Part.FILESYSTEM: {"name"},
    Part.CONTAINER: {"name"},
    Part.WORKLOAD: {"instance"},
}


@dataclass(frozen=True)
class Match:
    """One way to find an owner: labels of the sample that equal labels the owner is known by.

    The last must not be empty; an earlier one that a series lacks matches an owner that lacks it, too,
    as PromQL's `on (…)` has it.
    """

    labels: tuple[str, ...]
    known_by: tuple[str, ...]


def match(*pairs: str) -> Match:
    """Return the match that "a", "b=c" stand for: label a equals the owner's a, label b the owner's c."""
    split = [pair.partition("=") for pair in pairs]
    return Match(tuple(label for label, _, _ in split), tuple(known or label for label, _, known in split))


@dataclass(frozen=True)
class Fill:
    """One thing that a sample tells: `source` (a label, or its value where empty) becomes `field`.

    For a field that is a mapping, `key` is the label whose value is the key, or ends in "*": then each
    label with that beginning is an entry. With `latest` the largest of all values counts, of whichever row: for
    moments, which contradict nothing.
    """

    field: str
    convert: Converter
    source: str = ""
    key: str = ""
    latest: bool = False


@dataclass(frozen=True)
class Whose:
    """Which object a row's samples are told of.

    `find` lists the ways to find the owner, the surest first. `makes` lists label sets that identify an
    owner of its own, if the row makes owners: the first set whose last label is not empty counts. With
    `every`, a sample is for all owners that match, not only for one that matches alone. `part_label` names
    the part of the owner that the sample is about; it is made where it is not known yet, unless `known_parts_only`.
    """

    owner: Owner
    find: tuple[Match, ...] = ()
    makes: tuple[tuple[str, ...], ...] = ()
    part: Part | None = None
    part_label: str = ""
    known_parts_only: bool = False
    every: bool = False


@dataclass(frozen=True)
class Row:
    """One query and where its samples land.

    `exporter` is what shows the metric. `vital` says that the topology cannot be told without this row: while it has
    no answer, its last one stands in.
    """

    name: str
    ask: Expression
    whose: Whose
    fills: tuple[Fill, ...]
    note: str
    exporter: Exporter
    vital: bool = False

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"catalog row {self.name}: {problem}")

    @property
    def tells_when(self) -> bool:
        """Whether the samples' values are moments, which say nothing of which sample is to be preferred."""
        return any(fill.latest for fill in self.fills)

    @property
    def query(self) -> Query:
        """What the querier needs to ask this row."""
        return Query(self.name, self.ask.text, decoder(self.ask.labels), bool(self.whose.makes))

    def _problems(self) -> Iterable[str]:
        whose = self.whose
        if not whose.find and not whose.makes:
            yield "neither finds nor makes its owner"
        if (whose.part is None) != (whose.part_label == ""):
            yield "a part needs the label that names it, and the other way round"
        if self.ask.labels is None and (whose.part or whose.makes or any(not fill.key for fill in self.fills)):
            yield "asks for all labels, which only fills with a key like label_* can read"
        if self.ask.labels is not None:
            yield from (f"reads {label}, which its PromQL drops" for label in self._reads() - set(self.ask.labels))
        if any(fill.latest and (fill.source or fill.key) for fill in self.fills):
            yield "the latest of all is told by values, not by labels"
        kind = whose.part or whose.owner
        if kind in BECOMES:
            yield from (problem for fill in self.fills for problem in _field_problems(kind, fill))

    def _reads(self) -> set[str]:
        read = {self.whose.part_label}
        read.update(*(way.labels for way in self.whose.find), *self.whose.makes)
        read.update(*((fill.source, fill.key) for fill in self.fills))
        return read - {""}


def _field_problems(kind: Owner | Part, fill: Fill) -> Iterable[str]:
    becomes = BECOMES[kind]
    types = get_type_hints(becomes)
    if fill.field not in types:
        yield f"{becomes.__name__} has no field {fill.field}; one that the proto has is made by `make generate`"
    elif fill.field in FILLED_BY_THE_BUILDER[kind]:
        yield f"{becomes.__name__}.{fill.field} is the builder's to fill"
    elif (get_origin(types[fill.field]) is Mapping) != bool(fill.key):
        yield f"{becomes.__name__}.{fill.field} is filled with a key just if it is a mapping"
