"""What a client continues a list with: where it is, in which list of which topology. Opaque to the client."""

import base64
import binascii
from typing import NamedTuple

import msgspec

from aggregator.errors import BadRequestError

PARAMETER = "continue"
_MOST_ITEMS = 2**31 - 1
_LONGEST = 512


class Token(NamedTuple):
    """The version of the topology, what identifies the list, how many it has, and the place of the next."""

    version: str
    query: str
    total: int
    position: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")


_NOWHERE = Token("", "", 0, -1)


def read(text: str) -> Token:
    """Return what a token says; raise BadRequestError for what is none of ours."""
    try:
        encoded = base64.b64decode(text[:_LONGEST] + "=" * (-len(text) % 4), b"-_", validate=True)
        token = msgspec.msgpack.decode(encoded, type=Token)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        token = _NOWHERE
    if not 0 <= token.position <= token.position + token.total <= _MOST_ITEMS:
        raise BadRequestError("continue token: no answer told it", parameter=PARAMETER)
    return token
