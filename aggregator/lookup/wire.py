"""How answers are written: as JSON, which is the proto3 JSON mapping of what is written as protobuf."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from aggregator.lookup.items import Kind
from aggregator.views import v1
from aggregator.views.v1_fields import Converts, Mask

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
    """One way of writing."""

    name: str
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
    return b'{"%s":[%s],%s' % (page.kind.value.encode(), b",".join(page.items), rest[1:])


def _serialized(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString(deterministic=True)
    return serialized


def _protobuf_page(page: Page) -> bytes:
    """Return the message of a page: its objects, each behind its tag and its length, and then the rest of it."""
    message = page.kind.page
    tag = _varint(message.DESCRIPTOR.fields_by_name[page.kind.value].number << 3 | _LENGTH_DELIMITED)
    written = [part for item in page.items for part in (tag, _varint(len(item)), item)]
    rest = message(version=page.version, total_count=page.total, continue_token=page.continue_token)
    return b"".join((*written, _serialized(rest)))


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes it: seven bits a byte, the lowest first, and whether more follow."""
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


JSON = Wire("json", v1.DOCUMENT_CONVERTS, msgspec.json.encode, _json_page)
PROTOBUF = Wire("protobuf", v1.MESSAGE_CONVERTS, _serialized, _protobuf_page)
