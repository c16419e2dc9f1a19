"""Where and how the answers are served."""

from collections.abc import Iterator
from typing import Literal

from aggregator.settings.kinds import Group, Port, Seconds, setting

DEFAULT_HTTP_PORT = 8080


class ServingSettings(Group):
    """The HTTP and gRPC servers."""

    HTTP_PORT: Port | None = setting(
        None,
        "port of the HTTP server; 0 takes a free one",
        "0 to 65535",
        "8080 if GRPC_PORT is not set either, else no HTTP",
    )
    GRPC_PORT: Port | None = setting(None, "port of the gRPC server; 0 takes a free one", "0 to 65535", "no gRPC")
    AGGREGATOR_PORT: Port | None = setting(
        None, "stands in for HTTP_PORT where that is not set, for charts of the Go service", "0 to 65535", "not set"
    )
    HTTP_HOST: str = setting("0.0.0.0", "address that the HTTP server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    GRPC_HOST: str = setting("0.0.0.0", "address that the gRPC server listens on", "an IP address or host name")  # noqa: S104 - what the contract says
    LAYOUT: Literal["1.2.5", "2025"] = setting(
        "1.2.5", "layout of the JSON that a request without ?layout= gets", "1.2.5 or 2025"
    )
    GRACE: Seconds = setting(20.0, "seconds that calls under way get to finish after SIGTERM", "seconds, more than 0")

    @property
    def http_port(self) -> int | None:
        """The port of the HTTP server, None for no such server."""
        if self.HTTP_PORT is not None:
            return self.HTTP_PORT
        if self.AGGREGATOR_PORT is not None:
            return self.AGGREGATOR_PORT
        return DEFAULT_HTTP_PORT if self.GRPC_PORT is None else None

    def contradictions(self) -> Iterator[str]:
        """Yield what ports have against each other."""
        yield from super().contradictions()
        if self.http_port and self.http_port == self.GRPC_PORT:
            yield f"GRPC_PORT: is {self.GRPC_PORT}, the port of HTTP, too; expected: a port of its own"
