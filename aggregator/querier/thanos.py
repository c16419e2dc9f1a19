"""What is asked of Thanos beside the query, and how to find out that it is Thanos that answers.

Only Thanos Query lists its stores; a Query Frontend passes the question on. The parameters:
https://thanos.io/tip/components/query.md/#query-api-overview
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from aggregator.logs import logger
from aggregator.querier.said import NOT_JSON

STORES_PATH = "/api/v1/stores"
# How long what was found out counts while nothing fails: what answers at an address may be replaced without a fault.
KNOWN_SECONDS = 300.0
# How soon it is asked again where nothing could be found out.
UNKNOWN_SECONDS = 60.0

Mode = Literal["auto", "on", "off"]
# Whether Thanos answers; None where that could not be found out.
Probe = Callable[[], bool | None]

_log = logger(__name__)


class Dialect:
    """Which parameters one upstream is sent, from several threads at once."""

    def __init__(self, mode: Mode = "off", *, serves_partial: bool = True, source: str = "") -> None:
        self._mode = mode
        self._source = source
        # Deduplication and raw data, whatever the defaults of that Thanos are.
        self._parameters = {
            "dedup": "true",
            "partial_response": "true" if serves_partial else "false",
            "max_source_resolution": "0",
        }
        self._lock = threading.Lock()
        self._is_thanos: bool | None = None
        self._told: bool | None = None
        self._moment = -1.0
        self._ask_again_at = 0.0

    def parameters(self, at_seconds: float, probe: Probe) -> Mapping[str, str]:
        """Return what to send with the queries for a moment; `probe` is called at the first of them at most.

        Where it is not known who answers, they are sent: a Prometheus ignores what it does not know.
        """
        if self._mode == "auto":
            with self._lock:
                is_new, self._moment = at_seconds != self._moment, at_seconds
                if is_new and at_seconds >= self._ask_again_at:
                    self._learn(probe(), at_seconds)
        is_sent = self._mode == "on" or (self._mode == "auto" and self._is_thanos is not False)
        return self._parameters if is_sent else {}

    def doubt(self) -> None:
        """Forget for how long the answer counts: something failed, and it may be another who answers next."""
        self._ask_again_at = 0.0

    def confirm(self) -> None:
        """Know that queries are answered: a server that has nothing at any path is no Prometheus, and not told of."""
        if self._told is self._is_thanos:
            return
        with self._lock:
            if self._told is not self._is_thanos:
                self._told = self._is_thanos
                _log.info("upstream found out", source=self._source, thanos=self._is_thanos)

    def _learn(self, is_thanos: bool | None, at_seconds: float) -> None:
        if is_thanos is not None:
            self._is_thanos = is_thanos
        self._ask_again_at = at_seconds + (UNKNOWN_SECONDS if is_thanos is None else KNOWN_SECONDS)


class _Stores(msgspec.Struct):
    status: Literal["success"]
    data: dict[str, Any]


def lists_stores(body: bytes) -> bool:
    """Return whether these bytes are Thanos' list of its stores; a web page that stands there is not."""
    try:
        msgspec.json.decode(body, type=_Stores)
    except NOT_JSON:
        return False
    return True
