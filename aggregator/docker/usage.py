"""Numbers that are computed from the counters of a container."""

from aggregator.docker.facts import Usage

NANOSECONDS = 1e9


def compute_cpu_percent(previous: Usage | None, current: Usage) -> float:
    """Return the CPU time between two readings in percent of one CPU, as `docker stats` does; 0 without two readings.

    A counter that became smaller belongs to a container that was started again.
    """
    if previous is None:
        return 0.0
    container_delta = current.cpu_nanoseconds - previous.cpu_nanoseconds
    host_delta = current.host_cpu_nanoseconds - previous.host_cpu_nanoseconds
    if container_delta <= 0 or host_delta <= 0:
        return 0.0
    return container_delta / host_delta * max(1, current.online_cpus) * 100


def compute_working_set_bytes(usage: Usage) -> int:
    """Return the memory that the kernel cannot reclaim easily, as cAdvisor defines it."""
    return max(0, usage.memory_bytes - usage.memory_inactive_file_bytes)


def compute_memory_percent(usage: Usage) -> float:
    """Return the working set in percent of the limit, which is the memory of the host without a limit."""
    return compute_working_set_bytes(usage) / usage.memory_limit_bytes * 100 if usage.memory_limit_bytes else 0.0
