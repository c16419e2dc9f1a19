"""Limits of the process: lists processed in chunks, threads, garbage collection, memory, file descriptors.

Chunks keep the event loop responsive. One call of C code processes a whole list without releasing the GIL: for 60,000
containers that takes 10 to 60 ms, in which no request is served.
"""

import contextlib
import ctypes
import gc
import math
import resource
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

_Value = TypeVar("_Value")

# At the cost of processing one sample, about a millisecond.
CHUNK_ITEMS = 4096

SWITCH_INTERVAL_SECONDS = 0.0005

# Thresholds of the three generations: collections are rare, but memory in cycles is freed eventually.
GC_THRESHOLDS = (50_000, 20, 100)

# The first threshold during a refresh. At about 20 objects in cycles for each gRPC call, this is a few hundred MB.
REFRESH_GC_THRESHOLD = 2_000_000

# Options of mallopt, from malloc.h of glibc.
M_MMAP_THRESHOLD = -3

M_ARENA_MAX = -8

LARGE_BLOCK_BYTES = 2**20

# cgroup v1 reports no limit as the largest multiple of the page size.
UNLIMITED_BYTES = 2**60

# Descriptors for files, event loops, METRICS_PORT and connections to upstreams.
RESERVED_DESCRIPTORS = 64


def iter_chunks(values: Iterable[_Value], chunk_items: int = CHUNK_ITEMS) -> Iterator[list[_Value]]:
    """Yield the values in lists of at most `chunk_items`."""
    iterator = iter(values)
    while chunk := list(islice(iterator, chunk_items)):
        yield chunk


def iter_slices(values: Iterable[_Value], length: int) -> Iterator[Iterator[_Value]]:
    """Yield iterators over `length` values in all; exhaust each before requesting the next one."""
    iterator = iter(values)
    for _ in range(0, length, CHUNK_ITEMS):
        yield islice(iterator, CHUNK_ITEMS)


def list_in_chunks(values: Iterable[_Value]) -> list[_Value]:
    """Return a list of the values of a lazy iterator such as `map`."""
    iterator = iter(values)
    result: list[_Value] = []
    length = -1
    while len(result) > length:
        length = len(result)
        result += islice(iterator, CHUNK_ITEMS)
    return result


def clear_in_chunks(items: list[Any], chunk_items: int = CHUNK_ITEMS) -> None:
    """Empty a list that holds the last references to its items: freeing them all at once also takes long."""
    while items:
        del items[-chunk_items:]


def clear_mapping_in_chunks(mapping: MutableMapping[Any, Any]) -> None:
    """Empty a mapping that holds the last references to its keys and values."""
    references = [list(mapping), list(mapping.values())]
    mapping.clear()
    for items in references:
        clear_in_chunks(items)


def collect_garbage_rarely() -> None:
    """Raise the thresholds of garbage collection before the imports, which leave almost nothing in cycles.

    By default, collections during the imports take an eighth of the time to start.
    """
    gc.set_threshold(*GC_THRESHOLDS)


def tune_interpreter() -> None:
    """Reduce the time that a refresh on another thread blocks the event loop.

    By default a busy thread keeps the GIL for 5 ms at a time, and garbage collections examine all objects that imports
    and refreshes created, although none of them are in cycles.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    gc.freeze()
    collect_garbage_rarely()


@contextlib.contextmanager
def defer_garbage_collection() -> Iterator[None]:
    """Defer garbage collection until the end of the block, unless the block creates very many objects.

    A refresh creates several hundred thousand objects and keeps few of them. Meanwhile, each collection of the youngest
    generation would hold the GIL for 10 to 40 ms without finding anything.
    """
    thresholds = gc.get_threshold()
    if thresholds[0] >= REFRESH_GC_THRESHOLD:
        yield
        return
    gc.set_threshold(REFRESH_GC_THRESHOLD, *thresholds[1:])
    try:
        yield
    finally:
        _, middle_count, old_count = gc.get_count()
        # Collect before the threshold is restored: the count exceeds it, so the next allocation would collect anyway.
        gc.collect(2 if old_count > thresholds[2] else 1 if middle_count > thresholds[1] else 0)
        gc.set_threshold(*thresholds)


def tune_malloc() -> None:
    """Make glibc return large blocks, such as response bodies and documents, to the system when they are freed.

    By default glibc raises its threshold and keeps them, in one arena for each thread: 100 MiB at 2,000 nodes. Other
    C libraries have neither this function nor this behavior.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_ARENA_MAX, 2)


def raise_descriptor_limit() -> int | None:
    """Raise the soft limit of file descriptors to the hard limit; return that, or None if it is unlimited.

    The soft limit is low only for programs that use `select`.
    """
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return None if hard_limit == resource.RLIM_INFINITY else hard_limit


def read_memory_limit_bytes(root: Path = Path("/")) -> float:
    """Return the lowest memory limit of the control groups that this process is in, infinity without one."""
    limits = (_read_limit(path) for path in _list_limit_files(root))
    return min((limit for limit in limits if limit is not None), default=math.inf)


def _list_limit_files(root: Path) -> Iterator[Path]:
    """Yield the limit of each cgroup from that of the process up to the root, for cgroup v1 and v2.

    Without a cgroup namespace, a container sees its path on the host, while its own cgroup is mounted at the root.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for _, controllers, group in (line.split(":", 2) for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        folder = mount / group.lstrip("/")
        for parent in (folder, *folder.parents):
            yield parent / ("memory.limit_in_bytes" if controllers else "memory.max")
            if parent == mount:
                break


def _read_limit(path: Path) -> float | None:
    """Return the limit in a file, None if there is no limit or no file."""
    try:
        limit = float(path.read_text(encoding="ascii").replace("max", "inf"))
    except (OSError, ValueError):
        return None
    return limit if limit < UNLIMITED_BYTES else None


def compute_max_connections(descriptor_limit: int) -> int:
    """Return how many connections HTTP and gRPC may each have; the few of METRICS_PORT use reserved descriptors.

    At least 8, even if they exceed the limit: when descriptors run out, new connections wait.
    """
    return max(8, (descriptor_limit - RESERVED_DESCRIPTORS) // 2)
