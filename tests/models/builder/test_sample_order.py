"""The order in which samples arrive tells nothing: Prometheus and Thanos promise none."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.parity_cases import CASE_NAMES, build_case_topology, decode_case_samples
from tests.support.samples import build_from_samples


@pytest.mark.parametrize("name", CASE_NAMES)
@given(seed=st.integers(0, 2**32))
def test_shuffled_answers_are_the_same_topology(name: str, seed: int) -> None:
    """Whatever order each answer's samples are in, the topology is the same."""
    shuffler = random.Random(seed)  # noqa: S311 - hypothesis chooses the seed so that a failure can be repeated
    shuffled = {row: shuffler.sample(found, len(found)) for row, found in decode_case_samples(name).items()}
    assert build_from_samples(shuffled)[0] == build_case_topology(name)
