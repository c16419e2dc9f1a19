"""The database of the example service: one bounded pool of connections to PostgreSQL, its schema and its queries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from demo.example_service.settings import DatabaseSettings

# A request waits this long for a connection of the pool, then for each answer.
ACQUIRE_TIMEOUT_SECONDS = 1.0
COMMAND_TIMEOUT_SECONDS = 2.0
CONNECT_TIMEOUT_SECONDS = 5.0
START_ATTEMPTS = 30
START_PAUSE_SECONDS = 1.0
SCHEMA = Path(__file__).with_name("schema.sql")
# Two instances that start at the same time create the tables one after the other.
_SCHEMA_LOCK = 5001
# What asyncpg raises without a usable connection.
_CONNECTION_ERRORS = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)
_START_ERRORS = (*_CONNECTION_ERRORS, asyncpg.CannotConnectNowError)

Row = dict[str, Any]


class DatabaseUnavailableError(Exception):
    """PostgreSQL cannot be reached, has no free connection, or does not answer in time."""


class DuplicateDniError(Exception):
    """There is an immigration entry for this DNI."""


class Database:
    """The queries of the service."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def find_dni(self, dni: str) -> Row | None:
        """Return the person with this DNI in the interpol database."""
        return await self._fetch_row("SELECT id, name, dni FROM dni WHERE dni = $1", dni)

    async def find_flight(self, flight_number: str) -> Row | None:
        """Return the flight with this number."""
        return await self._fetch_row("SELECT * FROM flights WHERE flight_number = $1", flight_number)

    async def create_entry(self, entry: Row) -> int:
        """Store an immigration entry and return its ID; raise DuplicateDniError if the DNI has one."""
        try:
            row = await self._fetch_row(
                "INSERT INTO immigration (name, dni, lodging, declared_money, flight_number) "
                "VALUES ($1, $2, $3, $4, $5) RETURNING id",
                *(entry[name] for name in ("name", "dni", "lodging", "declared_money", "flight_number")),
            )
        except asyncpg.UniqueViolationError as error:
            raise DuplicateDniError(entry["dni"]) from error
        return int(row["id"]) if row else 0

    async def create_schema(self) -> None:
        """Create the tables with their first rows, unless they exist."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)
            await connection.execute(SCHEMA.read_text(encoding="utf-8"))

    async def _fetch_row(self, query: str, *arguments: Any) -> Row | None:
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
                record = await connection.fetchrow(query, *arguments)
        except _CONNECTION_ERRORS as error:
            raise DatabaseUnavailableError(str(error) or type(error).__name__) from error
        return dict(record) if record else None


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open the pool, wait until PostgreSQL accepts connections, and create the schema."""
    # Without a connection at first, so that opening cannot fail.
    pool = asyncpg.create_pool(
        host=settings.host,
        port=settings.port,
        database=settings.name,
        user=settings.user,
        password=settings.password,
        min_size=0,
        max_size=settings.pool_size,
        timeout=CONNECT_TIMEOUT_SECONDS,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
    )
    async with pool:
        database = Database(pool)
        await _create_schema_when_ready(database)
        yield database


async def _create_schema_when_ready(database: Database) -> None:
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            await database.create_schema()
        except _START_ERRORS as error:
            if attempt == START_ATTEMPTS:
                raise DatabaseUnavailableError(str(error) or type(error).__name__) from error
            await asyncio.sleep(START_PAUSE_SECONDS)
        else:
            return
