"""What all tests share: how hypothesis runs, garbage collection, and how children take signals."""

import signal

import hypothesis
import pytest

from aggregator.util import runtime

# A laptop that is busy with something else must not fail a test, and the same code must give the same result.
hypothesis.settings.register_profile("aggregator", deadline=None, derandomize=True, database=None, max_examples=60)
hypothesis.settings.load_profile("aggregator")

# By default, collections examine the items of all tests again and again, in a tenth of the CPU time.
runtime.collect_garbage_rarely()


@pytest.fixture(scope="session", autouse=True)
def _children_hang_up() -> None:
    """Run by nohup, the suite stays when its terminal is closed, as before, and its children do not.

    A signal that is ignored stays so in children; one that has a handler does what it does by default there.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
