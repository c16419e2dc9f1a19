"""The quality of a refresh: protobuf, and its proto3 JSON mapping, made as those of the v1 model are."""

import msgspec

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.quality import Quality
from aggregator.views.v1 import DOCUMENT_CONVERTS, MESSAGE_CONVERTS
from aggregator.views.v1_fields import maker

_MESSAGE = maker(pb.Quality, MESSAGE_CONVERTS)
_DOCUMENT = maker(pb.Quality, DOCUMENT_CONVERTS)


def render_protobuf(quality: Quality) -> bytes:
    """Return the serialized Quality."""
    serialized: bytes = _MESSAGE(quality).SerializeToString(deterministic=True)
    return serialized


def render_json(quality: Quality) -> bytes:
    """Return the proto3 JSON mapping of the Quality."""
    return msgspec.json.encode(_DOCUMENT(quality))
