"""How the process runs: when its threads have their turn, when it gives memory back, how many descriptors it has."""

import contextlib
import ctypes
import gc
import resource
import sys
from collections.abc import Iterator

from aggregator.logs import logger

SWITCH_SECONDS = 0.0005
# Allocations, then collections of younger generations, before the collector looks: rarely, but not never.
COLLECT_AFTER = (50_000, 20, 100)
# The first of these during a refresh. A call over gRPC leaves some 20 objects in cycles: so many are a few hundred MB.
COLLECT_AFTER_WHILE_REFRESHING = 2_000_000

# From glibc's malloc.h.
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8
LARGE_BLOCK_BYTES = 2**20

# Descriptors for everything that is no connection of a client: files, the event loops, connections to the upstream.
OWN_DESCRIPTORS = 64

_log = logger(__name__)


def be_quick_to_answer() -> None:
    """Let the event loop have its turn soon while a refresh computes on another thread.

    A thread that computes holds on to the interpreter for 5 ms at a time, and the garbage collector, unasked,
    looks at everything that imports and refreshes made, although none of it is in cycles.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


@contextlib.contextmanager
def collecting_afterwards() -> Iterator[None]:
    """Let the garbage collector look only when the block is over, unless very much is made in it.

    A refresh makes some hundred thousand objects, of which it keeps few: while they are there, each look at the young
    ones holds the interpreter for 10 to 40 ms, and finds nothing. Older ones are looked at as often as ever.
    """
    usual = gc.get_threshold()
    if usual[0] >= COLLECT_AFTER_WHILE_REFRESHING:
        yield
        return
    gc.set_threshold(COLLECT_AFTER_WHILE_REFRESHING, *usual[1:])
    try:
        yield
    finally:
        _, middle, old = gc.get_count()
        # While so many are waiting to be looked at, the usual threshold would have it done at once, and then again.
        gc.collect(2 if old > usual[2] else 1 if middle > usual[1] else 0)
        gc.set_threshold(*usual)


def be_quick_to_return_memory() -> None:
    """Let the C library hand large blocks, such as answers and documents, back to the system when they are freed.

    glibc by itself learns to keep them, in an arena for each thread that ever asked for one: at 2,000 nodes that
    is 100 MiB. Other C libraries have no such function and no such habit.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        libc.mallopt(M_ARENA_MAX, 2)


def room_for_connections(wanted: int, *, is_default: bool = False) -> int:
    """Make room for connections, and return how many each of two servers may have: what is wanted, if it can be had.

    The system's soft limit of descriptors is raised to the hard one: the soft one is low only for the sake of
    programs that cannot do with more.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return wanted
    # At least a few, in the hope that we need less: when descriptors run out, new connections wait.
    possible = max(8, (hard - OWN_DESCRIPTORS) // 2)
    if possible < wanted:
        # Who asked for no number need not know.
        log = _log.debug if is_default else _log.info
        log("fewer connections than MAX_CONNECTIONS", most=possible, descriptors=hard)
    return min(wanted, possible)
