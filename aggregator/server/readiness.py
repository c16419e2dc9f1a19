"""One readiness with several faces: HTTP, gRPC health."""

from collections.abc import Callable

from aggregator.errors import NO_TOPOLOGY, KeysMissingError, NoTopologyError
from aggregator.logs import logger

_log = logger(__name__)


class Readiness:
    """Whether this process should be sent requests: it can show a topology, judge tokens, and does not stop."""

    def __init__(self, show: Callable[[], object], judge: Callable[[], object] | None = None) -> None:
        """`show` returns what can be shown, or raises NoTopologyError.

        `judge` raises KeysMissingError while no token can be judged. Where there are tokens to judge, strangers who
        ask are not told why there is no topology: the reason names upstreams, in words of theirs.
        """
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
            if self._judge is not None:
                self._judge()
            self._show()
        except KeysMissingError as error:
            return str(error)
        except NoTopologyError as error:
            return str(error) if self._judge is None else NO_TOPOLOGY
        except Exception:  # noqa: BLE001 - a defect of ours: whoever asks must not break, too
            _log.exception("readiness broke")
            return "an internal error; the log has it"
        return None
