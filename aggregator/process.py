"""How the process runs: when its threads have their turn, and when it gives memory back to the system."""

import contextlib
import ctypes
import gc
import sys

SWITCH_SECONDS = 0.001
# Allocations, then collections of younger generations, before the collector looks: rarely, but not never.
COLLECT_AFTER = (50_000, 20, 100)

# From glibc's malloc.h.
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BLOCK_BYTES = 2**20


def be_quick_to_answer() -> None:
    """Let the event loop have its turn soon while a refresh computes on another thread.

    A thread that computes holds on to the interpreter for 5 ms at a time, and the garbage collector, unasked,
    looks at everything that imports and refreshes made, although none of it is in cycles.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def be_quick_to_return_memory() -> None:
    """Let the C library hand large blocks, such as answers and documents, back to the system when they are freed.

    glibc by itself learns to keep them, in an arena for each thread that ever asked for one: at 2,000 nodes that
    is 100 MiB. Other C libraries have no such function and no such habit.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_ARENA_MAX, 2)
