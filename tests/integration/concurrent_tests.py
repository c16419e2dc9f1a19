"""Runs tests that mostly wait for their own process in threads, while other tests run one by one."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

MARKER = "concurrent"
MAX_CONCURRENT_TESTS = 2

OutcomesById = Mapping[str, Future[None]]


@contextmanager
def start_marked_tests(
    items: Sequence[pytest.Item], shared: Mapping[str, object], make_folder: Callable[[str], Path]
) -> Iterator[OutcomesById]:
    """Start the marked tests in threads; yield their outcomes by test ID.

    A marked test may use its own parameters, `tmp_path`, and the fixtures in `shared`.
    """
    with ThreadPoolExecutor(MAX_CONCURRENT_TESTS, thread_name_prefix=MARKER) as threads:
        yield {
            item.nodeid: threads.submit(item.obj, **_build_arguments(item, shared, make_folder))
            for item in items
            if isinstance(item, pytest.Function) and item.get_closest_marker(MARKER)
        }
        threads.shutdown(cancel_futures=True)


def _build_arguments(
    item: pytest.Function, shared: Mapping[str, object], make_folder: Callable[[str], Path]
) -> Mapping[str, object]:
    available = {**shared, **(item.callspec.params if hasattr(item, "callspec") else {})}
    parameters = inspect.signature(item.obj).parameters
    return {name: make_folder("concurrent") if name == "tmp_path" else available[name] for name in parameters}
