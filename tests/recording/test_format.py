"""The format of recordings: what is written is read, and what is damaged is noticed."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator import errors
from aggregator.errors import NotRecordedError, QueryError, RecordingError, RefusedError, TooLargeError
from aggregator.recording import lines
from aggregator.recording.frames import pack
from aggregator.recording.lines import Answer, Failure, Refresh, Source, error_of, failure_of
from aggregator.recording.tape import Tape
from aggregator.recording.writer import Writer
from tests.recording.tapes import FIRST_SECONDS, SOURCE, write
from tests.samples import ROWS, body

PROMQL = ROWS["memory_free"].ask.text
ONE = {"memory_free": body([({"icos_host_id": "a"}, "1")])}
BODIES = st.lists(st.binary(min_size=1, max_size=300_000), min_size=1, max_size=4)


def tape_of(folder: Path, content: bytes) -> Tape:
    """Read a recording that has this content."""
    path = folder / "made.recording"
    path.write_bytes(content)
    return Tape(str(path))


def recorded(answers: list[tuple[Answer, bytes]]) -> bytes:
    """Return a recording of one refresh with these answers."""
    out = io.BytesIO()
    writer = Writer(out, [Source(SOURCE)], FIRST_SECONDS)
    for answer, content in answers:
        writer.answer(answer, content)
    writer.refreshed(FIRST_SECONDS)
    return out.getvalue()


@given(bodies=BODIES)
def test_bodies_come_back_to_the_byte(tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes]) -> None:
    """Whatever bytes an answer has, line ends and zstandard's own marks among them, they are read as they were."""
    answers = [
        (Answer(query="q", source=SOURCE, promql=f"m{number}", seconds=0.0, bytes=len(each)), each)
        for number, each in enumerate(bodies)
    ]
    with tape_of(tmp_path_factory.mktemp("tape"), recorded(answers)) as tape:
        assert [tape.body(0, (SOURCE, f"m{number}"), 10**6) for number in range(len(bodies))] == bodies


@given(
    st.builds(
        Answer,
        query=st.text(),
        source=st.text(),
        promql=st.text(),
        seconds=st.floats(0, 1e6),
        bytes=st.integers(0, 2**62),
        failure=st.none()
        | st.builds(
            Failure,
            kind=st.sampled_from(sorted(lines.kinds())),
            text=st.text(),
            status=st.integers(0, 999),
            retry_after_seconds=st.none() | st.floats(0, 1e6),
        ),
    )
    | st.builds(Refresh, at_seconds=st.floats(0, 1e12), answers=st.integers(0, 10_000))
)
def test_lines_come_back(line: lines.Line) -> None:
    """Whatever a line says is read as it was written."""
    assert lines.decoded(lines.encoded(line)) == line


def every_query_error() -> list[type[QueryError]]:
    """Return all kinds of errors of queries."""
    found = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, QueryError)]
    assert NotRecordedError in found
    return found


@pytest.mark.parametrize("kind", every_query_error())
def test_every_error_of_a_query_is_replayed_as_what_it_was(kind: type[QueryError]) -> None:
    """An error's kind and text survive; so do the status and the Retry-After of a refusal."""
    error = RefusedError(503, "x", 7.0) if kind is RefusedError else kind("x")
    again = error_of(failure_of(error, str(error)))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == str(error)


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    """Unpacked as one stream it is lines of text: what there is, each answer, each refresh."""
    path = write(tmp_path / "a", [ONE], rows=["memory_free"])
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        head, answer, content, refresh = reader.readall().splitlines()
    assert head.startswith(b'{"type":"header","format":"aggregator recording","version":1,"created":"2026-')
    assert b'"query":"memory_free"' in answer
    assert content == ONE["memory_free"]
    assert refresh == b'{"type":"refresh","at_seconds":1795208200.0,"answers":1}'


def test_a_recording_that_is_cut_anywhere_is_refused_or_whole_up_to_there(tmp_path: Path) -> None:
    """After each byte: either there is no whole refresh yet, or all that were whole are there, and nothing else."""
    content = write(tmp_path / "a", [ONE, ONE, ONE], rows=["memory_free"]).read_bytes()
    counts = []
    for end in range(len(content)):
        try:
            with tape_of(tmp_path, content[:end]) as tape:
                counts.append(len(tape.moments))
                assert [tape.body(each, (SOURCE, PROMQL), 1000) for each in range(counts[-1])] == [
                    ONE["memory_free"]
                ] * counts[-1]
        except RecordingError:
            counts.append(0)
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2}


def test_that_it_ends_within_a_refresh_is_known(tmp_path: Path) -> None:
    """What was interrupted says so; what was ended in order does not."""
    content = write(tmp_path / "a", [ONE, ONE]).read_bytes()
    with tape_of(tmp_path, content) as whole, tape_of(tmp_path, content[:-5]) as cut:
        assert (whole.is_cut_short, len(whole.moments)) == (False, 2)
        assert (cut.is_cut_short, len(cut.moments)) == (True, 1)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """Wherever a bit is another, the recording is refused, or the bit said nothing; never are there other answers."""
    content = write(tmp_path / "a", [ONE], rows=["memory_free"]).read_bytes()
    refused = 0
    for at in range(len(content)):
        try:
            with tape_of(tmp_path, content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]) as tape:
                assert tape.body(0, (SOURCE, PROMQL), 1000) == ONE["memory_free"]
                assert tape.moments == [FIRST_SECONDS]
        except RecordingError:
            refused += 1
    assert refused > len(content) * 0.95


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"{}", "is no recording of this program"),
        (pack(b"hello\n"), "is no recording of this program"),
        (pack(b"hello"), "is damaged"),
        (pack(b'{"format":"aggregator recording","version":2}\n'), "is of version 2 of the format"),
        (pack(b'{"type":"header","format":"aggregator recording","version":1}\n'), "is damaged"),
        (recorded([])[:-20], "holds no whole refresh"),
        (recorded([]) + recorded([]), "is damaged: it has two beginnings"),
        (recorded([]) + pack(lines.encoded(Refresh(1.0, 0)) + b"\n"), "not in the order of time"),
        (recorded([]) + pack(lines.encoded(Refresh(1e10, 3)) + b"\n"), "answers of a refresh are missing"),
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    """Foreign, newer and damaged files are refused with a reason that repeats nothing of them."""
    with pytest.raises(RecordingError, match=reason):
        tape_of(tmp_path, content)


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """A folder, and a file that is not there, are refused with the system's reason."""
    with pytest.raises(RecordingError, match=r"cannot be read \(Is a directory"):
        Tape(str(tmp_path))
    with pytest.raises(RecordingError, match=r"cannot be read \(No such file"):
        Tape(str(tmp_path / "none"))


def bomb(size: int, said: int) -> bytes:
    """Return a recording of one answer that unpacks to `size` bytes and says that it has `said`."""
    line = lines.encoded(Answer(query="q", source=SOURCE, promql="m", seconds=0.0, bytes=said)) + b"\n"
    head, _, tail = recorded([]).partition(b"\x28\xb5\x2f\xfd" + recorded([]).split(b"\x28\xb5\x2f\xfd")[2])
    assert not tail
    return head + pack(line + b"0" * size + b"\n") + pack(lines.encoded(Refresh(FIRST_SECONDS, 1)) + b"\n")


def test_an_answer_over_the_cap_is_too_large_and_never_unpacked(tmp_path: Path) -> None:
    """What unpacks to more than one answer may have is refused by its size, as with an upstream."""
    with tape_of(tmp_path, bomb(10**8, 10**8)) as tape, pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        tape.body(0, (SOURCE, "m"), 1000)


@pytest.mark.parametrize("said", [0, 1, 10**8 - 1, 10**8 + 1])
def test_an_answer_that_lies_about_its_size_is_damage(tmp_path: Path, said: int) -> None:
    """An answer that unpacks to more, or less, than it says is refused at the start."""
    with pytest.raises(RecordingError, match="is damaged"):
        tape_of(tmp_path, bomb(10**8, said))


MEMORY = """
import resource, sys
from aggregator.errors import RecordingError
from aggregator.recording.tape import Tape
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Tape(sys.argv[1])
except RecordingError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    """A file of some kilobytes that unpacks to half a gigabyte is looked through in a few mebibytes."""
    (tmp_path / "bomb").write_bytes(bomb(5 * 10**8, 5 * 10**8))
    assert (tmp_path / "bomb").stat().st_size < 100_000
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "bomb")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60)
    assert int(done.stdout.splitlines()[-1]) < 30


def test_a_frame_that_wants_much_memory_is_refused(tmp_path: Path) -> None:
    """A frame whose window is larger than readers have to have room for is not unpacked at all."""
    wide = zstandard.ZstdCompressor(compression_params=zstandard.ZstdCompressionParameters(window_log=27)).compressobj()
    line = lines.encoded(Refresh(1e10, 0)) + b"\n"
    with pytest.raises(RecordingError, match="is damaged"):
        tape_of(tmp_path, recorded([]) + wide.compress(line) + wide.flush())


def test_a_query_that_was_not_recorded_has_no_answer(tmp_path: Path) -> None:
    """What another version of the program asks is told as such, and no earlier answer stands in for it."""
    with Tape(str(write(tmp_path / "a", [ONE], rows=["memory_free"]))) as tape:
        with pytest.raises(NotRecordedError, match="another version") as caught:
            tape.body(0, (SOURCE, "up"), 1000)
        assert not caught.value.may_use_last_answer


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """A pipe into which nobody writes is no recording; it is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RecordingError, match="it is no file"):
        Tape(str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("names", "problem"),
    [(["a", "b", "a"], "names a source twice"), ([f"s{number}" for number in range(101)], "more than 100 sources")],
    ids=["twice", "many"],
)
def test_sources_that_nobody_asked_are_refused(tmp_path: Path, names: list[str], problem: str) -> None:
    """A recording cannot have a source twice, nor so many that asking each would need threads without end."""
    path = write(tmp_path / "a", [{}], sources=[Source(name) for name in names], rows=["uptime"])
    with pytest.raises(RecordingError, match=problem):
        Tape(str(path))
