"""The order in which samples arrive tells nothing: Prometheus and Thanos promise none."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.build import build
from aggregator.models.catalog import CATALOG
from tests.cases import NAMES, answers, topology


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
def test_shuffled_answers_are_the_same_topology(name: str, seed: int) -> None:
    """Whatever order each answer's samples are in, the topology is the same."""
    shuffler = random.Random(seed)  # noqa: S311 - hypothesis chooses the seed so that a failure can be repeated
    shuffled = {row: shuffler.sample(found, len(found)) for row, found in answers(name).items()}
    assert build(shuffled, CATALOG)[0] == topology(name)
