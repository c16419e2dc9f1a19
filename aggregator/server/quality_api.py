"""The quality of the last refresh, as HTTP and gRPC hand it out: made once, for callers who see everything."""

import asyncio
import threading
from collections.abc import Callable

from aggregator.errors import BadRequestError, NotAllowedError, WrongMethodError
from aggregator.grants import Grant
from aggregator.quality import Quality
from aggregator.server.api_v1 import parameters
from aggregator.server.asgi import JSON, NO_CACHE, NO_SNIFFING, Scope, Send, answer
from aggregator.views import quality as view

METHODS = ("GET", "HEAD")


class QualityBytes:
    """The bytes of the current quality in one format."""

    def __init__(self, current: Callable[[], Quality], render: Callable[[Quality], bytes]) -> None:
        self._current = current
        self._render = render
        self._made: tuple[Quality, bytes] | None = None
        self._lock = threading.Lock()

    async def shown_to(self, grant: Grant) -> bytes:
        """Return the bytes; raise NotAllowedError for who does not see everything: they count samples of all."""
        if not grant.is_for_everything:
            raise NotAllowedError("quality of everything")
        quality, made = self._current(), self._made
        if made is not None and made[0] is quality:
            return made[1]
        return await asyncio.to_thread(self._rendered, quality)

    def _rendered(self, quality: Quality) -> bytes:
        with self._lock:
            if self._made is None or self._made[0] is not quality:
                self._made = (quality, self._render(quality))
            return self._made[1]


class QualityPage:
    """Answers requests for the quality."""

    def __init__(self, current: Callable[[], Quality]) -> None:
        self._bytes = QualityBytes(current, view.render_json)

    async def answer(self, scope: Scope, send: Send, grant: Grant) -> None:
        """Answer one request; raise a RequestError for one that cannot be answered."""
        if scope["method"] not in METHODS:
            raise WrongMethodError("the quality is asked for otherwise", allowed=METHODS)
        for name in parameters(scope["query_string"]):
            raise no_parameter(name)
        body = await self._bytes.shown_to(grant)
        length = (b"content-length", b"%d" % len(body))
        await answer(send, 200, [JSON, length, NO_CACHE, NO_SNIFFING], body)


def no_parameter(name: str) -> BadRequestError:
    """Return what is wrong with a request that has a parameter."""
    return BadRequestError(f"there is no parameter {name[:80]!r} here; there is none at all", parameter=name)
