"""The registry file: what was registered survives restarts and kills."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from aggregator.errors import RegistryError
from aggregator.registry.nodes import NodeRegistry, RegisteredNode
from aggregator.registry.reports import NodeReport, ReportedContainer, ReportedHealth, parse_report
from aggregator.registry.store import RegistryFile, RegistryStore, read_known_hostnames
from aggregator.registry.tokens import NodeToken
from tests.registry.test_reports import RECORDED_BODY

OLDER_PROGRAMS = RECORDED_BODY.parent
REPORT = NodeReport(labels={"a": "b"}, containers=(ReportedContainer("1"),), health=ReportedHealth(cpu_percent=1.5))

KILLED_SCRIPT = """
import asyncio, os, signal, sys
from aggregator.registry.nodes import NodeRegistry
from aggregator.registry.reports import NodeReport
from aggregator.registry.store import RegistryStore

async def main():
    store, registry = RegistryStore(sys.argv[1]), NodeRegistry()
    for number in range(50):
        registry.record_report(f"n{number}", NodeReport(), "10.0.0.1", None)
        assert await store.write_changes(registry)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def write_node(path: Path) -> RegisteredNode:
    """Write one node to a new file, and return it."""
    store, registry = RegistryStore(str(path)), NodeRegistry()
    registry.record_report("a", REPORT, "10.0.0.1", 30)
    assert await store.write_changes(registry)
    store.close()
    (node,) = registry.list_nodes()
    return node


async def test_nodes_come_back_after_a_restart(tmp_path: Path) -> None:
    """A node is read from the file as it was written."""
    path = tmp_path / "registry.sqlite"
    node = await write_node(path)
    store = RegistryStore(str(path))
    assert store.stored.nodes == (node,)
    registry = NodeRegistry(store.stored.nodes)
    registry.remove_node("a")
    assert await store.write_changes(registry)
    store.close()
    store = RegistryStore(str(path))
    assert store.stored.nodes == ()
    store.close()


def test_a_kill_loses_no_written_node(tmp_path: Path) -> None:
    """After SIGKILL, every node whose write has returned is in the file."""
    path = tmp_path / "registry.sqlite"
    done = subprocess.run([sys.executable, "-c", KILLED_SCRIPT, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    store = RegistryStore(str(path))
    assert {node.name for node in store.stored.nodes} == {f"n{number}" for number in range(50)}
    store.close()


async def test_concurrent_writes_share_transactions(tmp_path: Path) -> None:
    """Writes that arrive together all end with their nodes in the file."""
    path = tmp_path / "registry.sqlite"
    store, registry = RegistryStore(str(path)), NodeRegistry()

    async def register(number: int) -> bool:
        registry.record_report(f"n{number}", parse_report(RECORDED_BODY.read_bytes()), "10.0.0.1", None)
        return await store.write_changes(registry)

    assert all(await asyncio.gather(*(register(number) for number in range(100))))
    store.close()
    store = RegistryStore(str(path))
    assert len(store.stored.nodes) == 100
    store.close()


async def test_a_failed_write_is_repeated(tmp_path: Path) -> None:
    """While another process holds the file, changes stay in memory; the next write contains them."""
    path = tmp_path / "registry.sqlite"
    store, registry = RegistryStore(str(path)), NodeRegistry()
    broken = sqlite3.connect(path)
    broken.execute("DROP TABLE nodes")
    registry.record_report("a", REPORT, "10.0.0.1", None)
    store.remember_hostname("10.0.0.1:5050", "host")
    assert not await store.write_changes(registry)
    broken.execute("CREATE TABLE nodes (name TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID")
    broken.close()
    assert await store.write_changes(registry)
    store.close()
    store = RegistryStore(str(path))
    assert [node.name for node in store.stored.nodes] == ["a"]
    assert store.stored.hostnames == {"10.0.0.1:5050": "host"}
    store.close()


async def test_tokens_of_another_process_are_loaded(tmp_path: Path) -> None:
    """A token that the command adds or removes takes effect in a running server."""
    path = tmp_path / "registry.sqlite"
    store, command = RegistryStore(str(path)), RegistryFile(str(path))
    token = NodeToken("a", "00", (ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
    assert command.add_token(token, "2026-11-30")
    assert not command.add_token(token, "2026-11-30")
    await store.reload_tokens()
    assert store.tokens.find_token("a") == token
    assert command.remove_token("a")
    assert not command.remove_token("a")
    await store.reload_tokens()
    assert len(store.tokens) == 0
    command.close()
    store.close()


def test_a_file_belongs_to_one_server(tmp_path: Path) -> None:
    """A second server cannot use the file of a running one, and can after it has stopped."""
    path = str(tmp_path / "registry.sqlite")
    store = RegistryStore(path)
    with pytest.raises(RegistryError, match="in use by another scrape server"):
        RegistryStore(path)
    store.close()
    RegistryStore(path).close()


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """The file contains digests of tokens, so others cannot read it."""
    path = tmp_path / "registry.sqlite"
    RegistryStore(str(path)).close()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["text", "directory", "missing directory"])
def test_a_file_that_is_no_registry_is_an_error(tmp_path: Path, kind: str) -> None:
    """A path at which there can be no registry is reported with the reason."""
    path = tmp_path / "registry.sqlite"
    if kind == "text":
        path.write_text("text " * 100)
    elif kind == "directory":
        path.mkdir()
    else:
        path = path / "registry.sqlite"
    with pytest.raises(RegistryError, match="cannot be"):
        RegistryStore(str(path))


def test_an_unreadable_node_costs_only_itself(tmp_path: Path) -> None:
    """A node that this version cannot read is left out; the others are loaded."""
    path = tmp_path / "registry.sqlite"
    asyncio.run(write_node(path))
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO nodes VALUES ('b', '{')")
    connection.close()
    store = RegistryStore(str(path))
    assert [node.name for node in store.stored.nodes] == ["a"]
    store.close()


def test_host_names_of_the_old_aggregator_are_read(tmp_path: Path) -> None:
    """The file of the old aggregator has a host name for each address; a missing or broken file has none."""
    expected = {"127.0.0.1:5050": "localhost.server4"}
    assert dict(read_known_hostnames(OLDER_PROGRAMS / "000_known_hostnames.json")) == expected
    (tmp_path / "broken").write_text("[")
    assert [*read_known_hostnames(tmp_path / "broken"), *read_known_hostnames(tmp_path / "missing")] == []


async def test_agents_that_add_themselves_are_remembered(tmp_path: Path) -> None:
    """An agent that adds itself is known as such over restarts, until it has not been in the list for a minute.

    Neither a scrape while it is being added nor one while the list is being edited forgets it.
    """
    path, now = str(tmp_path / "registry.sqlite"), [0.0]
    store = RegistryStore(path)
    async with store.adding_agent("10.0.0.1:5050"):
        await store.keep_added_agents(set())
        assert store.added_agents == {"10.0.0.1:5050"}
    store.close()
    store = RegistryStore(path, lambda: now[0])
    assert store.added_agents == {"10.0.0.1:5050"}
    for seconds, listed in ((0, set()), (59, set()), (60, {"10.0.0.1:5050"}), (100, set()), (159, set())):
        now[0] = seconds
        await store.keep_added_agents(listed)
        assert store.added_agents == {"10.0.0.1:5050"}
    now[0] = 160
    await store.keep_added_agents(set())
    assert store.added_agents == frozenset()
    store.close()
    store = RegistryStore(path)
    assert store.added_agents == frozenset()
    store.close()


async def test_a_registry_that_cannot_be_written_does_not_stop_scrapes(tmp_path: Path) -> None:
    """If the file cannot be written, agents stay marked as those that added themselves, and nothing is raised."""
    path, now = tmp_path / "registry.sqlite", [0.0]
    store = RegistryStore(str(path), lambda: now[0])
    async with store.adding_agent("10.0.0.1:5050"):
        pass
    await store.keep_added_agents(set())
    now[0] = 60
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE added_agents")
    connection.close()
    await store.keep_added_agents(set())
    assert store.added_agents == {"10.0.0.1:5050"}
    store.close()
