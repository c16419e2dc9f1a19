"""From packed answers to samples, for as long as there is time: what they hold, and so what it costs, others decide."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aggregator.errors import TooSlowError
from aggregator.portions import let_go
from aggregator.querier.decode import Answer, Decoder
from aggregator.querier.packing import unpack
from aggregator.secrets import NONE_KNOWN, Secrets

# However long answers were waited for, those that came are read for such a share of the deadline, or for a second.
READING_SHARE = 0.5
LEAST_READING_SECONDS = 1.0
# Then, for so much longer, answers of earlier refreshes are, which stand in for those that were not.
EARLIER_SHARE = 0.25
LEAST_EARLIER_SECONDS = 0.5
# What a sample costs once it is decoded: to place it, and where it makes an object, to finish and render that. It is
# 5 to 10 and 30 to 60 microseconds on a core of 2.5 GHz.
PLACING_SECONDS = 10e-6
MAKING_SECONDS = 60e-6

_OVER = "not read: too little is left of the time for the whole refresh"


@dataclass(frozen=True)
class Way:
    """How an answer is read: by which decoder, for which cluster, if its samples make objects, what is not told."""

    decode: Decoder
    cluster: str = ""
    makes: bool = False
    secrets: Secrets = NONE_KNOWN


class Reading:
    """Reads the answers of one refresh, on one thread, until its deadline, which is counted from now on.

    Time for the objects of what was read is not given to what comes after it. Without a deadline it takes any time.
    """

    def __init__(self, deadline_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + deadline_seconds
        self._earlier_seconds = max(LEAST_EARLIER_SECONDS, EARLIER_SHARE * deadline_seconds)
        # When it would end if it had nothing but its share of the time, not counting that in which it waits.
        self._share_end = clock() + max(LEAST_READING_SECONDS, READING_SHARE * deadline_seconds)
        self._owed_seconds = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Note how long the block takes, in which there is nothing to read."""
        began = self._clock()
        yield
        self._share_end += self._clock() - began

    def answer(self, packed: bytes, way: Way) -> Answer:
        """Return an answer; raise TooSlowError where there is no time to read it and for what comes of it."""
        return self._read(packed, way, 0.0)

    def earlier(self, packed: bytes, way: Way) -> Answer:
        """Return an answer of an earlier refresh, for which there is more time; raise TooSlowError as `answer` does."""
        return self._read(packed, way, self._earlier_seconds)

    def _read(self, packed: bytes, way: Way, more_seconds: float) -> Answer:
        end = max(self._end, self._share_end) + more_seconds

        def check(seconds: float = 0.0) -> None:
            if self._clock() + self._owed_seconds + seconds >= end:
                raise TooSlowError(_OVER)

        check()
        answer = way.decode(unpack(packed), way.cluster, way.secrets, check)
        weight = _weight(answer)
        owes = weight * MAKING_SECONDS if way.makes else 0.0
        try:
            check(weight * PLACING_SECONDS + owes)
        except TooSlowError:
            let_go(answer.samples)
            raise
        self._owed_seconds += owes
        return answer


def _weight(answer: Answer) -> int:
    """Return how many samples there are, or their labels, where each is an entry of its own."""
    samples = answer.samples
    if samples and isinstance(samples[0].metric, dict):
        return sum(len(sample.metric) for sample in samples)
    return len(samples)
