"""Which ports are meant where several settings speak of them; read by the settings and by the image's health check."""

DEFAULT_HTTP_PORT = 8080
# What Kubernetes puts into AGGREGATOR_PORT of every pod beside a Service of the name `aggregator`.
_OF_A_SERVICE = "tcp://"


def stand_in(aggregator_port: str, http_port: str) -> str:
    """Return AGGREGATOR_PORT where it counts: not beside HTTP_PORT, and not where Kubernetes put a URL there."""
    return "" if http_port or aggregator_port.startswith(_OF_A_SERVICE) else aggregator_port


def http_port(http: int | None, grpc: int | None, aggregator: int | None) -> int | None:
    """Return the port of HTTP_PORT, else of AGGREGATOR_PORT, else the default if there is no gRPC either."""
    if http is not None:
        return http
    if aggregator is not None:
        return aggregator
    return DEFAULT_HTTP_PORT if grpc is None else None
