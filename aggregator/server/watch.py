"""What both servers tell about requests, and to whom."""

from dataclasses import dataclass

from aggregator.telemetry import Telemetry
from aggregator.tracing import Tracing


@dataclass(frozen=True)
class Watch:
    """Where requests and calls are counted, traced if at all, and whether each is logged.

    `log_requests` says whether the log takes lines at debug: asking it for each request would cost more.
    """

    telemetry: Telemetry
    tracing: Tracing | None = None
    log_requests: bool = False
