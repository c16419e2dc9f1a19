"""Faults on purpose: an endpoint that answers slowly or with an error, to see an alert and its mail."""

import asyncio
from dataclasses import dataclass

from fastapi import HTTPException, Request

MAX_DELAY_SECONDS = 10.0


@dataclass(frozen=True)
class Fault:
    """What happens to the requests of an endpoint: a delay, an error status, or both."""

    delay_seconds: float
    status: int | None


class FaultInjector:
    """The faults by endpoint; a dependency of the endpoints that can be broken."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def set_fault(self, endpoint: str, fault: Fault) -> None:
        """Break an endpoint."""
        self._faults[endpoint] = fault

    def clear_fault(self, endpoint: str) -> None:
        """Repair an endpoint."""
        self._faults.pop(endpoint, None)

    async def __call__(self, request: Request) -> None:
        """Delay or fail the request if its endpoint is broken."""
        fault = self._faults.get(request.scope["endpoint"].__name__)
        if fault is None:
            return
        await asyncio.sleep(fault.delay_seconds)
        if fault.status is not None:
            raise HTTPException(fault.status, "This endpoint is broken on purpose")
