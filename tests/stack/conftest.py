"""A real PostgreSQL, and the example service with it."""

from collections.abc import Iterator

import pytest

from demo.stack.postgres import PostgresServer
from tests.stack.service import RunningService, run_example_service, run_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL with the account of the tests."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def service(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running example service whose endpoints can be broken."""
    with run_example_service(tmp_path_factory.mktemp("service"), postgres.port, EXAMPLE_FAULTS="on") as service:
        yield service
