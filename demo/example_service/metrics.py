"""The metrics of the example service, with the names of the older monitoring stack, and the middleware that counts."""

import time

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Scrapes are no requests of users, and /delay is slow on purpose.
UNCOUNTED_PATHS = frozenset({"/metrics", "/delay"})
# The label of requests that no endpoint serves; their paths are not bounded.
UNMATCHED_ENDPOINT = "unmatched"
LATENCY_BUCKETS = tuple(step / 20 for step in range(1, 21))


class ServiceMetrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.requests = self._create_counter("rest_api_requests", "Total number of requests received")
        self.requests_by_endpoint = {
            "check_dni": self._create_counter("rest_api_requests_dni", "Total number of requests to /dni"),
            "check_flight": self._create_counter("rest_api_requests_flight", "Total number of requests to /flights"),
            "create_immigration_entry": self._create_counter(
                "rest_api_requests_immigration", "Total number of requests to /immigration"
            ),
        }
        self.entries_created = self._create_counter(
            "rest_api_entry_created", "Total number of immigration entries created"
        )
        self.dnis_found = self._create_counter("rest_api_dni_found", "Total number of DNIs found in interpol database")
        self.flights_found = self._create_counter("rest_api_flight_found", "Total number of flights found")
        self._server_errors = self._create_counter(
            "rest_api_server_error_count", "Count of errors encountered", "endpoint"
        )
        self._client_errors = self._create_counter(
            "rest_api_client_error_count", "Count of errors encountered", "endpoint"
        )
        self._latency = Histogram(
            "rest_api_request_latency",
            "Latency of HTTP requests in seconds",
            ["endpoint"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        # An endpoint has all its series from the start: a series that begins with its first error has no rate.
        for endpoint in self.requests_by_endpoint:
            self._server_errors.labels(endpoint)
            self._client_errors.labels(endpoint)
            self._latency.labels(endpoint)

    def count_request(self, endpoint: str, status: int, duration_seconds: float) -> None:
        """Count a finished request."""
        self.requests.inc()
        if endpoint in self.requests_by_endpoint:
            self.requests_by_endpoint[endpoint].inc()
        if status >= 500:
            self._server_errors.labels(endpoint).inc()
        elif status >= 400:
            self._client_errors.labels(endpoint).inc()
        self._latency.labels(endpoint).observe(duration_seconds)

    def _create_counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)


class MetricsMiddleware:
    """Counts every request, however it ends."""

    def __init__(self, app: ASGIApp, metrics: ServiceMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it when it ends."""
        if scope["type"] != "http" or scope["path"] in UNCOUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        # The status of a request that ends with an exception.
        status = 500

        async def send_and_read_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            await self._app(scope, receive, send_and_read_status)
        finally:
            self._metrics.count_request(_get_endpoint_name(scope), status, time.perf_counter() - start)


def _get_endpoint_name(scope: Scope) -> str:
    """Return the name of the function that serves the request; the router has stored the function in the scope."""
    return str(getattr(scope.get("endpoint"), "__name__", UNMATCHED_ENDPOINT))
