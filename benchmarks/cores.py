"""Which core does what, where the system lets us say so: the server on one, the load on another."""

import os
import shutil

SERVER = 0
LOAD = 1


def on_core(number: int) -> list[str]:
    """Return what stands before a command so that it runs on one core; nothing where that cannot be had."""
    taskset = shutil.which("taskset")
    if taskset is None or (os.cpu_count() or 1) < 2:
        return []
    return [taskset, "-c", str(number)]
