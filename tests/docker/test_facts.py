"""What is read from responses of an Engine."""

from typing import Any

import pytest

from aggregator.docker import facts
from aggregator.docker.facts import NetworkUsage
from aggregator.docker.usage import compute_working_set_bytes
from tests.support.fake_engine import RECORDINGS, read_recording

CGROUP_2 = RECORDINGS / "cgroup_2"


def find_recorded(recording: str, state: str) -> Any:
    """Return the recorded response about the first container in a state."""
    container_id = next(item["Id"] for item in read_recording("containers") if item["State"] == state)
    return read_recording(recording)[container_id]


def test_the_facts_of_an_engine() -> None:
    """Names, versions and counts come from /version and /info, with all labels as they are configured."""
    engine = facts.read_engine(read_recording("version"), read_recording("info"))
    assert (engine.name, engine.engine, engine.api_version, engine.git_commit) == (
        "dockerhost1",
        "docker",
        "1.41",
        "5d6db84",
    )
    assert (engine.storage_driver, engine.cgroup_version, engine.is_swarm_active) == ("overlay2", "1", False)
    assert (engine.image_count, engine.container_count, engine.running_count) == (1, 3, 1)
    assert engine.labels == ("env=prod", "zone=a", "odd", "two=x=y")


def test_podman_is_recognized() -> None:
    """An Engine with a component named after Podman is Podman."""
    version = {"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}], "Version": "4.3.1"}
    assert facts.read_engine(version, {}).engine == "podman"


@pytest.mark.parametrize(
    ("info", "has_usage"),
    [
        ({"Rootless": True, "CgroupVersion": "1"}, False),
        ({"SecurityOptions": ["name=seccomp,profile=default", "name=rootless"], "CgroupVersion": "1"}, False),
        ({"Rootless": True, "CgroupVersion": "2"}, True),
        ({"Rootless": False, "CgroupVersion": "1"}, True),
        ({}, True),
    ],
)
def test_an_engine_without_control_groups_measures_no_containers(info: dict[str, Any], has_usage: bool) -> None:
    """Podman and Docker of another user than root measure containers with cgroup v2 only."""
    assert facts.read_engine({}, info).has_container_usage is has_usage


def test_containers_are_newest_first() -> None:
    """Containers keep the order of the Engine; the name has no slash."""
    containers = [facts.read_container(item) for item in read_recording("containers")]
    assert [(each.name, each.state, each.is_running) for each in containers] == [
        ("ended", "exited", False),
        ("idle", "paused", True),
        ("httpd--john", "running", True),
    ]


def test_missing_labels_differ_from_none() -> None:
    """A container without a `Labels` object has no mapping, which a report shows as null."""
    assert facts.read_container({"Id": "a", "Labels": None}).labels is None
    assert facts.read_container({"Id": "a", "Labels": {}}).labels == {}


def test_the_details_of_a_container() -> None:
    """An inspection tells health, memory limit, start with its fraction, and the exit code of the last run."""
    running = facts.read_details(find_recorded("inspections", "running"))
    assert (running.health, running.memory_limit_bytes, running.restart_count) == ("healthy", 67108864, 0)
    assert running.started_seconds == pytest.approx(1796019339.415, abs=0.001)
    ended = facts.read_details(find_recorded("inspections", "exited"))
    assert (ended.health, ended.exit_code, ended.memory_limit_bytes) == ("none", 3, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.123456789Z", 1767323045.123456),
        ("2026-01-02T03:04:05Z", 1767323045.0),
        ("2026-01-02T04:04:05.5+01:00", 1767323045.5),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_times_of_the_engine(text: str, expected: float | None) -> None:
    """Times have up to nine digits of a fraction, and a zone; the year 1 means that there is none."""
    assert facts.read_details({"State": {"StartedAt": text}}).started_seconds == (
        expected if expected is None else pytest.approx(expected, abs=1e-6)
    )


def test_usage_with_cgroup_1() -> None:
    """Counters of a container with a CPU limit, recorded from Engine 20.10 with cgroup 1."""
    usage = facts.read_usage(find_recorded("statistics", "running"))
    assert usage is not None
    assert (usage.online_cpus, usage.memory_limit_bytes, usage.process_count) == (2, 67108864, 2)
    assert usage.cpu_nanoseconds > 0
    assert usage.host_cpu_nanoseconds > usage.cpu_nanoseconds
    assert [each.interface for each in usage.networks] == ["eth0"]


def test_usage_with_cgroup_2() -> None:
    """Page cache, anonymous memory and block devices have other names with cgroup 2."""
    usage = facts.read_usage(read_recording("statistics", CGROUP_2))
    assert usage is not None
    assert (usage.memory_inactive_file_bytes, usage.memory_cache_bytes, usage.memory_rss_bytes) == (2, 3, 4)
    assert (usage.read_bytes, usage.write_bytes) == (11, 22)
    assert usage.networks == (NetworkUsage("eth0", 5, 6), NetworkUsage("eth1", 7, 8))


def test_usage_of_podman() -> None:
    """Podman reports memory without its parts: these are missing, not 0, and the working set is the usage."""
    usage = facts.read_usage({"memory_stats": {"usage": 331776, "max_usage": 25276510208, "limit": 25276510208}})
    assert usage is not None
    assert (usage.memory_cache_bytes, usage.memory_rss_bytes) == (None, None)
    assert compute_working_set_bytes(usage) == 331776


def test_a_stopped_container_has_no_usage() -> None:
    """An Engine reports zeros read in the year 1 for a container that does not run."""
    assert facts.read_usage(find_recorded("statistics", "exited")) is None


@pytest.mark.parametrize("value", [None, "text", -1, [], {}, True])
def test_values_of_an_unexpected_type_are_missing(value: Any) -> None:
    """A value of another type costs only itself: it counts as 0 or empty."""
    statistics = {
        "cpu_stats": {"cpu_usage": {"total_usage": value}},
        "memory_stats": value,
        "networks": {"eth0": value},
        "blkio_stats": {"io_service_bytes_recursive": [value, {"op": "Read", "value": value}]},
    }
    usage = facts.read_usage(statistics)
    assert usage is not None
    assert (usage.cpu_nanoseconds, usage.memory_bytes, usage.read_bytes) == (0, 0, 0)
    assert facts.read_container({"Id": "a" * 64, "Names": value, "Created": value}).name == "a" * 12
