"""One readiness with several faces: HTTP, gRPC health."""

from collections.abc import Callable

from aggregator.errors import KeysMissingError, NoTopologyError
from aggregator.logs import logger

_log = logger(__name__)


class Readiness:
    """Whether this process should be sent requests: it can show a topology, judge tokens, and does not stop."""

    def __init__(
        self, show: Callable[[], object], judge: Callable[[], object] = lambda: None, *, tells_details: bool = True
    ) -> None:
        """`show` returns what can be shown, or raises NoTopologyError.

        `judge` raises KeysMissingError while no token can be judged. Without `tells_details` the reason is short:
        whoever may not see the topology is not to read what an upstream says, or its host's name, either.
        """
        self._tells_details = tells_details
        self._show = show
        self._judge = judge
        self._stopping = False

    def stop(self) -> None:
        """Turn to not ready, for good."""
        self._stopping = True

    def why_not(self) -> str | None:
        """Return why this process is not ready, None if it is."""
        if self._stopping:
            return "shutting down"
        try:
            self._judge()
            self._show()
        except (KeysMissingError, NoTopologyError) as error:
            return str(error) if self._tells_details else str(error).partition(":")[0]
        except Exception:  # noqa: BLE001 - a defect of ours: whoever asks must not break, too
            _log.exception("readiness broke")
            return "an internal error; the log has it"
        return None
