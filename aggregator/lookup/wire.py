"""How answers are written: as JSON, which is the proto3 JSON mapping of what is written as protobuf."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from aggregator.lookup.items import Kind
from aggregator.models.topology import Node
from aggregator.views import v1
from aggregator.views.v1_fields import Converts, Mask
from aggregator.views.v1_wire import varint

_LENGTH_DELIMITED = 2


class Page(NamedTuple):
    """A list, or a page of it, with its objects written."""

    kind: Kind
    items: Sequence[bytes]
    version: str
    total: int
    continue_token: str


@dataclass(frozen=True)
class Wire:
    """One way of writing; `node` writes a node of which everything is shown, the quickest way there is."""

    name: str
    node: Callable[[Node], bytes]
    converts: Converts
    encode: Callable[[Any], bytes]
    page: Callable[[Page], bytes]

    def format(self, masks: Mapping[str, Mask]) -> v1.Format:
        """Return what makes objects as they are written."""
        return v1.Format(self.converts, masks)


class _Rest(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What a page tells beside its objects; lists and texts that are empty are left out, as proto3 has it."""

    version: str = ""
    total_count: int | None = None
    continue_token: str = ""


def _json_page(page: Page) -> bytes:
    rest = msgspec.json.encode(_Rest(page.version, page.total, page.continue_token))
    if not page.items:
        return rest
    # Joined once: a list may be megabytes, and each copy of it costs more than judging what is in it.
    pieces = list(page.items)
    pieces[0] = b'{"%s":[%s' % (page.kind.value.encode(), pieces[0])
    pieces[-1] += b"]," + rest[1:]
    return b",".join(pieces)


def _serialized(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def _protobuf_page(page: Page) -> bytes:
    """Return the message of a page: its objects, each behind its tag and its length, and then the rest of it."""
    message = page.kind.page
    tag = varint(message.DESCRIPTOR.fields_by_name[page.kind.value].number << 3 | _LENGTH_DELIMITED)
    pieces = [piece for item in page.items for piece in (_head(tag, len(item)), item)]
    rest = message(version=page.version, total_count=page.total, continue_token=page.continue_token)
    return b"".join((*pieces, _serialized(rest)))


@lru_cache(maxsize=4096)
def _head(tag: bytes, length: int) -> bytes:
    """Return what stands before an object; many are equally long."""
    return tag + varint(length)


def _json_node(node: Node) -> bytes:
    return msgspec.json.encode(v1.TEXT.node(node))


JSON = Wire("json", _json_node, v1.DOCUMENT_CONVERTS, msgspec.json.encode, _json_page)
PROTOBUF = Wire("protobuf", v1.WIRE.node, v1.MESSAGE_CONVERTS, _serialized, _protobuf_page)
