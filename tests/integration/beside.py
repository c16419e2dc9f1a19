"""Tests that mostly wait for a process of their own: a few of them go on beside those that come one by one."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

MARK = "beside"
AT_ONCE = 2

Outcomes = Mapping[str, Future[None]]


@contextmanager
def begun(
    items: Sequence[pytest.Item], shared: Mapping[str, object], folder: Callable[[str], Path]
) -> Iterator[Outcomes]:
    """Begin those of the tests that are marked; give what becomes of each, by its id.

    Such a test may take its own parameters, a folder as `tmp_path`, and what is in `shared`.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=MARK) as threads:
        yield {
            item.nodeid: threads.submit(item.obj, **_arguments(item, shared, folder))
            for item in items
            if isinstance(item, pytest.Function) and item.get_closest_marker(MARK)
        }
        threads.shutdown(cancel_futures=True)


def _arguments(
    item: pytest.Function, shared: Mapping[str, object], folder: Callable[[str], Path]
) -> Mapping[str, object]:
    known = {**shared, **(item.callspec.params if hasattr(item, "callspec") else {})}
    wanted = inspect.signature(item.obj).parameters
    return {name: folder("beside") if name == "tmp_path" else known[name] for name in wanted}
