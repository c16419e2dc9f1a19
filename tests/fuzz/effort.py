"""How hard the fuzzing tries, and from which seed: a little in the default suite, more in `make fuzz`."""

import os
import random
from collections.abc import Callable
from typing import Any, TypeVar

import hypothesis

SEED = int(os.environ.get("FUZZ_SEED", "1"))
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))

Test = TypeVar("Test", bound=Callable[..., Any])


def tries(examples: int) -> Callable[[Test], Test]:
    """Return a decorator that runs a property on so many examples, times the effort, all made from the seed."""

    def decorate(test: Test) -> Test:
        wanted = hypothesis.settings(
            max_examples=examples * TIMES,
            derandomize=False,
            database=None,
            deadline=None,
            suppress_health_check=[
                # Fixtures here are servers, which no example changes.
                hypothesis.HealthCheck.function_scoped_fixture,
                # A machine that is busy is no fault of the property.
                hypothesis.HealthCheck.too_slow,
            ],
        )
        return hypothesis.seed(SEED)(wanted(test))

    return decorate


def dice(name: str) -> random.Random:
    """Return a generator of random numbers for a test, the same for the same seed."""
    return random.Random(f"{SEED} {name}")  # noqa: S311 - makes test inputs
