"""Content codings: what bytes may be packed into on their way to a client, and which one a client gets."""

import gzip
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

import zstandard

IDENTITY = ""
# From the one that is preferred. Both at levels that cost little: bytes are packed anew with each change.
CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "zstd": partial(zstandard.compress, level=3),
    "gzip": partial(gzip.compress, compresslevel=1, mtime=0),
}
# Less than this fits into one packet as it is.
LEAST_BYTES = 1024


@lru_cache(maxsize=256)
def chosen(accept_encoding: bytes) -> str:
    """Return the coding for a client that sent this Accept-Encoding (RFC 9110); IDENTITY where it wants none of ours.

    Of those that it likes best, ours is preferred. Identity is never refused: who excludes it gets it all the same.
    """
    weights = _weights(accept_encoding.decode("latin-1").lower())
    best = max((weights.get(name, 0.0) for name in CODINGS), default=0.0)
    if best <= 0 or best < weights.get("identity", 0.0):
        return IDENTITY
    return next(name for name in CODINGS if weights.get(name, 0.0) == best)


def _weights(header: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in header.split(","):
        name, _, parameters = item.partition(";")
        weights[name.strip()] = _weight(parameters)
    return weights


def _weight(parameters: str) -> float:
    """Return the weight that parameters give, 1 where none does, 0 for one that is no number from 0 to 1."""
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value.strip())
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
