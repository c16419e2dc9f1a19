"""The example service as a process, its database, and requests to it."""

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from demo.gateway import LOOPBACK, get_http
from demo.processes import ManagedProcess, run_process
from demo.prometheus import find_free_port
from demo.stack.packages import find_unprivileged_user, obtain_server_programs
from demo.stack.postgres import PostgresAccount, PostgresServer

ACCOUNT = PostgresAccount("border", "officer", "secret of the tests")
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class RunningService:
    """A running example service."""

    process: ManagedProcess
    port: int

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and JSON of a response."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.closing(HTTPConnection(LOOPBACK, self.port, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
            response = connection.getresponse()
            text = response.read()
        return response.status, json.loads(text) if text else None

    def read_page(self) -> str:
        """Return the page of its metrics."""
        status, text = get_http(f"http://{LOOPBACK}:{self.port}", "/metrics")
        assert status == 200
        return text

    def read_samples(self) -> dict[str, float]:
        """Return the samples of the metrics of the service, such as `name{endpoint="x"}`, without buckets."""
        return {
            sample.name + (f"{{{sample.labels['endpoint']}}}" if "endpoint" in sample.labels else ""): sample.value
            for family in text_string_to_metric_families(self.read_page())
            for sample in family.samples
            if sample.name.startswith("rest_api_") and "le" not in sample.labels
        }


@contextlib.contextmanager
def run_example_service(folder: Path, postgres_port: int, **settings: str) -> Iterator[RunningService]:
    """Run the example service while the block runs."""
    port = find_free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "REST_API_PORT": str(port),
        "POSTGRES_DB": ACCOUNT.database,
        "POSTGRES_USER": ACCOUNT.user,
        "POSTGRES_PASSWORD": ACCOUNT.password,
        "POSTGRES_PORT": str(postgres_port),
        **settings,
    }
    command = [sys.executable, "-W", "error", "-m", "demo.example_service"]
    with run_process("the example service", command, environment, folder / "service.log") as process:
        url = f"http://{LOOPBACK}:{port}"
        process.wait_until(lambda: get_http(url, "/")[0] == 200, "answer", TIMEOUT_SECONDS)
        yield RunningService(process, port)


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL with the account of the tests while the block runs."""
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
