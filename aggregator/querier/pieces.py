"""A large answer in pieces: decoding it whole would hold the interpreter, and so every request, for too long.

100 MB take half a second in one call. Between the calls for pieces other threads have their turn.
"""

from collections.abc import Iterator

# One or two milliseconds of decoding.
PIECE_BYTES = 2**18

# As Prometheus and Thanos write it. Within JSON a quote that is not escaped opens or closes a string, so no
# label can hold this text, nor the seam between two samples.
HEAD = b'{"status":"success","data":{"resultType":"vector","result":['
_SEAM = b'},{"metric":'


def pieces(body: bytes, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Yield JSON arrays of samples, the first ones of an answer, and last the answer with the samples that are left.

    An answer that is small, or not written as we know it, comes whole. A body that is cut at a place that
    only looks like a seam gives pieces that are no JSON, never other samples.
    """
    view = memoryview(body)
    start = len(HEAD)
    if body.startswith(HEAD):
        while len(body) - start > piece_bytes and (seam := body.find(_SEAM, start + piece_bytes)) >= 0:
            yield b"".join((b"[", view[start : seam + 1], b"]"))
            start = seam + 2
    yield b"".join((view[: len(HEAD)], view[start:])) if start > len(HEAD) else body
