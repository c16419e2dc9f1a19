"""Replay targets in PROMETHEUS_ADDRESS."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.app.sources import build_upstream_set
from aggregator.errors import SettingsError
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.recording.file_format import RecordedSource
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from aggregator.settings.upstream import ReplayTarget
from tests.querier.recording.recordings import write_recording


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a recording."""
    return write_recording(tmp_path_factory.mktemp("tape") / "of two, with blanks.recording", [{}, {}])


def read_settings_error(address: str) -> str:
    """Return the problem of an address."""
    with pytest.raises(SettingsError) as caught:
        load_settings({"PROMETHEUS_ADDRESS": address}, Settings)
    (text,) = caught.value.problems
    return text


@pytest.mark.parametrize(
    ("options", "speed"), [("", 1.0), ("#speed=10", 10.0), ("#speed=0.5", 0.5), ("#speed=max", None)]
)
def test_a_replay_target_has_a_path_and_a_speed(path: Path, options: str, speed: float | None) -> None:
    """The text between replay: and # is the file name, including blanks and commas; there are no upstreams."""
    settings = load_settings({"PROMETHEUS_ADDRESS": f"replay:{path}{options}"}, Settings)
    assert settings.replay == ReplayTarget(str(path), speed)
    assert settings.upstreams == ()


@pytest.mark.parametrize(
    "options", ["#", "#speed=", "#speed=-1", "#speed=1e3", "#speed=0", "#speed=9999999", "#name=a"]
)
def test_an_invalid_speed_is_a_problem(path: Path, options: str) -> None:
    """After # only speed= with a positive number or max is valid."""
    assert read_settings_error(f"replay:{path}{options}").startswith("PROMETHEUS_ADDRESS: has ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"metrics 1\n", "is not a recording of this program"),
    ],
)
def test_an_invalid_recording_is_a_problem(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """An invalid file is a problem of PROMETHEUS_ADDRESS that names the file."""
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    assert read_settings_error(f"replay:{tmp_path / 'a'}") == (
        f"PROMETHEUS_ADDRESS: the recording {tmp_path / 'a'} {problem}; expected: a file that `aggregator record` wrote"
    )


def test_a_recording_is_replayed_alone(path: Path) -> None:
    """A recording together with upstreams is invalid."""
    assert "lists a recording and other addresses" in read_settings_error(f"http://host,replay:{path}")
    assert "a recording must be the only address" in read_settings_error(f"replay:{path},http://host")
    assert "sw0rdfish" not in read_settings_error(f"replay:{path},http://user:sw0rdfish@host")
    assert "has no file name" in read_settings_error("replay:")


@given(st.binary(max_size=300))
def test_any_file_is_accepted_or_one_problem(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A file with any bytes after a valid header is accepted or is one problem."""
    file = write_recording(tmp_path_factory.mktemp("tape") / "a", [{}], rows=["uptime"])
    file.write_bytes(file.read_bytes() + content)
    try:
        load_settings({"PROMETHEUS_ADDRESS": f"replay:{file}"}, Settings)
    except SettingsError as error:
        assert "the recording " in str(error)  # noqa: PT017 - either is right


def test_the_sources_of_a_recording_are_the_recorded_upstreams(tmp_path: Path) -> None:
    """A recording of two upstreams is replayed as two sources with their names and clusters."""
    write_recording(tmp_path / "a", [{}], sources=[RecordedSource("eu", "rome"), RecordedSource("us")])
    sources = build_upstream_set(
        load_settings({"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"}, Settings), PATTERN_REDACTOR
    )
    assert sources.recording is not None
    sources.recording.close()
    assert [(source.name, source.cluster) for source, _ in sources.upstreams] == [("eu", "rome"), ("us", "")]
    assert sources.names == ("eu", "us")
