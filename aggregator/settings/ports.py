"""The port of the HTTP server, from three settings. The health check imports this module, so it has no dependencies."""

DEFAULT_HTTP_PORT = 8080
# Kubernetes sets AGGREGATOR_PORT to such a URL in every pod, if there is a Service named `aggregator`.
_SERVICE_LINK_PREFIX = "tcp://"


def resolve_aggregator_port(aggregator_port: str, http_port: str) -> str:
    """Return AGGREGATOR_PORT, or "" if HTTP_PORT is set or Kubernetes set AGGREGATOR_PORT."""
    return "" if http_port or aggregator_port.startswith(_SERVICE_LINK_PREFIX) else aggregator_port


def resolve_http_port(http: int | None, grpc: int | None, aggregator: int | None) -> int | None:
    """Return HTTP_PORT, else AGGREGATOR_PORT, else the default port if there is no GRPC_PORT; None for no HTTP."""
    if http is not None:
        return http
    if aggregator is not None:
        return aggregator
    return DEFAULT_HTTP_PORT if grpc is None else None
