"""Lists in chunks, deferred garbage collection, and the limits of memory and of connections."""

import contextlib
import gc
import math
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from aggregator.util.runtime import (
    CHUNK_ITEMS,
    GC_THRESHOLDS,
    REFRESH_GC_THRESHOLD,
    clear_in_chunks,
    clear_mapping_in_chunks,
    compute_max_connections,
    defer_garbage_collection,
    iter_chunks,
    iter_slices,
    list_in_chunks,
    read_memory_limit_bytes,
)


class ReferenceCycle:
    """An object that references itself, so that only the garbage collector frees it."""

    def __init__(self) -> None:
        self.self_reference = self


@pytest.fixture(autouse=True)
def gateway_thresholds() -> Iterator[None]:
    """Set the thresholds of a running gateway during the test."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    yield
    gc.set_threshold(*before)


def test_garbage_is_collected_when_the_block_is_over() -> None:
    """Garbage is collected at the end of the block, and not before, however much there is."""
    with defer_garbage_collection():
        garbage = weakref.ref(ReferenceCycle())
        kept = [[] for _ in range(2 * GC_THRESHOLDS[0])]  # type: ignore[var-annotated] # noitem is ever in them
        assert garbage() is not None
    assert garbage() is None
    assert kept


def test_the_thresholds_are_restored_after_an_error() -> None:
    """The thresholds are restored after an error in the block."""
    with contextlib.suppress(RuntimeError), defer_garbage_collection():
        assert gc.get_threshold() == (REFRESH_GC_THRESHOLD, *GC_THRESHOLDS[1:])
        raise RuntimeError
    assert gc.get_threshold() == GC_THRESHOLDS


def test_a_nested_block_has_no_effect() -> None:
    """A nested block has no effect."""
    with defer_garbage_collection():
        within = gc.get_threshold()
        with defer_garbage_collection():
            assert gc.get_threshold() == within
        assert gc.get_threshold() == within
    assert gc.get_threshold() == GC_THRESHOLDS


def test_old_garbage_is_collected_after_enough_blocks() -> None:
    """Objects that survive a young collection are collected again later."""
    # The counts of collections begin at zero: otherwise the object may reach the oldest generation at once.
    gc.collect()
    old = ReferenceCycle()
    with defer_garbage_collection():
        pass
    garbage = weakref.ref(old)
    del old
    for _ in range(GC_THRESHOLDS[1] + 1):
        with defer_garbage_collection():
            pass
    assert garbage() is None


@pytest.mark.parametrize("length", [0, 1, CHUNK_ITEMS - 1, CHUNK_ITEMS, CHUNK_ITEMS + 1, 3 * CHUNK_ITEMS])
def test_a_chunked_list_has_all_values(length: int) -> None:
    """The list has all values in order, also if the last chunk is not full."""
    expected = [str(number) for number in range(length)]
    assert list_in_chunks(map(str, range(length))) == expected
    assert [text for part in iter_slices(map(str, range(length)), length) for text in part] == expected


def test_chunks_are_full_except_the_last() -> None:
    """All chunks but the last are full, and none is empty."""
    assert list(iter_chunks(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]


class WeakReferable:
    """An object that can be referenced weakly."""


def test_cleared_items_are_freed() -> None:
    """Lists and mappings of any length are emptied, and their items are freed."""
    items, values = ([WeakReferable() for _ in range(2 * CHUNK_ITEMS + 1)] for _ in range(2))
    mapping = {(name, str(name)): item for name, item in enumerate(values)}
    references = [weakref.ref(item) for item in (*items, *values)]
    del values
    clear_in_chunks(items)
    clear_mapping_in_chunks(mapping)
    assert (items, mapping) == ([], {})
    assert not any(item() for item in references)


@pytest.mark.parametrize(("descriptor_limit", "max_connections"), [(1024, 480), (65536, 32736), (20, 8)])
def test_two_servers_share_the_file_descriptors(descriptor_limit: int, max_connections: int) -> None:
    """Each server may have half of the descriptors that are not reserved, but at least 8."""
    assert compute_max_connections(descriptor_limit) == max_connections


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 2**30),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.inf),
        (
            {
                "proc/self/cgroup": "0::/system.slice/aggregator.service\n",
                "sys/fs/cgroup/system.slice/memory.max": "500000000\n",
                "sys/fs/cgroup/system.slice/aggregator.service/memory.max": "max\n",
            },
            500_000_000,
        ),
        # A container of an Engine without a namespace for groups: the path is that of the host.
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n1:name=systemd:/docker/1\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
            },
            2**28,
        ),
        (
            {"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"},
            math.inf,
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "?\n"}, math.inf),
    ],
)
def test_the_memory_limit_is_the_lowest_of_all_groups(tmp_path: Path, files: Mapping[str, str], limit: float) -> None:
    """The limits of the group and of those above it count, in both versions of the kernel API."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_memory_limit_bytes(tmp_path) == limit
