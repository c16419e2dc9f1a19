"""PROMETHEUS_ADDRESS where it names a recording."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import SettingsError
from aggregator.recording.lines import Source
from aggregator.secrets import NONE_KNOWN
from aggregator.settings import read
from aggregator.settings.replays import Replayed
from aggregator.sources import sources_of
from tests.recording.tapes import write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording."""
    return write(tmp_path_factory.mktemp("tape") / "of two, with blanks.recording", [{}, {}])


def problem(address: str) -> str:
    """Return what is wrong with an address."""
    with pytest.raises(SettingsError) as caught:
        read({"PROMETHEUS_ADDRESS": address})
    (text,) = caught.value.problems
    return text


@pytest.mark.parametrize(
    ("options", "speed"), [("", 1.0), ("#speed=10", 10.0), ("#speed=0.5", 0.5), ("#speed=max", None)]
)
def test_a_recording_is_named_with_its_speed(path: Path, options: str, speed: float | None) -> None:
    """What stands between replay: and # is the file, blanks and commas included; there are no upstreams beside it."""
    settings = read({"PROMETHEUS_ADDRESS": f"replay:{path}{options}"})
    assert settings.replay == Replayed(str(path), speed)
    assert settings.upstreams == ()


@pytest.mark.parametrize(
    "options", ["#", "#speed=", "#speed=-1", "#speed=1e3", "#speed=0", "#speed=9999999", "#name=a"]
)
def test_a_speed_that_is_none_is_refused(path: Path, options: str) -> None:
    """Only a positive number, or max, is a speed; nothing else may stand behind the #."""
    assert problem(f"replay:{path}{options}").startswith("PROMETHEUS_ADDRESS: has ")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "the recording cannot be read (No such file or directory)"),
        (b"", "the recording is empty"),
        (b"metrics 1\n", "the recording is no recording of this program"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused_at_the_start(
    tmp_path: Path, content: bytes | None, wrong: str
) -> None:
    """What is wrong with the file is told by the name of the setting."""
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    assert problem(f"replay:{tmp_path / 'a'}").startswith(f"PROMETHEUS_ADDRESS: {wrong}; expected: ")


def test_a_recording_is_replayed_alone(path: Path) -> None:
    """Among upstreams a recording is refused, for its time is another."""
    assert "has a recording among others" in problem(f"http://host,replay:{path}")
    assert "a recording is replayed alone" in problem(f"replay:{path},http://host")
    assert "names no file" in problem("replay:")


@given(st.binary(max_size=300))
def test_no_file_breaks_the_start(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes stand behind a good beginning, the setting is accepted or refused with a reason."""
    file = write(tmp_path_factory.mktemp("tape") / "a", [{}], rows=["uptime"])
    file.write_bytes(file.read_bytes() + content)
    try:
        read({"PROMETHEUS_ADDRESS": f"replay:{file}"})
    except SettingsError as error:
        assert "the recording " in str(error)  # noqa: PT017 - either is right


def test_the_sources_of_a_recording_are_those_that_were_asked(tmp_path: Path) -> None:
    """A recording of two upstreams is replayed as two sources, with their names and clusters."""
    write(tmp_path / "a", [{}], sources=[Source("eu", "rome"), Source("us")])
    sources = sources_of(read({"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"}), NONE_KNOWN)
    assert sources.tape is not None
    sources.tape.close()
    assert [(source.name, source.cluster) for source, _ in sources.upstreams] == [("eu", "rome"), ("us", "")]
    assert sources.names == ("eu", "us")
