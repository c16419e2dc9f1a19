"""A PostgreSQL on this machine: create its data, start it, stop it."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.gateway import LOOPBACK
from demo.processes import ManagedProcess, ManagedProcessError, run_process
from demo.stack.packages import ServerPrograms, give_folder

START_TIMEOUT_SECONDS = 60.0
MAX_CONNECTIONS = 30


@dataclass(frozen=True)
class PostgresAccount:
    """A database and the superuser that owns it."""

    database: str
    user: str
    password: str


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL: its programs, its folder, its port on the loopback interface, and the user that it runs as."""

    programs: ServerPrograms
    folder: Path
    port: int
    run_as: str | None

    @contextlib.contextmanager
    def run(self, account: PostgresAccount) -> Iterator[ManagedProcess]:
        """Run it on new data while the block runs."""
        self._create_data(account)
        command = [
            self._find_program("postgres"),
            *("-D", str(self.folder / "data"), "-h", LOOPBACK, "-p", str(self.port), "-k", ""),
            # Without the compiler of queries, whose library is large. The data is thrown away.
            *("-c", "jit=off", "-c", "fsync=off", "-c", f"max_connections={MAX_CONNECTIONS}"),
        ]
        log_path = self.folder / "postgres.log"
        with run_process("PostgreSQL", command, self.programs.environment, log_path, self.run_as) as process:
            try:
                process.wait_until(self._is_ready, "connection", START_TIMEOUT_SECONDS)
                self._create_database(account)
                yield process
            finally:
                # Unlike SIGTERM, this does not wait until clients disconnect.
                process.process.send_signal(signal.SIGINT)

    def _create_data(self, account: PostgresAccount) -> None:
        password_file = self.folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(account.password, encoding="utf-8")
        give_folder(self.folder, self.run_as)
        command = [
            *(self._find_program("initdb"), "-D", str(self.folder / "data"), "--username", account.user),
            *("--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale"),
            "--no-sync",
        ]
        log_path = self.folder / "initdb.log"
        with run_process("initdb", command, self.programs.environment, log_path, self.run_as) as process:
            if process.process.wait(START_TIMEOUT_SECONDS) != 0:
                process.check_running()
        password_file.unlink()

    def _is_ready(self) -> bool:
        return self._run_client("pg_isready").returncode == 0

    def _create_database(self, account: PostgresAccount) -> None:
        completed = self._run_client(
            "createdb", "--username", account.user, account.database, password=account.password
        )
        if completed.returncode != 0:
            raise ManagedProcessError(f"PostgreSQL: createdb {account.database}: {completed.stderr.strip()}")

    def _run_client(self, name: str, *arguments: str, password: str = "") -> subprocess.CompletedProcess[str]:
        command = [self._find_program(name), "--host", LOOPBACK, "--port", str(self.port), *arguments]
        environment = self.programs.environment | {"PGPASSWORD": password}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=START_TIMEOUT_SECONDS, check=False
        )

    def _find_program(self, name: str) -> str:
        return str(self.programs.postgres_folder / name)
