"""The number of examples and the seed of random tests: few examples in `make test`, more in `make fuzz`."""

import os
import random
from collections.abc import Callable
from typing import Any, TypeVar

import hypothesis
import pytest

SEED = int(os.environ.get("FUZZ_SEED", "1"))
EXAMPLE_FACTOR = int(os.environ.get("FUZZ_TIMES", "1"))

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzz_examples(examples: int) -> Callable[[Test], Test]:
    """Return a decorator that runs a property on `examples` × EXAMPLE_FACTOR examples generated from the seed.

    It marks the test, so that `make fuzz` finds it.
    """

    def decorate(test: Test) -> Test:
        fuzz_settings = hypothesis.settings(
            max_examples=examples * EXAMPLE_FACTOR,
            derandomize=False,
            database=None,
            deadline=None,
            suppress_health_check=[
                # The fixtures are servers, and examples do not change them.
                hypothesis.HealthCheck.function_scoped_fixture,
                # A busy machine is not a failure of the property.
                hypothesis.HealthCheck.too_slow,
            ],
        )
        marked: Test = pytest.mark.fuzz(hypothesis.seed(SEED)(fuzz_settings(test)))
        return marked

    return decorate


def build_random(name: str) -> random.Random:
    """Return a random number generator for a test, determined by SEED and `name`."""
    return random.Random(f"{SEED} {name}")  # noqa: S311 - makes test inputs
