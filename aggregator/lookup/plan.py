"""What is asked for, understood once: which objects, which of their fields, from where on and how many."""

import hashlib
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any

from google.protobuf.message import Message

from aggregator.errors import BadRequestError
from aggregator.lookup import masks, tokens
from aggregator.lookup.conditions import Test, condition
from aggregator.lookup.items import Kind
from aggregator.lookup.language import Requirement, parsed
from aggregator.lookup.selector import selector, selects
from aggregator.lookup.wire import Wire
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1 import Format
from aggregator.views.v1_fields import Mask

# Clusters; their nodes and pods; everything.
DEPTHS = (1, 2, 3)
MOST_LIMIT = 2**31 - 1


class Resource(Enum):
    """What can be asked for; the value is its kind of objects and whether it is one of them."""

    TOPOLOGY = (None, True)
    CLUSTERS = (Kind.CLUSTERS, False)
    CLUSTER = (Kind.CLUSTERS, True)
    NODES = (Kind.NODES, False)
    NODE = (Kind.NODES, True)
    PODS = (Kind.PODS, False)
    POD = (Kind.PODS, True)
    CONTAINERS = (Kind.CONTAINERS, False)

    def __init__(self, kind: Kind | None, is_one: bool) -> None:
        self.kind = kind
        self.is_one = is_one

    @property
    def message(self) -> type[Message]:
        """The message that masks are of."""
        return pb.Topology if self.kind is None else self.kind.message

    @property
    def depths(self) -> tuple[int, ...]:
        """Which depths make a difference."""
        first = {None: 1, Kind.CLUSTERS: 1, Kind.NODES: 2, Kind.PODS: 2, Kind.CONTAINERS: 4}[self.kind]
        return tuple(depth for depth in DEPTHS if depth >= first)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What may be said of it, as HTTP names it."""
        labels = ("labels",) if self is Resource.NODES else ()
        depth = ("depth",) if self.depths else ()
        return ("fields", *depth) if self.is_one else ("filter", *labels, "fields", *depth, "limit", "continue")


@dataclass(frozen=True)
class Asked:
    """What a request says beside names; nothing, and what is empty, asks for everything."""

    filter: str = ""
    labels: str = ""
    fields: tuple[str, ...] = ()
    depth: int | None = None
    limit: int | None = None
    continue_token: str = ""


class Plan:
    """What a request asks for, whatever the topology. Raises BadRequestError for what cannot be understood."""

    def __init__(self, resource: Resource, asked: Asked) -> None:
        self.resource = resource
        self.requirements = parsed(asked.filter)
        self.labels = selector(asked.labels)
        self.mask = _mask(resource, asked)
        self.limit = _limit(asked.limit)
        self.token = tokens.read(asked.continue_token) if asked.continue_token else None
        self.test = _test(resource, self.requirements, self.labels)
        self._formats: dict[str, Format] = {}

    def format(self, wire: Wire) -> Format:
        """Return what makes the objects as they are wanted."""
        if wire.name not in self._formats:
            self._formats[wire.name] = wire.format(masks.in_message(self.mask, self.resource.message))
        return self._formats[wire.name]

    @cached_property
    def identity(self) -> str:
        """What is the same for the same objects and fields, however they are asked for and on whatever page."""
        said = repr((self.resource.name, _sorted(self.requirements), _sorted(self.labels), _ordered(self.mask)))
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


# The same is asked for again and again.
plan = lru_cache(maxsize=64)(Plan)


def _mask(resource: Resource, asked: Asked) -> Mask:
    """Return what is shown: clusters in a list are alone unless somebody asks for more of them."""
    depth = asked.depth
    if depth is None:
        depth = 1 if resource is Resource.CLUSTERS and not asked.fields else DEPTHS[-1]
    elif depth not in resource.depths:
        raise BadRequestError(
            f"depth: {depth} is none", parameter="depth", allowed=[str(each) for each in resource.depths]
        )
    shown = masks.of_paths(resource.message, asked.fields)
    if depth == DEPTHS[-1]:
        return shown
    above = 0 if resource.kind is None else resource.depths[0]
    return masks.of_both(shown, masks.of_depth(resource.message, depth - above))


def _limit(limit: int | None) -> int | None:
    if limit is not None and not 1 <= limit <= MOST_LIMIT:
        raise BadRequestError(f"limit: {limit} is none", parameter="limit", allowed=[f"1 to {MOST_LIMIT}"])
    return limit


def _test(resource: Resource, requirements: tuple[Requirement, ...], labels: tuple[Requirement, ...]) -> Test | None:
    if resource.kind is None:
        return None
    of_fields = condition(resource.kind, requirements)
    if not labels:
        return of_fields
    of_labels = selects(labels)
    if of_fields is None:
        return lambda node: of_labels(node.labels)
    return lambda node: of_labels(node.labels) and of_fields(node)


def _sorted(requirements: tuple[Requirement, ...]) -> list[str]:
    return sorted({str(each) for each in requirements})


def _ordered(mask: Mask) -> Any:
    return mask if mask is None else sorted((name, _ordered(inner)) for name, inner in mask.items())
