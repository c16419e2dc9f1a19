"""CPU affinity: the server on one core, the load generator on another, where the system supports it."""

import os
import shutil

SERVER_CPU = 0
LOAD_CPU = 1


def build_taskset_prefix(cpu: int) -> list[str]:
    """Return the command prefix that pins a program to one core; empty where that is not supported."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) < 2:
        return []
    return [taskset, "-c", str(cpu)]
