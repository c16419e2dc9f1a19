"""The JSON of /get-data, compared with the recorded output of the old agent."""

import json
from pathlib import Path
from typing import Any

from aggregator.agent.collect import Collection, ContainerReading
from aggregator.agent.legacy import render_legacy_data
from aggregator.docker.facts import EngineContainer, EngineFacts, NetworkUsage, Usage

GOLDEN = Path(__file__).parents[1] / "data" / "older-programs"

ENGINE = EngineFacts("vm", "docker", "24.0.4", "3713ee1f2a", "1.43", "overlay2", "2", False, 3, 2, 1, ())
USAGE = Usage(0, 0, 0, 0, 2, 0, 0, 0, 19, 10_000, 0, 0, 0, 1, (NetworkUsage("eth0", 1126, 0),), 16986931, 1610612736)
STOPPED = ContainerReading(
    EngineContainer("58b587bc20a4", "httpd--john", "httpd", "", {}, "exited", "Exited (0) 24 hours ago", 1689640559),
    None,
    None,
    None,
    0.0,
    None,
)
RUNNING = ContainerReading(
    EngineContainer(
        "f08aaca7ab91" + "0" * 52,
        "web",
        "httpd:2.4",
        "",
        {"maintainer": 'J "Q" D', "foo": "bar"},
        "running",
        "Up 27 minutes",
        1688780127,
    ),
    USAGE,
    None,
    USAGE,
    12.3412,
    1.0,
)


def render(*readings: ContainerReading, is_verbatim: bool = True) -> bytes:
    """Return the document of a host with these containers."""
    return render_legacy_data(Collection(ENGINE, readings, None, 0.1), "localhost.server4", is_verbatim=is_verbatim)


def read_golden(name: str) -> bytes:
    """Return a recorded output of the old agent."""
    return (GOLDEN / name).read_bytes()


def test_the_recorded_document() -> None:
    """With LEGACY_TEXT=verbatim, the document is that of the old agent, except that labels are sorted by name."""
    maintainer, other = b'maintainer=J \\"Q\\" D', b"foo=bar"
    expected = read_golden("000_agent_get-data.json").replace(maintainer + b"," + other, other + b"," + maintainer)
    assert render(STOPPED, RUNNING) == expected


def test_the_recorded_document_without_an_engine() -> None:
    """While the Engine is away, the document has two keys and no line end, as that of the old agent."""
    document = render_legacy_data(Collection(None, (), None, 0.1), "localhost.server4", is_verbatim=False)
    assert document == read_golden("000_agent_get-data_docker-down.json")


def test_texts_are_safe_for_old_aggregators() -> None:
    """By default, no text contains a quote, a backslash or a line end, which would cost the aggregator all hosts."""
    reading = ContainerReading(
        EngineContainer("a" * 64, "web", 'a"b\\c\nd\re', "", {'k"': "v\n"}, "running", "Up", 1),
        None,
        None,
        None,
        0.0,
        None,
    )
    document = json.loads(render(reading, is_verbatim=False))
    assert (document["containers"][0]["image"], document["containers"][0]["image-label"]) == ("a'b/c d e", "k'=v ")


def test_the_types_that_old_aggregators_need() -> None:
    """Percentages are always floats and counters integers: an old aggregator makes a label of anything else."""

    def describe(value: Any) -> str:
        return type(value).__name__

    for container in json.loads(render(STOPPED, RUNNING))["containers"]:
        assert {describe(container[key]) for key in ("cpu-percent", "mem-percent")} == {"float"}
        assert {describe(value) for key, value in container.items() if "bytes" in key or key == "created-at"} == {"int"}


def test_late_numbers_are_the_last_ones() -> None:
    """A container whose numbers are late keeps its last ones, because a missing key costs the aggregator all hosts."""
    late = ContainerReading(RUNNING.container, None, None, USAGE, 5.0, None)
    (container,) = json.loads(render(late))["containers"]
    assert (container["cpu-percent"], container["network-bytes-in"]) == (5.0, 1126)
    assert list(container) == list(json.loads(read_golden("000_agent_get-data.json"))["containers"][0])


def test_an_engine_without_a_commit() -> None:
    """A version without a commit, as of some Podman builds, is shown alone."""
    engine = EngineFacts("vm", "podman", "4.3.1", "", "1.41", "overlay", "2", False, 0, 0, 0, ())
    document = json.loads(render_legacy_data(Collection(engine, (), None, 0.1), "h", is_verbatim=False))
    assert document["docker-version"] == "4.3.1"
