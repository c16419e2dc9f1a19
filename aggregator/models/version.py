"""The version of a topology: a digest of all that it tells, the same on every replica that read the same data."""

import hashlib
from collections.abc import Collection, Iterator

import msgspec

from aggregator import __version__
from aggregator.models.topology import Topology
from aggregator.portions import portions

# Mappings inside of nodes come in the order of the answers, which may differ from one replica to another.
_SORTING = msgspec.msgpack.Encoder(order="deterministic")
# Those of pods are sorted already, and pods are so many that looking again would be felt.
_PLAIN = msgspec.msgpack.Encoder()
_DIGEST_BYTES = 16
# About a millisecond of encoding, where these are pods with their containers.
_AT_ONCE = 500


def versioned(topology: Topology) -> Topology:
    """Return the topology with its version.

    Moments of samples are content: between two scrapes all stays the same. Another release may show the same content
    in other bytes, so the program's own version is part of it.
    """
    digest = hashlib.blake2b(__version__.encode(), digest_size=_DIGEST_BYTES)
    for part, encoder in ((topology.clusters, _SORTING), (topology.nodes, _SORTING), (topology.pods, _PLAIN)):
        for piece in _encoded(part.values(), encoder):
            digest.update(piece)
    digest.update(_SORTING.encode((topology.controllers, topology.oldest_sample_seconds)))
    return msgspec.structs.replace(topology, version=digest.hexdigest())


def _encoded(values: Collection[object], encoder: msgspec.msgpack.Encoder) -> Iterator[memoryview]:
    """Yield pieces of what the encoder makes of a list of the values."""
    yield memoryview(_head(len(values)))
    for portion in portions(values, _AT_ONCE):
        yield memoryview(encoder.encode(portion))[len(_head(len(portion))) :]


def _head(length: int) -> bytes:
    """Return how a list of that length begins: each None in it is a byte at its end."""
    encoded = _PLAIN.encode([None] * length)
    return encoded[: len(encoded) - length]
