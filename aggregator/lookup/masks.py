"""Which fields of a message are told: FieldMask's paths, and how deep the tree is shown. Both make one mask."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from aggregator.errors import BadRequestError
from aggregator.lookup.items import descriptor, fields_of
from aggregator.lookup.nearest import nearest
from aggregator.views.v1_fields import Mask, is_map, is_time

PARAMETER = "fields"
EVERYTHING = "*"
MOST_PATHS = 100

_Tree = dict[str, Any]


def of_paths(message: type[Message], paths: Sequence[str]) -> Mask:
    """Return the mask of some paths, everything where there are none; raise BadRequestError for one that there is not.

    A path leads through repeated fields, too, and may be written as the .proto or JSON has its names.
    """
    if not paths or EVERYTHING in paths:
        return None
    if len(paths) > MOST_PATHS:
        raise BadRequestError(f"fields: more than {MOST_PATHS} paths", parameter=PARAMETER)
    tree: _Tree = {}
    for path in paths:
        _add(tree, descriptor(message), path)
    return tree


def of_depth(message: type[Message], levels: int) -> Mask:
    """Return the mask of what is in a message and so many levels of messages within it."""
    return _to_depth(descriptor(message), levels)


def of_both(one: Mask, other: Mask) -> Mask:
    """Return the mask of what both show."""
    if one is None or other is None:
        return other if one is None else one
    return {name: of_both(one[name], other[name]) for name in one if name in other}


def in_message(mask: Mask, message: type[Message]) -> dict[str, Mask]:
    """Return what a mask shows of each message that is made of an object of its own, by the message's name."""
    found: dict[str, Mask] = {}
    _collect(found, mask, descriptor(message))
    return found


def _collect(found: dict[str, Mask], mask: Mask, message: Descriptor) -> None:
    found[message.name] = mask
    for field in fields_of(message):
        if _holds_messages(field) and field.message_type is not None and (mask is None or field.name in mask):
            _collect(found, None if mask is None else mask[field.name], field.message_type)


def _to_depth(message: Descriptor, levels: int) -> _Tree:
    tree: _Tree = {}
    for field in fields_of(message):
        if not _holds_messages(field):
            tree[field.name] = None
        elif levels and field.message_type is not None:
            tree[field.name] = _to_depth(field.message_type, levels - 1)
    return tree


def _add(tree: _Tree, message: Descriptor, path: str) -> None:
    """Add a path to a tree; what is shown whole already stays so."""
    names = path.split(".")
    for at, name in enumerate(names):
        field = _field(message, name)
        if field is None:
            raise _unknown(path, ".".join(names[:at]), message, name)
        if at == len(names) - 1:
            tree[field.name] = None
            return
        if not _holds_messages(field) or field.message_type is None:
            raise _unknown(path, ".".join(names[: at + 1]), None, names[at + 1])
        # What is shown whole already takes nothing more in, but the path has to lead somewhere all the same.
        inner = tree.setdefault(field.name, {})
        tree, message = ({} if inner is None else inner), field.message_type


def _field(message: Descriptor, name: str) -> FieldDescriptor | None:
    return next((each for each in fields_of(message) if name in (each.name, each.json_name)), None)


def _holds_messages(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not is_time(field) and not is_map(field)


def _unknown(path: str, prefix: str, message: Descriptor | None, name: str) -> BadRequestError:
    before = f"{prefix}." if prefix else ""
    known = [] if message is None else [f"{before}{each.name}" for each in fields_of(message)]
    like = nearest(f"{before}{name}", known)
    return BadRequestError(f"fields: there is no {path[:80]!r}", parameter=PARAMETER, allowed=known, nearest=like)
