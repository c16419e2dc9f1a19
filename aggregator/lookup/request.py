"""Lookup requests: which objects, which of their fields, which page. Parsed and validated once, for any topology."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import ObjectKind, get_descriptor, list_descriptor_fields, suggest_names
from aggregator.lookup.filter import (
    ObjectPredicate,
    compile_filter,
    compile_label_selector,
    find_newest_sample_ms,
    has_relative_times,
)
from aggregator.lookup.filter_parser import Requirement, parse_label_selector, parse_requirements
from aggregator.models.topology import Topology
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views.v1_format import FieldMask, get_submask, is_field_selected, is_map_field, is_timestamp_field

CONTINUE_PARAMETER = "continue"
_MAX_CONTINUE_TOKEN_CHARACTERS = 512

FIELDS_PARAMETER = "fields"
ALL_FIELDS = "*"
MAX_FIELD_PATHS = 100

# 1: clusters, 2: with nodes and pods, 3: everything.
DEPTHS = (1, 2, 3)
MAX_LIMIT = 2**31 - 1

_MaskTree = dict[str, Any]


class ContinueToken(NamedTuple):
    """A position in a paged list: topology version, request digest, number of objects in the list, next position."""

    version: str
    request_digest: str
    total: int
    next_position: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


_INVALID_CONTINUE_TOKEN = ContinueToken("", "", 0, -1)


def parse_continue_token(text: str) -> ContinueToken:
    """Return a token from its text; raise BadRequestError if it is not a token that this server issued."""
    try:
        encoded = base64.b64decode(text[:_MAX_CONTINUE_TOKEN_CHARACTERS] + "=" * (-len(text) % 4), b"-_", validate=True)
        token = msgspec.msgpack.decode(encoded, type=ContinueToken)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        token = _INVALID_CONTINUE_TOKEN
    if not 0 <= token.next_position <= token.next_position + token.total <= MAX_LIMIT:
        raise BadRequestError("continue: not a token that this server issued", parameter=CONTINUE_PARAMETER)
    return token


def build_field_mask(message_type: type[Message], paths: Sequence[str]) -> FieldMask:
    """Return the mask of some paths, None (everything) without paths; raise BadRequestError for an unknown field.

    A path may lead through repeated fields and use the names of the .proto or of JSON.
    """
    if not paths or ALL_FIELDS in paths:
        return None
    if len(paths) > MAX_FIELD_PATHS:
        raise BadRequestError(
            f"fields: at most {MAX_FIELD_PATHS} paths are allowed, got {len(paths)}", parameter=FIELDS_PARAMETER
        )
    tree: _MaskTree = {}
    for path in paths:
        _add_path(tree, get_descriptor(message_type), path)
    return tree


def build_depth_mask(message_type: type[Message], levels: int) -> FieldMask:
    """Return the mask of a message with `levels` levels of nested messages."""
    return _build_depth_tree(get_descriptor(message_type), levels)


def intersect_masks(first: FieldMask, second: FieldMask) -> FieldMask:
    """Return the mask of the fields that both masks contain."""
    if first is None or second is None:
        return second if first is None else first
    return {name: intersect_masks(first[name], second[name]) for name in first if name in second}


def split_mask_by_message(mask: FieldMask, message_type: type[Message]) -> dict[str, FieldMask]:
    """Return the part of a mask for each message within a message, by the name of the message."""
    masks_by_message: dict[str, FieldMask] = {}
    _collect_message_masks(masks_by_message, mask, get_descriptor(message_type))
    return masks_by_message


def _collect_message_masks(masks_by_message: dict[str, FieldMask], mask: FieldMask, message: Descriptor) -> None:
    masks_by_message[message.name] = mask
    for field in list_descriptor_fields(message):
        if _is_submessage_field(field) and field.message_type is not None and is_field_selected(mask, field.name):
            _collect_message_masks(masks_by_message, get_submask(mask, field.name), field.message_type)


def _build_depth_tree(message: Descriptor, levels: int) -> _MaskTree:
    tree: _MaskTree = {}
    for field in list_descriptor_fields(message):
        if not _is_submessage_field(field):
            tree[field.name] = None
        elif levels and field.message_type is not None:
            tree[field.name] = _build_depth_tree(field.message_type, levels - 1)
    return tree


def _add_path(tree: _MaskTree, message: Descriptor, path: str) -> None:
    """Add a path to a tree; a field that the tree contains as a whole stays whole."""
    names = path.split(".")
    for position, name in enumerate(names):
        field = _find_message_field(message, name)
        if field is None:
            raise _build_unknown_field_error(path, ".".join(names[:position]), message, name)
        if position == len(names) - 1:
            tree[field.name] = None
            return
        if not _is_submessage_field(field) or field.message_type is None:
            raise _build_unknown_field_error(path, ".".join(names[: position + 1]), None, names[position + 1])
        # If the field is whole already, the rest of the path changes nothing, but it must be valid.
        inner = tree.setdefault(field.name, {})
        tree, message = ({} if inner is None else inner), field.message_type


def _find_message_field(message: Descriptor, name: str) -> FieldDescriptor | None:
    return next((each for each in list_descriptor_fields(message) if name in (each.name, each.json_name)), None)


def _is_submessage_field(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not is_timestamp_field(field) and not is_map_field(field)


def _build_unknown_field_error(path: str, prefix: str, message: Descriptor | None, name: str) -> BadRequestError:
    path_prefix = f"{prefix}." if prefix else ""
    allowed_paths = [] if message is None else [f"{path_prefix}{each.name}" for each in list_descriptor_fields(message)]
    suggestions = suggest_names(f"{path_prefix}{name}", allowed_paths)
    return BadRequestError(
        f"fields: unknown field {path[:80]!r}", parameter=FIELDS_PARAMETER, allowed=allowed_paths, nearest=suggestions
    )


class Resource(Enum):
    """What a request returns; the value is the kind of object and whether it is a single one."""

    TOPOLOGY = (None, True)
    CLUSTERS = (ObjectKind.CLUSTERS, False)
    CLUSTER = (ObjectKind.CLUSTERS, True)
    NODES = (ObjectKind.NODES, False)
    NODE = (ObjectKind.NODES, True)
    PODS = (ObjectKind.PODS, False)
    POD = (ObjectKind.PODS, True)
    CONTAINERS = (ObjectKind.CONTAINERS, False)

    def __init__(self, kind: ObjectKind | None, is_single: bool) -> None:
        self.kind = kind
        self.is_single = is_single

    @property
    def message_type(self) -> type[Message]:
        """The message to which field masks apply."""
        return pb.Topology if self.kind is None else self.kind.message_type

    @property
    def supported_depths(self) -> tuple[int, ...]:
        """The depths that change the response; a container has no nested levels, so it supports none."""
        return {
            None: DEPTHS,
            ObjectKind.CLUSTERS: DEPTHS,
            ObjectKind.NODES: DEPTHS[1:],
            ObjectKind.PODS: DEPTHS[1:],
            ObjectKind.CONTAINERS: (),
        }[self.kind]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the query parameters."""
        labels = ("labels",) if self is Resource.NODES else ()
        depth = ("depth",) if self.supported_depths else ()
        return ("fields", *depth) if self.is_single else ("filter", *labels, "fields", *depth, "limit", "continue")


@dataclass(frozen=True)
class LookupOptions:
    """The parameters of a lookup, without the names in its path. The default is everything."""

    filter: str = ""
    labels: str = ""
    fields: tuple[str, ...] = ()
    depth: int | None = None
    limit: int | None = None
    continue_token: str = ""


class LookupPlan:
    """Parsed and validated options that can run on any topology index; raises BadRequestError if they are invalid."""

    def __init__(self, resource: Resource, options: LookupOptions) -> None:
        self.resource = resource
        self.requirements = parse_requirements(options.filter)
        self.label_requirements = parse_label_selector(options.labels)
        self.mask = _build_mask(resource, options)
        self.limit = _validate_limit(options.limit)
        self.continue_token = parse_continue_token(options.continue_token) if options.continue_token else None
        self._predicate = self._compile_predicate(newest_sample_ms=0)
        self.uses_relative_times = resource.kind is not None and has_relative_times(resource.kind, self.requirements)

    def build_predicate(self, topology: Topology) -> ObjectPredicate | None:
        """Return a predicate that is true for the objects of a topology that match, None if all of them do."""
        if not self.uses_relative_times:
            return self._predicate
        return self._compile_predicate(find_newest_sample_ms(topology))

    def _compile_predicate(self, newest_sample_ms: int) -> ObjectPredicate | None:
        if self.resource.kind is None:
            return None
        matches_fields = compile_filter(self.resource.kind, self.requirements, newest_sample_ms)
        if not self.label_requirements:
            return matches_fields
        matches_labels = compile_label_selector(self.label_requirements)
        if matches_fields is None:
            return lambda node: matches_labels(node.labels)
        return lambda node: matches_labels(node.labels) and matches_fields(node)

    @cached_property
    def masks_by_message(self) -> dict[str, FieldMask]:
        """The part of the field mask for each message."""
        return split_mask_by_message(self.mask, self.resource.message_type)

    @cached_property
    def parameters_digest(self) -> str:
        """A hash of the resource and the parameters: the same for every spelling of a request and every page."""
        canonical_text = repr(
            (
                self.resource.name,
                _sort_requirements(self.requirements),
                _sort_requirements(self.label_requirements),
                _sort_mask(self.mask),
            )
        )
        return hashlib.blake2b(canonical_text.encode(), digest_size=8).hexdigest()


# Clients repeat their requests.
create_lookup_plan = lru_cache(maxsize=64)(LookupPlan)


def _build_mask(resource: Resource, options: LookupOptions) -> FieldMask:
    """Return the mask of the requested fields; a list of clusters is without nodes and pods by default."""
    depth = options.depth
    if depth is None:
        depth = 1 if resource is Resource.CLUSTERS and not options.fields else DEPTHS[-1]
    elif depth not in resource.supported_depths:
        allowed = [str(each) for each in resource.supported_depths]
        raise BadRequestError(f"depth {depth} is not supported", parameter="depth", allowed=allowed)
    field_mask = build_field_mask(resource.message_type, options.fields)
    if depth == DEPTHS[-1]:
        return field_mask
    outer_depth = 0 if resource.kind is None else resource.supported_depths[0]
    return intersect_masks(field_mask, build_depth_mask(resource.message_type, depth - outer_depth))


def _validate_limit(limit: int | None) -> int | None:
    if limit is not None:
        check_limit(limit, MAX_LIMIT)
    return limit


def check_limit(limit: int, maximum: int) -> None:
    """Raise BadRequestError unless a limit is between 1 and a maximum."""
    if not 1 <= limit <= maximum:
        raise BadRequestError(f"limit must be between 1 and {maximum}, got {limit}", parameter="limit")


def _sort_requirements(requirements: tuple[Requirement, ...]) -> list[str]:
    return sorted({str(each) for each in requirements})


def _sort_mask(mask: FieldMask) -> Any:
    return mask if mask is None else sorted((name, _sort_mask(inner)) for name, inner in mask.items())
