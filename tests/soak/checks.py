"""The checks at the end of a soak test: memory growth, and counters that match the clients."""

from collections.abc import Iterable, Sequence
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from tests.soak.clients import COMPARED, COMPARING_CLIENTS, ClientResults
from tests.soak.results import Measurement

# The allocator may keep the memory of one large response. A leak of 50 kB per refresh exceeds this in ten minutes.
MAX_GROWTH_MEBIBYTES = 24.0
# The number of open connections to Prometheus varies.
MAX_EXTRA_DESCRIPTORS = 10
MAX_LOG_LINES_PER_REFRESH = 3
# Clients that disconnect early: the gateway may or may not have counted their requests.
DISCONNECTING_CLIENTS = ("HTTP, disconnecting", "HTTP, slow", "gRPC, cancelling", "gRPC, watching")


def measure_memory_growth(
    resident_mebibytes: Sequence[float], name: str = "memory: growth from first to last quarter"
) -> Measurement:
    """Return the growth of the memory."""
    return measure_growth(resident_mebibytes, name, MAX_GROWTH_MEBIBYTES, "MiB")


def measure_growth(values: Sequence[float], name: str, maximum: float, unit: str = "") -> Measurement:
    """Return the growth of the median from the first to the last quarter of the values."""
    quarter = max(1, len(values) // 4)
    return Measurement(name, median(values[-quarter:]) - median(values[:quarter]), maximum, unit)


def measure_uncompared_copies(results: ClientResults) -> Measurement:
    """Return the number of protocols over which no copy of a watch had the version of the list."""
    uncompared = [kind for kind in COMPARING_CLIENTS if not results.outcomes[kind, COMPARED]]
    return Measurement("watches: protocols without a compared copy", len(uncompared), 0)


def measure_uncounted_requests(metrics: str, results: ClientResults) -> list[Measurement]:
    """Return the differences between the counters and the clients.

    The counters must not be lower, and may be higher only by the requests of clients that disconnected early.
    """
    http = _sum_counter(metrics, "http_requests")
    started = _sum_counter(metrics, "grpc_server_started")
    handled = _sum_counter(metrics, "grpc_server_handled")
    disconnected_http, disconnected_grpc = (
        _count_responses(results, prefix, is_disconnecting=True) for prefix in ("HTTP", "gRPC")
    )
    return [
        Measurement(
            "HTTP: responses that were not counted", _count_responses(results, "HTTP", is_disconnecting=False) - http, 0
        ),
        # The limit includes the scrape itself, and requests before the start of the clients.
        Measurement(
            "HTTP: counted without a response",
            http - _count_responses(results, "HTTP", is_disconnecting=False),
            disconnected_http + 100,
        ),
        Measurement(
            "gRPC: responses that were not counted",
            _count_responses(results, "gRPC", is_disconnecting=False) - handled,
            0,
        ),
        Measurement(
            "gRPC: counted without a response",
            handled - _count_responses(results, "gRPC", is_disconnecting=False),
            disconnected_grpc + 100,
        ),
        Measurement("gRPC: started and not handled", abs(started - handled), 0),
    ]


def _count_responses(results: ClientResults, protocol: str, *, is_disconnecting: bool) -> int:
    return sum(
        count
        for (kind, _), count in results.outcomes.items()
        if kind.startswith(protocol) and (kind in DISCONNECTING_CLIENTS) == is_disconnecting
    )


def _sum_counter(metrics: str, family: str) -> float:
    families = text_string_to_metric_families(metrics)
    samples: Iterable[float] = (
        sample.value
        for metric_family in families
        if metric_family.name == family
        for sample in metric_family.samples
        if sample.name.endswith("_total")
    )
    return sum(samples)
