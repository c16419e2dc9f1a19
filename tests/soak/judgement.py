"""What must hold at the end of a soak: memory flat, nothing left open, a short log, counters that agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from tests.soak.clients import Told

# What an allocator keeps of one large answer or another, by chance, at one end of the run and not at the other.
# A leak of 50 kB a refresh is more than this after ten minutes.
GROWTH_MEBIBYTES = 24.0
# Connections to Prometheus, of which none may be open or all.
SPARE_DESCRIPTORS = 10
LINES_A_REFRESH = 3
# Requests of clients that left: whether they were answered, who can say.
MANNERS_THAT_LEAVE = ("HTTP, leaving", "HTTP, slow", "gRPC, leaving")


@dataclass(frozen=True)
class Measured:
    """One thing that was measured, and the most that it may be."""

    what: str
    value: float
    at_most: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as it should be."""
        return self.value <= self.at_most

    def __str__(self) -> str:
        mark = "" if self.holds else "  <-- too much"
        return f"  {self.what:<44} {self.value:>10.1f} {self.unit:<4} at most {self.at_most:>8.1f}{mark}"


def growth(resident_mebibytes: Sequence[float]) -> Measured:
    """Return by how much memory grew from the first to the last quarter of what was measured after the warm-up."""
    quarter = max(1, len(resident_mebibytes) // 4)
    grown = median(resident_mebibytes[-quarter:]) - median(resident_mebibytes[:quarter])
    return Measured("memory: last quarter over first", grown, GROWTH_MEBIBYTES, "MiB")


def uncounted(metrics: str, told: Told) -> list[Measured]:
    """Return how far the gateway's counters are from what clients saw: never fewer, more only by those that left."""
    http = _total(metrics, "http_requests")
    started = _total(metrics, "grpc_server_started")
    handled = _total(metrics, "grpc_server_handled")
    left_http, left_grpc = (_seen(told, prefix, left=True) for prefix in ("HTTP", "gRPC"))
    return [
        Measured("HTTP: seen by clients, not counted", _seen(told, "HTTP", left=False) - http, 0),
        # The scrape itself, and what stood at the beginning.
        Measured("HTTP: counted, not seen", http - _seen(told, "HTTP", left=False), left_http + 100),
        Measured("gRPC: seen by clients, not counted", _seen(told, "gRPC", left=False) - handled, 0),
        Measured("gRPC: counted, not seen", handled - _seen(told, "gRPC", left=False), left_grpc + 100),
        Measured("gRPC: begun, not ended", abs(started - handled), 0),
    ]


def _seen(told: Told, protocol: str, *, left: bool) -> int:
    return sum(
        count
        for (kind, _), count in told.outcomes.items()
        if kind.startswith(protocol) and (kind in MANNERS_THAT_LEAVE) == left
    )


def _total(metrics: str, family: str) -> float:
    families = text_string_to_metric_families(metrics)
    samples: Iterable[float] = (
        sample.value
        for one in families
        if one.name == family
        for sample in one.samples
        if sample.name.endswith("_total")
    )
    return sum(samples)
