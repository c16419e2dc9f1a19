"""Bodies of answers, kept small for as long as they may be needed again."""

import zstandard


def pack(body: bytes) -> bytes:
    """Return the bytes compressed: label sets repeat themselves so much that a tenth is left, at next to no cost."""
    return zstandard.compress(body, level=1)


def unpack(packed: bytes) -> bytes:
    """Return what was packed."""
    return zstandard.decompress(packed)
