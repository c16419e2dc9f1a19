"""The version of a topology: a digest of all that it tells, the same on every replica that read the same data."""

import hashlib

import msgspec

from aggregator import __version__
from aggregator.models.topology import Topology

# Mappings inside of nodes come in the order of the answers, which may differ from one replica to another.
_SORTING = msgspec.msgpack.Encoder(order="deterministic")
# Those of pods are sorted already, and pods are so many that looking again would be felt.
_PLAIN = msgspec.msgpack.Encoder()
_DIGEST_BYTES = 16


def versioned(topology: Topology) -> Topology:
    """Return the topology with its version.

    Moments of samples are content: between two scrapes all stays the same. Another release may show the same content
    in other bytes, so the program's own version is part of it.
    """
    digest = hashlib.blake2b(__version__.encode(), digest_size=_DIGEST_BYTES)
    for part, encoder in ((topology.clusters, _SORTING), (topology.nodes, _SORTING), (topology.pods, _PLAIN)):
        digest.update(encoder.encode(list(part.values())))
    digest.update(_SORTING.encode((topology.controllers, topology.oldest_sample_seconds)))
    return msgspec.structs.replace(topology, version=digest.hexdigest())
