"""Bodies of answers, kept small for as long as they may be needed again."""

import zstandard

# Every answer is packed and unpacked with each refresh: level 1 leaves a third less and takes a third longer.
QUICKLY = -3


def pack(body: bytes) -> bytes:
    """Return the bytes compressed: label sets repeat themselves so much that a tenth is left, at next to no cost."""
    return zstandard.compress(body, level=QUICKLY)


def unpack(packed: bytes) -> bytes:
    """Return what was packed."""
    return zstandard.decompress(packed)
