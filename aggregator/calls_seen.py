"""gRPC calls as they are counted: by method, and by the code that they ended with.

Like `requests_seen`: plain numbers that one thread adds to and any may read, as the library's counters take locks.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from aggregator.own_metrics import METHOD_LABELS

# What methods are expected to end with; these series exist from the start.
USUAL_CODES = ("OK", "CANCELLED", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNAVAILABLE", "INTERNAL")


class MethodCalls:
    """How many calls of one method began, and how many ended, by their code."""

    def __init__(self) -> None:
        self.began = 0
        self.ended = dict.fromkeys(USUAL_CODES, 0)

    def end(self, code: str) -> None:
        """Count a call that ended with a code, one of gRPC's."""
        try:
            self.ended[code] += 1
        except KeyError:
            self.ended[code] = 1


class CallsSeen(Collector):
    """Counts calls for a registry."""

    def __init__(self, began: tuple[str, str], ended: tuple[str, str]) -> None:
        """`began` and `ended` are the names and the notes of the two metrics."""
        self._began = began
        self._ended = ended
        self._methods: dict[tuple[str, str, str], MethodCalls] = {}

    def of(self, service: str, method: str, kind: str) -> MethodCalls:
        """Return what counts the calls of a method; `kind` is "unary", "server_stream" or the like."""
        return self._methods.setdefault((service, method, kind), MethodCalls())

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield both metrics as they are now; a call between the two counts as under way, never as ended only."""
        ended = CounterMetricFamily(*self._ended, labels=(*METHOD_LABELS, "grpc_code"))
        for labels, calls in list(self._methods.items()):
            for code, number in list(calls.ended.items()):
                ended.add_metric((*labels, code), number)
        began = CounterMetricFamily(*self._began, labels=METHOD_LABELS)
        for labels, calls in list(self._methods.items()):
            began.add_metric(labels, calls.began)
        yield began
        yield ended
