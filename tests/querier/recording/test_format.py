"""The file format of recordings: round trips, and detection of damage."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator import errors
from aggregator.errors import NotRecordedError, QueryError, RecordingError, ResponseTooLargeError, UpstreamStatusError
from aggregator.querier.recording import file_format
from aggregator.querier.recording.file_format import (
    RecordedFailure,
    RecordedRefresh,
    RecordedResponse,
    RecordedSource,
    RecordingWriter,
    build_recorded_failure,
    compress_frame,
    restore_error,
)
from aggregator.querier.recording.replay import RecordingReader
from tests.querier.recording.recordings import FIRST_REFRESH_SECONDS, SOURCE_NAME, write_recording
from tests.support.samples import ROWS_BY_NAME, encode_response

PROMQL = ROWS_BY_NAME["memory_free"].expression.text
ONE_RESPONSE = {"memory_free": encode_response([({"icos_host_id": "a"}, "1")])}
BODIES = st.lists(st.binary(min_size=1, max_size=300_000), min_size=1, max_size=4)


def open_recording(folder: Path, content: bytes) -> RecordingReader:
    """Read a recording with this content."""
    path = folder / "made.recording"
    path.write_bytes(content)
    return RecordingReader(str(path))


def encode_recording(answers: list[tuple[RecordedResponse, bytes]]) -> bytes:
    """Return a recording of one refresh with these answers."""
    out = io.BytesIO()
    writer = RecordingWriter(out, [RecordedSource(SOURCE_NAME)], FIRST_REFRESH_SECONDS)
    for answer, content in answers:
        writer.write_response(answer, content)
    writer.end_refresh(FIRST_REFRESH_SECONDS)
    return out.getvalue()


@given(bodies=BODIES)
def test_bodies_round_trip(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    """Bodies of any bytes, with newlines and zstd magic numbers, are read unchanged."""
    answers = [
        (
            RecordedResponse(
                row="q", source=SOURCE_NAME, promql=f"m{number}", duration_seconds=0.0, size_bytes=len(each)
            ),
            each,
        )
        for number, each in enumerate(bodies)
    ]
    with open_recording(tmp_path_factory.mktemp("recording"), encode_recording(answers)) as reader:
        assert [reader.read_body(0, (SOURCE_NAME, f"m{number}"), 10**6) for number in range(len(bodies))] == bodies


@given(
    st.builds(
        RecordedResponse,
        row=st.text(),
        source=st.text(),
        promql=st.text(),
        duration_seconds=st.floats(0, 1e6),
        size_bytes=st.integers(0, 2**62),
        failure=st.none()
        | st.builds(
            RecordedFailure,
            kind=st.sampled_from(sorted(get_args(file_format.FailureKind))),
            text=st.text(),
            status=st.integers(0, 999),
            retry_after_seconds=st.none() | st.floats(0, 1e6),
        ),
    )
    | st.builds(RecordedRefresh, at_seconds=st.floats(0, 1e12), response_count=st.integers(0, 10_000))
)
def test_lines_round_trip(line: file_format.RecordingLine) -> None:
    """Lines are read as they were written."""
    assert file_format.decode_line(file_format.encode_line(line)) == line


def list_query_errors() -> list[type[QueryError]]:
    """Return all query errors."""
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QueryError)]
    assert NotRecordedError in found
    return found


@pytest.mark.parametrize("kind", list_query_errors())
def test_errors_round_trip(kind: type[QueryError]) -> None:
    """The kind and text of an error are kept, and the status and Retry-After of an HTTP error."""
    error = UpstreamStatusError(503, "x", 7.0) if kind is UpstreamStatusError else kind("x")
    again = restore_error(build_recorded_failure(error, str(error)))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_zstd_tools_can_read_it(tmp_path: Path) -> None:
    """Decompressed as one stream, a recording is lines of text: header, answers, refreshes."""
    path = write_recording(tmp_path / "a", [ONE_RESPONSE], rows=["memory_free"])
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        head, answer, content, refresh = reader.readall().splitlines()
    assert head.startswith(b'{"type":"header","format":"aggregator recording","version":1,"created":"2026-')
    assert b'"query":"memory_free"' in answer
    assert content == ONE_RESPONSE["memory_free"]
    assert refresh == b'{"type":"refresh","at_seconds":1795208200.0,"answers":1}'


def test_a_truncated_recording_keeps_complete_refreshes(tmp_path: Path) -> None:
    """A recording truncated at any byte has exactly the refreshes that are complete."""
    content = write_recording(
        tmp_path / "a", [ONE_RESPONSE, ONE_RESPONSE, ONE_RESPONSE], rows=["memory_free"]
    ).read_bytes()
    counts = []
    for end in range(len(content)):
        try:
            with open_recording(tmp_path, content[:end]) as reader:
                counts.append(len(reader.timestamps))
                assert [reader.read_body(each, (SOURCE_NAME, PROMQL), 1000) for each in range(counts[-1])] == [
                    ONE_RESPONSE["memory_free"]
                ] * counts[-1]
        except RecordingError:
            counts.append(0)
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}


def test_truncation_is_reported(tmp_path: Path) -> None:
    """Only an interrupted recording is marked as truncated."""
    content = write_recording(tmp_path / "a", [ONE_RESPONSE, ONE_RESPONSE]).read_bytes()
    with open_recording(tmp_path, content) as whole, open_recording(tmp_path, content[:-5]) as cut:
        assert (whole.is_truncated, len(whole.timestamps)) == (False, 2)
        assert (cut.is_truncated, len(cut.timestamps)) == (True, 1)


def test_a_flipped_bit_is_detected(tmp_path: Path) -> None:
    """A flipped bit is detected or has no effect; it never changes an answer."""
    content = write_recording(tmp_path / "a", [ONE_RESPONSE], rows=["memory_free"]).read_bytes()
    refused = 0
    for at in range(len(content)):
        try:
            with open_recording(tmp_path, content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]) as reader:
                assert reader.read_body(0, (SOURCE_NAME, PROMQL), 1000) == ONE_RESPONSE["memory_free"]
                assert reader.timestamps == [FIRST_REFRESH_SECONDS]
        except RecordingError:
            refused += 1
    assert refused > len(content) * 0.95


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"{}", "is not a recording of this program"),
        (compress_frame(b"hello\n"), "is not a recording of this program"),
        (compress_frame(b"hello"), "is damaged"),
        (compress_frame(b'{"format":"aggregator recording","version":2}\n'), "has version 2 of the format"),
        (compress_frame(b'{"type":"header","format":"aggregator recording","version":1}\n'), "is damaged"),
        (encode_recording([])[:-20], "contains no complete refresh"),
        (encode_recording([]) + encode_recording([]), "is damaged: it has two headers"),
        (
            encode_recording([]) + compress_frame(file_format.encode_line(RecordedRefresh(1.0, 0)) + b"\n"),
            "not in chronological order",
        ),
        (
            encode_recording([]) + compress_frame(file_format.encode_line(RecordedRefresh(1e10, 3)) + b"\n"),
            "responses of a refresh are missing",
        ),
    ],
)
def test_other_files_are_rejected(tmp_path: Path, content: bytes, reason: str) -> None:
    """Other, newer and damaged files are rejected with a reason that quotes nothing of them."""
    with pytest.raises(RecordingError, match=reason):
        open_recording(tmp_path, content)


def test_unreadable_files_are_rejected(tmp_path: Path) -> None:
    """A folder or a missing file is rejected with the reason of the operating system."""
    with pytest.raises(RecordingError, match=r"cannot be read \(not a regular file"):
        RecordingReader(str(tmp_path))
    with pytest.raises(RecordingError, match=r"cannot be read \(No such file"):
        RecordingReader(str(tmp_path / "none"))


def build_bomb(size: int, declared_bytes: int) -> bytes:
    """Return a recording of one answer with `size` bytes that claims to have `claimed_bytes` bytes."""
    line = (
        file_format.encode_line(
            RecordedResponse(row="q", source=SOURCE_NAME, promql="m", duration_seconds=0.0, size_bytes=declared_bytes)
        )
        + b"\n"
    )
    head, _, tail = encode_recording([]).partition(
        b"\x28\xb5\x2f\xfd" + encode_recording([]).split(b"\x28\xb5\x2f\xfd")[2]
    )
    assert not tail
    return (
        head
        + compress_frame(line + b"0" * size + b"\n")
        + compress_frame(file_format.encode_line(RecordedRefresh(FIRST_REFRESH_SECONDS, 1)) + b"\n")
    )


def test_a_body_over_the_limit_is_not_decompressed(tmp_path: Path) -> None:
    """A body over the size limit is an error, as with an upstream."""
    with (
        open_recording(tmp_path, build_bomb(10**8, 10**8)) as reader,
        pytest.raises(ResponseTooLargeError, match="larger than 1000 bytes"),
    ):
        reader.read_body(0, (SOURCE_NAME, "m"), 1000)


@pytest.mark.parametrize("claimed_bytes", [0, 1, 10**8 - 1, 10**8 + 1])
def test_a_wrong_size_is_damage(tmp_path: Path, claimed_bytes: int) -> None:
    """A body with another size than its line claims is detected when the recording is opened."""
    with pytest.raises(RecordingError, match="is damaged"):
        open_recording(tmp_path, build_bomb(10**8, claimed_bytes))


MEMORY_SCRIPT = """
import resource, sys
from aggregator.errors import RecordingError
from aggregator.querier.recording.replay import RecordingReader
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    RecordingReader(sys.argv[1])
except RecordingError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_bomb_uses_little_memory(tmp_path: Path) -> None:
    """A file that decompresses to 512 MB is verified in a few MiB of memory."""
    (tmp_path / "bomb").write_bytes(build_bomb(5 * 10**8, 5 * 10**8))
    assert (tmp_path / "bomb").stat().st_size < 100_000
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(tmp_path / "bomb")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60)
    assert int(done.stdout.splitlines()[-1]) < 30


def test_a_frame_with_a_large_window_is_rejected(tmp_path: Path) -> None:
    """A frame with too large a window is rejected."""
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27)).compressobj()
    line = file_format.encode_line(RecordedRefresh(1e10, 0)) + b"\n"
    with pytest.raises(RecordingError, match="is damaged"):
        open_recording(tmp_path, encode_recording([]) + wide.compress(line) + wide.flush())


def test_an_unrecorded_query_is_an_error(tmp_path: Path) -> None:
    """A query that was not recorded has an error of its own, and no stale response replaces it."""
    with RecordingReader(str(write_recording(tmp_path / "a", [ONE_RESPONSE], rows=["memory_free"]))) as reader:
        with pytest.raises(NotRecordedError, match="another version") as caught:
            reader.read_body(0, (SOURCE_NAME, "up"), 1000)
        assert not caught.value.allows_stale_fallback


def test_a_fifo_is_rejected_at_once(tmp_path: Path) -> None:
    """A FIFO without a writer is rejected at once."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingError, match="not a regular file"):
        RecordingReader(str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("names", "problem"),
    [(["a", "b", "a"], "contains a source twice"), ([f"s{number}" for number in range(101)], "more than 100 sources")],
    ids=["twice", "many"],
)
def test_impossible_sources_are_rejected(tmp_path: Path, names: list[str], problem: str) -> None:
    """A recording with duplicate or too many sources is rejected."""
    path = write_recording(tmp_path / "a", [{}], sources=[RecordedSource(name) for name in names], rows=["uptime"])
    with pytest.raises(RecordingError, match=problem):
        RecordingReader(str(path))
