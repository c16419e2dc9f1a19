"""The registry file: one SQLite database, written by one thread."""

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from aggregator.errors import RegistryError
from aggregator.observability.logs import get_logger
from aggregator.registry.nodes import NodeRegistry, RegisteredNode, RegistryChanges
from aggregator.registry.tokens import NodeToken, TokenSet

# Reports are in memory at once, and in the file after at most this time.
WRITE_INTERVAL_SECONDS = 5.0
_LOCK_TIMEOUT_SECONDS = 5.0
# How long an agent that added itself must be missing in the list.
FORGET_ADDED_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (name TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, networks TEXT NOT NULL, created TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hostnames (address TEXT PRIMARY KEY, hostname TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS added_agents (address TEXT PRIMARY KEY) WITHOUT ROWID;
"""

_log = get_logger(__name__)
_Result = TypeVar("_Result")
_NODE_DECODER = msgspec.json.Decoder(RegisteredNode)


@dataclass(frozen=True)
class StoredRegistry:
    """The contents of a registry file.

    `hostnames` are those of agents, by address. `added_agents` are the addresses of agents that added themselves to the
    list of agents: what is sent to agents that a person has listed is not sent to them.
    """

    nodes: tuple[RegisteredNode, ...]
    tokens: TokenSet
    hostnames: Mapping[str, str]
    added_agents: frozenset[str]


class RegistryFile:
    """A registry file. Its methods block, and must all be called by the thread that opened it."""

    def __init__(self, path: str) -> None:
        """Open or create the file; raise RegistryError if it is not usable."""
        self.path = path
        try:
            _create_private_file(path)
            self._connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A crash of the program loses nothing; only a power failure may lose the last transactions.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise RegistryError(f"REGISTRY_FILE: {path} cannot be opened ({reason})") from None
        self._data_version = self._read_data_version()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def load(self) -> StoredRegistry:
        """Return the contents. A node that this version cannot read is left out, with a warning."""
        rows = self._execute("SELECT name, document FROM nodes ORDER BY name")
        hostnames = dict(self._execute("SELECT address, hostname FROM hostnames"))
        added_agents = frozenset(address for (address,) in self._execute("SELECT address FROM added_agents"))
        nodes = tuple(filter(None, (_decode_node(*row) for row in rows)))
        return StoredRegistry(nodes, self.load_tokens(), hostnames, added_agents)

    def load_tokens(self) -> TokenSet:
        """Return all tokens."""
        return TokenSet(token for token, _created in self.list_tokens())

    def list_tokens(self) -> list[tuple[NodeToken, str]]:
        """Return all tokens with the times at which they were added."""
        rows = self._execute("SELECT name, digest, networks, created FROM tokens ORDER BY name")
        return [
            (NodeToken(name, digest, tuple(map(ip_network, networks.split()))), created)
            for name, digest, networks, created in rows
        ]

    def write(self, changes: RegistryChanges, hostnames: Mapping[str, str]) -> None:
        """Write changes in one transaction."""
        rows = [(node.name, msgspec.json.encode(node)) for node in changes.nodes.values()]
        with closing(self._connection.cursor()) as cursor, _Transaction(cursor, self.path):
            cursor.executemany("INSERT OR REPLACE INTO nodes VALUES (?, ?)", rows)
            cursor.executemany("DELETE FROM nodes WHERE name = ?", [(name,) for name in changes.removed])
            cursor.executemany("INSERT OR REPLACE INTO hostnames VALUES (?, ?)", hostnames.items())

    def set_added_agent(self, address: str, *, is_added: bool) -> None:
        """Remember or forget that an agent has added itself to the list."""
        statement = "INSERT OR IGNORE INTO added_agents VALUES (?)"
        self._change(statement if is_added else "DELETE FROM added_agents WHERE address = ?", (address,))

    def add_token(self, token: NodeToken, created: str) -> bool:
        """Add a token; return False if the node has one already."""
        networks = " ".join(map(str, token.networks))
        row = (token.name, token.digest, networks, created)
        return self._change("INSERT OR IGNORE INTO tokens VALUES (?, ?, ?, ?)", row)

    def remove_token(self, name: str) -> bool:
        """Remove the token of a node; return False if it has none."""
        return self._change("DELETE FROM tokens WHERE name = ?", (name,))

    def has_foreign_changes(self) -> bool:
        """Return whether another process has written to the file since the last call."""
        version = self._read_data_version()
        is_changed, self._data_version = version != self._data_version, version
        return is_changed

    def _read_data_version(self) -> int:
        return int(self._execute("PRAGMA data_version")[0][0])

    def _execute(self, statement: str) -> list[Any]:
        try:
            return self._connection.execute(statement).fetchall()
        except sqlite3.Error as error:
            raise RegistryError(f"{self.path}: cannot be read ({error})") from None

    def _change(self, statement: str, values: tuple[str, ...]) -> bool:
        with closing(self._connection.cursor()) as cursor, _Transaction(cursor, self.path):
            return cursor.execute(statement, values).rowcount > 0


class _Transaction:
    """A transaction that is committed unless the block raises; raises RegistryError if the file cannot be written."""

    def __init__(self, cursor: sqlite3.Cursor, path: str) -> None:
        self._cursor = cursor
        self._path = path

    def __enter__(self) -> None:
        self._run("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            self._run("COMMIT")
            return
        if self._cursor.connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise self._describe(error) from None

    def _run(self, statement: str) -> None:
        try:
            self._cursor.execute(statement)
        except sqlite3.Error as error:
            raise self._describe(error) from None

    def _describe(self, error: sqlite3.Error) -> RegistryError:
        return RegistryError(f"{self._path}: cannot be written ({error})")


class RegistryStore:
    """Writes the registry to its file, from one thread; only one process at a time has the store of a file."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Open the file; raise RegistryError if it is not usable, or in use by another process."""
        self._clock = clock
        # The agents that are missing in the list, with the time since when.
        self._absent_since: dict[str, float] = {}
        self._lock_descriptor = _lock_file(path)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")
        self._write_lock = asyncio.Lock()
        self._hostnames: dict[str, str] = {}
        try:
            self._file = self._thread.submit(RegistryFile, path).result()
            self.stored = self._thread.submit(self._file.load).result()
        except RegistryError:
            self._thread.shutdown()
            os.close(self._lock_descriptor)
            raise
        self.tokens = self.stored.tokens
        self.added_agents = self.stored.added_agents
        self._agents_being_added: set[str] = set()

    def remember_hostname(self, address: str, hostname: str) -> None:
        """Store the host name of an agent with the next write."""
        self._hostnames[address] = hostname

    async def write_changes(self, registry: NodeRegistry) -> bool:
        """Write what has changed; return whether the file is up to date.

        Calls that arrive while another one is writing share the next transaction.
        """
        async with self._write_lock:
            changes, hostnames = registry.take_changes(), self._hostnames
            if not changes and not hostnames:
                return True
            self._hostnames = {}
            try:
                await self._run(lambda: self._file.write(changes, hostnames))
            except RegistryError as error:
                registry.restore_changes(changes)
                self._hostnames = hostnames | self._hostnames
                _log.warning("registry not written, trying again", reason=str(error))
                return False
            return True

    @asynccontextmanager
    async def adding_agent(self, address: str) -> AsyncIterator[None]:
        """Store that an agent adds itself to the list in this block; raise RegistryError if that is not possible.

        Until the end of the block, the agent may be missing in the list.
        """
        self._agents_being_added.add(address)
        try:
            await self._run(lambda: self._file.set_added_agent(address, is_added=True))
            self.added_agents |= {address}
            yield
        finally:
            self._agents_being_added.discard(address)

    async def keep_added_agents(self, listed: set[str]) -> None:
        """Forget agents that have left the list: if a person adds them again, the person has listed them.

        They are forgotten after a while, because editors empty or remove a file before they write it.
        """
        now, absent = self._clock(), self.added_agents - listed - self._agents_being_added
        self._absent_since = {address: self._absent_since.get(address, now) for address in absent}
        for address in [each for each in absent if now - self._absent_since[each] >= FORGET_ADDED_SECONDS]:
            try:
                await self._run(partial(self._file.set_added_agent, address, is_added=False))
            except RegistryError as error:
                _log.warning("registry not written, trying again", reason=str(error))
                return
            self.added_agents -= {address}

    async def reload_tokens(self) -> None:
        """Load the tokens again if another process has changed the file."""
        try:
            if await self._run(self._file.has_foreign_changes):
                self.tokens = await self._run(self._file.load_tokens)
        except RegistryError as error:
            _log.warning("tokens not read, keeping the last ones", reason=str(error))

    async def run(self, registry: NodeRegistry) -> None:
        """Update states, write changes and load tokens periodically, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL_SECONDS)
            registry.update_states()
            await self.write_changes(registry)
            await self.reload_tokens()

    def close(self) -> None:
        """Close the file."""
        self._thread.submit(self._file.close).result()
        self._thread.shutdown()
        os.close(self._lock_descriptor)

    async def _run(self, function: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


def _create_private_file(path: str) -> None:
    """Create the file unless it exists; the digests in it are for its owner only."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _lock_file(path: str) -> int:
    """Return a descriptor that holds the lock of a registry file."""
    try:
        descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RegistryError(f"REGISTRY_FILE: {path} cannot be created ({error.strerror})") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RegistryError(f"REGISTRY_FILE: {path} is in use by another scrape server") from None
    return descriptor


def _decode_node(name: str, document: str) -> RegisteredNode | None:
    try:
        return _NODE_DECODER.decode(document)
    except msgspec.DecodeError as error:
        _log.warning("stored node left out", node=name, reason=str(error))
        return None


def read_known_hostnames(path: Path) -> Iterable[tuple[str, str]]:
    """Return addresses and host names from the file `.known_hostnames` of the old aggregator; none if it is absent."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str]).items()
    except (OSError, msgspec.DecodeError):
        return ()
