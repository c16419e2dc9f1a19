"""Each promise of docs/security.md and docs/reliability.md names tests that exist."""

import pytest

from tools import evidence


@pytest.mark.parametrize("page", evidence.PAGES)
def test_every_promise_has_tests(page: str) -> None:
    """docs/promises.toml has the promises of the page, in their order, each with at least one test."""
    tests_by_promise = evidence.load_tests()[page]
    assert list(tests_by_promise) == evidence.read_promises(page)
    assert [promise for promise, tests in tests_by_promise.items() if not tests] == []


@pytest.mark.parametrize("page", evidence.PAGES)
def test_every_named_test_exists(page: str) -> None:
    """Each test of docs/promises.toml is found in exactly one file."""
    tests = [test for tests in evidence.load_tests()[page].values() for test in tests]
    assert [test for test in tests if len(evidence.find_test_files(test)) != 1] == []


@pytest.mark.parametrize("page", evidence.PAGES)
def test_pages_make_promises(page: str) -> None:
    """The names of the promises are recognized and unique."""
    promises = evidence.read_promises(page)
    assert len(promises) == len(set(promises)) > 30


@pytest.mark.parametrize(
    "test",
    [
        "test_that_does_not_exist",
        "tests/repository/test_nothing.py",
        "tests/monitoring/test_rules.py::test_pages_make_promises",
        "test_pages_make_promises[an unknown parameter]",
        "later",
    ],
)
def test_a_missing_test_is_noticed(test: str) -> None:
    """An unknown function, file or parameter is not found."""
    assert evidence.find_test_files(test) == []
