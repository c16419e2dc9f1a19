"""One readiness with several faces: HTTP, gRPC health."""

from collections.abc import Callable

from aggregator.errors import NoTopologyError


class Readiness:
    """Whether this process should be sent requests: it has a topology to show and is not about to stop."""

    def __init__(self, show: Callable[[], object]) -> None:
        """`show` returns what can be shown, or raises NoTopologyError."""
        self._show = show
        self._stopping = False

    def stop(self) -> None:
        """Turn to not ready, for good."""
        self._stopping = True

    def why_not(self) -> str | None:
        """Return why this process is not ready, None if it is."""
        if self._stopping:
            return "shutting down"
        try:
            self._show()
        except NoTopologyError as error:
            return str(error)
        return None
