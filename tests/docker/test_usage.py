"""Numbers computed from counters."""

from dataclasses import replace

import pytest

from aggregator.docker.facts import Usage, read_usage
from aggregator.docker.usage import compute_cpu_percent, compute_memory_percent, compute_working_set_bytes
from tests.support.fake_engine import RECORDINGS, read_recording


@pytest.fixture
def usage() -> Usage:
    """A usage with four CPUs."""
    usage = read_usage(read_recording("statistics", RECORDINGS / "cgroup_2"))
    assert usage is not None
    return usage


def test_cpu_percent_between_two_readings(usage: Usage) -> None:
    """A container that used a tenth of the time of four CPUs used 40 % of one CPU."""
    later = replace(
        usage,
        cpu_nanoseconds=usage.cpu_nanoseconds + 100,
        host_cpu_nanoseconds=usage.host_cpu_nanoseconds + 1000,
    )
    assert compute_cpu_percent(usage, later) == pytest.approx(40.0)


def test_cpu_percent_without_two_readings(usage: Usage) -> None:
    """The first reading, a restarted container and a repeated reading have 0 %."""
    assert compute_cpu_percent(None, usage) == 0.0
    assert compute_cpu_percent(usage, replace(usage, cpu_nanoseconds=1)) == 0.0
    assert compute_cpu_percent(usage, usage) == 0.0


def test_memory(usage: Usage) -> None:
    """The working set is the usage without the inactive page cache, never negative; its percentage needs a limit."""
    assert compute_working_set_bytes(usage) == 98
    assert compute_working_set_bytes(replace(usage, memory_bytes=1)) == 0
    assert compute_memory_percent(usage) == pytest.approx(98 / 4096 * 100)
    assert compute_memory_percent(replace(usage, memory_limit_bytes=0)) == 0.0
