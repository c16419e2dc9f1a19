"""The application: the endpoints of the older monitoring stack, and the requests that break them on purpose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import exposition
from pydantic import BaseModel, Field, StringConstraints

from demo.example_service.database import Database, DatabaseUnavailableError, DuplicateDniError
from demo.example_service.faults import MAX_DELAY_SECONDS, Fault, FaultInjector
from demo.example_service.metrics import MetricsMiddleware, ServiceMetrics

MINIMUM_MONEY = 500
DELAY_SECONDS = 5.0

OpenDatabase = Callable[[], AbstractAsyncContextManager[Database]]


# PostgreSQL stores no null character.
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]+$")]


class ImmigrationEntry(BaseModel):
    """The body of POST /immigration; with `smoke`, it is checked and not stored."""

    name: _Text
    dni: _Text
    lodging: _Text | None
    declared_money: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    flight_number: _Text
    smoke: bool = False


class BreakableEndpoint(StrEnum):
    """The endpoints that can be broken, by the value of their label."""

    DNI = "check_dni"
    FLIGHT = "check_flight"
    IMMIGRATION = "create_immigration_entry"


def create_app(open_database: OpenDatabase, *, allows_faults: bool) -> FastAPI:
    """Return the application; it opens the database when it starts."""
    metrics, faults = ServiceMetrics(), FaultInjector()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_database() as database:
            app.state.database = database
            yield

    app = FastAPI(title="Border control", lifespan=lifespan)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_exception_handler(DatabaseUnavailableError, _answer_unavailable)
    app.add_exception_handler(Exception, _answer_unexpected)
    _add_endpoints(app, metrics, faults)
    _add_own_endpoints(app, metrics)
    if allows_faults:
        _add_fault_endpoints(app, faults)
    return app


def _get_database(request: Request) -> Database:
    database = request.app.state.database
    assert isinstance(database, Database)  # noqa: S101 - the state of Starlette has no types
    return database


_DatabaseParameter = Annotated[Database, Depends(_get_database)]


async def _answer_unavailable(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "Database unavailable"}, status_code=503, headers={"Retry-After": "5"})


async def _answer_unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "Internal server error"}, status_code=500)


def _add_endpoints(app: FastAPI, metrics: ServiceMetrics, faults: FaultInjector) -> None:
    breakable = [Depends(faults)]

    @app.get("/dni/{number}", dependencies=breakable)
    async def check_dni(number: _Text, database: _DatabaseParameter) -> dict[str, Any]:
        """Check whether a person is in the interpol database."""
        person = await database.find_dni(number)
        if person is None:
            raise HTTPException(404, "DNI not found in interpol database")
        metrics.dnis_found.inc()
        return {"message": "DNI found in interpol database", "dni": person}

    @app.get("/flights/{number}", dependencies=breakable)
    async def check_flight(number: _Text, database: _DatabaseParameter) -> dict[str, Any]:
        """Check whether there is a flight."""
        flight = await database.find_flight(number)
        if flight is None:
            raise HTTPException(404, "Flight not found")
        metrics.flights_found.inc()
        return {"message": "Flight found", "flight": flight}

    @app.post("/immigration", status_code=201, dependencies=breakable)
    async def create_immigration_entry(entry: ImmigrationEntry, database: _DatabaseParameter) -> dict[str, Any]:
        """Check an immigration entry and store it."""
        if not entry.lodging:
            raise HTTPException(400, "Lodging cannot be null")
        if entry.declared_money < MINIMUM_MONEY:
            raise HTTPException(400, "Insufficient declared money")
        if entry.smoke:
            return {"message": "Test passed"}
        try:
            number = await database.create_entry(entry.model_dump())
        except DuplicateDniError as error:
            raise HTTPException(400, "DNI already exists in immigration records") from error
        metrics.entries_created.inc()
        return {"message": "Immigration entry created successfully", "id": number}


def _add_own_endpoints(app: FastAPI, metrics: ServiceMetrics) -> None:
    @app.get("/")
    async def read_root() -> dict[str, str]:
        """Answer, without the database."""
        return {"message": "hello world", "status": "ok"}

    @app.get("/delay")
    async def delay() -> dict[str, str]:
        """Answer after five seconds; other requests do not wait."""
        await asyncio.sleep(DELAY_SECONDS)
        return {"message": "delayed", "status": "ok"}

    @app.get("/metrics", include_in_schema=False)
    async def read_metrics(request: Request) -> Response:
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})


def _add_fault_endpoints(app: FastAPI, faults: FaultInjector) -> None:
    @app.put("/faults/{endpoint}", status_code=204)
    async def break_endpoint(
        endpoint: BreakableEndpoint,
        delay_seconds: Annotated[float, Query(ge=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False)] = 0,
        status: Annotated[int | None, Query(ge=400, le=599)] = None,
    ) -> None:
        """Break an endpoint: delay its requests, answer them with an error, or both."""
        faults.set_fault(endpoint, Fault(delay_seconds, status))

    @app.delete("/faults/{endpoint}", status_code=204)
    async def repair_endpoint(endpoint: BreakableEndpoint) -> None:
        """Repair an endpoint."""
        faults.clear_fault(endpoint)
