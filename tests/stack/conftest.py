"""A real PostgreSQL, and the example service with it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.prometheus import find_free_port
from demo.stack.packages import find_unprivileged_user, obtain_server_programs
from demo.stack.postgres import PostgresServer
from tests.stack.service import ACCOUNT, RunningService, run_example_service


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL with the account of the tests."""
    user = find_unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="aggregator-stack-") as name:
        # PostgreSQL does not run as root, and another user must reach its folder.
        folder = Path(name)
        folder.chmod(0o711)
        (folder / "postgres").mkdir()
        programs = obtain_server_programs().copy_for(user, folder / "programs")
        server = PostgresServer(programs, folder / "postgres", find_free_port(), user)
        with server.run(ACCOUNT):
            yield server


@pytest.fixture(scope="session")
def service(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A running example service whose endpoints can be broken."""
    with run_example_service(tmp_path_factory.mktemp("service"), postgres.port, EXAMPLE_FAULTS="on") as service:
        yield service
