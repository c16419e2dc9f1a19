"""Who may make a gRPC call: the guard, asked before anything of the call is read."""

import logging
from contextvars import ContextVar
from typing import Any

from aggregator.errors import AccessError, AggregatorError
from aggregator.grants import Grant
from aggregator.logs import logger
from aggregator.server.auth import Guard
from aggregator.server.failures import failure_of, text_of
from aggregator.server.grpc_metadata import values_of
from aggregator.server.grpc_patience import Behaviour
from aggregator.telemetry import Telemetry

# What the caller of this call may see: the check tells the method, which runs in the same context.
_granted: ContextVar[Grant] = ContextVar("granted")

_log = logger(__name__)
_enabled = logging.getLogger(__name__).isEnabledFor


def granted() -> Grant:
    """Return what the caller may see, of a call that was checked."""
    return _granted.get()


class TokenCheck:
    """Lets calls pass that bear a good token."""

    def __init__(self, guard: Guard, telemetry: Telemetry) -> None:
        self._guard = guard
        self._telemetry = telemetry

    def around(self, behaviour: Behaviour) -> Behaviour:
        """Return what answers calls, those without a good token by a refusal."""
        admit = self._guard.admit

        async def checked(requests: Any, context: Any) -> Any:
            try:
                _granted.set(await admit(values_of("authorization")))
            except AggregatorError as error:
                return await self._refuse(error, context)
            return await behaviour(requests, context)

        return checked

    async def _refuse(self, error: AggregatorError, context: Any) -> None:
        # Asked first, as strangers may call often.
        if _enabled(logging.DEBUG):
            _log.debug("call refused", reason=str(error))
        if isinstance(error, AccessError):
            self._telemetry.refused(error.reason)
        await context.abort(failure_of(error).code, text_of(error))
