"""Zstandard frames in a file: where each ends, and what is in it, read in bounds.

A frame's blocks tell their sizes, so where it ends is known without unpacking it:
https://www.rfc-editor.org/rfc/rfc8878#name-zstandard-frames
"""

import os
from dataclasses import dataclass

import zstandard

from aggregator.errors import RecordingError

# What every decoder has to have room for, and what the highest of the usual levels needs.
LARGEST_WINDOW_BYTES = 2**23
LONGEST_LINE_BYTES = 2**16
LEVEL = 6

_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_HEADER = 18
_BLOCK_HEADER = 3
_CHECKSUM = 4
_PIECE_BYTES = 2**18
_DAMAGED = "is damaged"


class CutShortError(RecordingError):
    """The file ends in the middle of a frame."""


@dataclass(frozen=True)
class Frame:
    """A frame of the file behind a descriptor: from where to where."""

    descriptor: int
    start: int
    end: int


def pack(content: bytes, level: int = LEVEL) -> bytes:
    """Return a frame that holds the content, with a checksum."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content)


def frame_at(descriptor: int, start: int) -> Frame | None:
    """Return the frame that begins at a place, None where the file ends there.

    Raises CutShortError where the file ends within it, RecordingError where there is no frame.
    """
    head = os.pread(descriptor, _LONGEST_HEADER, start)
    if not head:
        return None
    if not _MAGIC.startswith(head[:4]):
        raise RecordingError("is no recording of this program" if start == 0 else _DAMAGED)
    try:
        has_checksum = zstandard.get_frame_parameters(head).has_checksum
        at = start + zstandard.frame_header_size(head)
    except zstandard.ZstdError:
        raise (CutShortError("ends early") if len(head) < _LONGEST_HEADER else RecordingError(_DAMAGED)) from None
    end = _end_of_blocks(descriptor, at) + (_CHECKSUM if has_checksum else 0)
    if end > os.fstat(descriptor).st_size:
        raise CutShortError("ends early")
    return Frame(descriptor, start, end)


def _end_of_blocks(descriptor: int, at: int) -> int:
    while True:
        read = os.pread(descriptor, _BLOCK_HEADER, at)
        if len(read) < _BLOCK_HEADER:
            raise CutShortError("ends early")
        number = int.from_bytes(read, "little")
        is_last, kind, size = number & 1, number >> 1 & 3, number >> 3
        if kind == 3:
            raise RecordingError(_DAMAGED)
        # A block of one byte over and over holds that byte, and says how often.
        at += _BLOCK_HEADER + (1 if kind == 1 else size)
        if is_last:
            return at


class Content:
    """What a frame holds: a line, and what stands behind it; raises RecordingError where it is not as it should be."""

    def __init__(self, frame: Frame) -> None:
        unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES)
        self._reader = unpacker.stream_reader(_Bytes(frame))  # type: ignore[arg-type] # it has what is used
        beginning = self._read(LONGEST_LINE_BYTES)
        self.line, end, self._ahead = beginning.partition(b"\n")
        if not end:
            raise RecordingError(_DAMAGED)

    def body(self, size: int) -> bytes:
        """Return the `size` bytes behind the line; they, and the end of a line, have to be all that is left."""
        parts = [self._ahead[: size + 2]]
        # One byte more than there should be is asked for: at the end of a frame its checksum is looked at.
        lacking = size + 2 - len(parts[0])
        while lacking > 0 and (part := self._read(min(lacking, _PIECE_BYTES))):
            parts.append(part)
            lacking -= len(part)
        body = b"".join(parts)
        if len(body) != size + 1 or not body.endswith(b"\n"):
            raise RecordingError(_DAMAGED)
        return body[:-1]

    def check(self, size: int) -> None:
        """Read the `size` bytes behind the line without keeping them, and the checksum."""
        left = size + 1 - len(self._ahead) if size else -len(self._ahead)
        while left >= 0 and (part := self._read(_PIECE_BYTES)):
            left -= len(part)
        if left != 0:
            raise RecordingError(_DAMAGED)

    def _read(self, size: int) -> bytes:
        try:
            return self._reader.read(size)
        except (zstandard.ZstdError, MemoryError):
            raise RecordingError(_DAMAGED) from None


class _Bytes:
    """The bytes of a frame as they stand in the file, read where they are needed."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._at = frame.start

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, b"" at the end."""
        left = self._frame.end - self._at
        part = os.pread(self._frame.descriptor, min(size, left) if size >= 0 else left, self._at)
        self._at += len(part)
        return part
