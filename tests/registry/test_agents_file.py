"""The list of agents: people edit it, and agents add themselves."""

import threading
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from aggregator.errors import RegistryError
from aggregator.registry.agents_file import (
    AgentsFile,
    format_agent_address,
    parse_agent_address,
    parse_port,
)

GOLDEN = Path(__file__).parents[1] / "data" / "older-programs" / "000_aggregator_config_after_add.yaml"


def list_texts(path: Path) -> list[str]:
    """Return the entries of a file as a new reader sees them."""
    return [agent.text for agent in AgentsFile(str(path)).read_agents()]


def test_adding_gives_the_recorded_file(tmp_path: Path) -> None:
    """After the second agent, a new file is that of the old aggregator to the byte, in whichever order they came."""
    for order in (["127.0.0.1:5050", "127.0.0.1:5999"], ["127.0.0.1:5999", "127.0.0.1:5050"]):
        path = tmp_path / order[0]
        for entry in order:
            AgentsFile(str(path)).add_agent(entry)
        assert path.read_bytes() == GOLDEN.read_bytes()


def test_comments_and_other_keys_are_kept(tmp_path: Path) -> None:
    """A sorted list gets one more line; every other line stays as it was."""
    path = tmp_path / "list"
    lines = [
        "# maintained by the operators",
        "owner: {team: edge}  # not ours",
        "server_ips: # agents",
        "  - 10.0.0.1  # rack 1",
        "  # replaced in May",
        '  - "10.0.0.3:5050"',
        "",
        "# the end",
        "zone: 'q'",
    ]
    path.write_text("\n".join(lines))
    AgentsFile(str(path)).add_agent("10.0.0.2")
    assert path.read_text().splitlines() == [*lines[:4], "  - 10.0.0.2", *lines[4:]]


def test_each_state_of_the_file_is_logged_once(tmp_path: Path) -> None:
    """The log names the file, and what is wrong with it, when that changes."""
    path = tmp_path / "list"
    file = AgentsFile(str(path))
    with capture_logs() as entries:
        file.read_agents()
        for text in ("server-ips: [a, b]\n", "servers: [a]\n", "server-ips: a\n", "server-ips: [a\n"):
            path.write_text(text)
            file.read_agents()
            file.read_agents()
    assert all(entry["file"] == str(path) for entry in entries)
    assert [(entry["log_level"], entry["event"], entry.get("reason", entry.get("agents"))) for entry in entries] == [
        ("info", "list of agents does not exist", None),
        ("info", "list of agents read", 2),
        ("warning", "list of agents is empty", "the file has no key server-ips"),
        ("warning", "list of agents not read, keeping the last one", "server-ips in the list of agents is not a list"),
        (
            "warning",
            "list of agents not read, keeping the last one",
            "the list of agents is not valid YAML: expected ',' or ']', but got '<stream end>'",
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "server-ips: " + "[" * 500,
        "server-ips:\n- {a: b}\n",
        "server-ips:\n- 10.0.0.1: 5050\n",
        "a: &a [x, x]\n"
        + "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghij"))
        + "server-ips: [*j]\n",
    ],
)
def test_a_nested_list_is_invalid(tmp_path: Path, text: str) -> None:
    """An entry that is not a text is an error, and no list is nested so deeply that reading it fails otherwise."""
    path = tmp_path / "list"
    path.write_text("server-ips: [a]\n")
    agents = AgentsFile(str(path))
    assert agents.read_agents()
    path.write_text(text)
    assert agents.is_changed()
    assert [agent.text for agent in agents.read_agents()] == ["a"]
    with pytest.raises(RegistryError):
        agents.add_agent("b")


def test_an_unsorted_list_is_sorted(tmp_path: Path) -> None:
    """The list is sorted and without duplicates when an agent is added, and no comment is lost."""
    path = tmp_path / "list"
    path.write_text("server-ips: # all\n- b # second\n- a\n- b\nother: 1 # kept\n")
    AgentsFile(str(path)).add_agent("c")
    assert list_texts(path) == ["a", "b", "c"]
    text = path.read_text()
    assert all(comment in text for comment in ("# all", "# second", "# kept"))
    assert yaml.safe_load(text) == {"server-ips": ["a", "b", "c"], "other": 1}


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "server-ips:\n", "server-ips: []\n", "server-ips: [x, y]\n"]
)
def test_any_form_of_list_takes_an_agent(tmp_path: Path, text: str) -> None:
    """A file that is empty, or whose list is empty or on one line, takes an agent."""
    path = tmp_path / "list"
    path.write_text(text)
    AgentsFile(str(path)).add_agent("[::1]:5050")
    assert "[::1]:5050" in yaml.safe_load(path.read_text())["server-ips"]
    assert "[::1]:5050" in list_texts(path)


def test_edits_are_seen(tmp_path: Path) -> None:
    """A changed file is read again; while it is invalid, the last list stays; a removed file is an empty list."""
    path = tmp_path / "list"
    agents = AgentsFile(str(path))
    assert agents.read_agents() == ()
    path.write_text("server-ips: [a]\nserver_ips: [b, a]\n")
    assert [agent.text for agent in agents.read_agents()] == ["a", "b"]
    for invalid in ("server-ips: [", "server-ips: {a: b}", "- a", "a: b: c", "\x00"):
        path.write_text(invalid)
        assert [agent.text for agent in agents.read_agents()] == ["a", "b"]
    path.unlink()
    assert agents.read_agents() == ()


@pytest.mark.parametrize("content", [b"server-ips: [", b"\xff", b"server-ips: x\n", b"a" * (4 * 1024 * 1024 + 1)])
def test_an_invalid_file_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    """An agent cannot be added to a file that is not a list of agents; the file stays as it is."""
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(RegistryError):
        AgentsFile(str(path)).add_agent("a")
    assert path.read_bytes() == content


def test_a_directory_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    """An agent cannot be added where no file can be written."""
    with pytest.raises(RegistryError, match="cannot be written"):
        AgentsFile(str(tmp_path / "missing" / "list")).add_agent("a")


def test_concurrent_additions_lose_nothing(tmp_path: Path) -> None:
    """A hundred agents that are added at once are all in the file, and the file is valid at every instant."""
    path = tmp_path / "list"
    entries = [f"10.0.0.{number}:5050" for number in range(100)]
    is_done = threading.Event()
    invalid_texts = []

    def read_continuously() -> None:
        while not is_done.is_set():
            if path.exists():
                text = path.read_text()
                if not isinstance(yaml.safe_load(text).get("server-ips"), list):
                    invalid_texts.append(text)

    reader = threading.Thread(target=read_continuously)
    reader.start()
    threads = [threading.Thread(target=AgentsFile(str(path)).add_agent, args=(entry,)) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_done.set()
    reader.join()
    assert list_texts(path) == sorted(entries)
    assert invalid_texts == []
    assert {each.name for each in tmp_path.iterdir()} == {"list", "list.lock"}


@given(
    entries=st.lists(st.from_regex(r"\A[a-z0-9.]{1,12}(:[1-9][0-9]{0,3})?\Z"), unique=True, min_size=1),
    comments=st.lists(st.sampled_from(["", "  # note", "\n# note\n", " # x\n\n# note"])),
    flow=st.booleans(),
    data=st.data(),
)
def test_adding_changes_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, entries: list[str], comments: list[str], flow: bool, data: st.DataObject
) -> None:
    """Whatever the file looks like, it has one entry more afterwards, all comments, and the other keys."""
    quoted = [f"'{entry}'" for entry in entries]
    notes = [*comments, *[""] * len(entries)]
    items = (
        f" [{', '.join(quoted)}]\n"
        if flow
        else "\n" + "".join(f"- {entry}{note}\n" for entry, note in zip(quoted, notes, strict=False))
    )
    text = f"first: 1\nserver-ips:{items}last: [2] # end\n"
    path = tmp_path_factory.mktemp("agents") / "list"
    path.write_text(text)
    added = data.draw(st.sampled_from(["0new:1", "[fd00::1]:5050", "mnew", "znew", *entries]))
    AgentsFile(str(path)).add_agent(added)
    document = yaml.safe_load(path.read_text())
    changed_list = document.pop("server-ips")
    assert document == {"first": 1, "last": [2]}
    assert sorted(set(map(str, changed_list))) == sorted({*entries, added})
    assert path.read_text().count("#") == text.count("#")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 80),
        ("10.0.0.1:5050", "10.0.0.1", 5050),
        ("agent.example:81", "agent.example", 81),
        ("[fd00::1]:81", "fd00::1", 81),
        ("fd00::1", "fd00::1", 80),
        ("[::1]", "::1", 80),
    ],
)
def test_entries_are_hosts_with_optional_ports(text: str, host: str, port: int) -> None:
    """An entry is a host, or a host with a port; the default port is 80."""
    agent = parse_agent_address(text)
    assert (agent.host, agent.port) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "a:b", "a:0", "a:65536", "x@evil.example", "127.0.0.1:x@evil", "a/b", "[a]:1", "a b"]
)
def test_other_entries_are_invalid(text: str) -> None:
    """An entry that is no host, or has no valid port, has no host."""
    assert parse_agent_address(text).host is None


@pytest.mark.parametrize(
    ("text", "port"), [("1", 1), ("65535", 65535), ("0", None), ("+1", None), ("1 ", None), ("٣", None)]
)
def test_ports_are_ascii_numbers(text: str, port: int | None) -> None:
    """A port is a number from 1 to 65535 in ASCII digits."""
    assert parse_port(text) == port


def test_ipv6_addresses_have_brackets_before_a_port() -> None:
    """The entry of an IPv6 address has brackets if it has a port, and is read back as the same address."""
    assert format_agent_address(ip_address("fd00::1"), 5050) == "[fd00::1]:5050"
    assert format_agent_address(ip_address("10.0.0.1"), None) == "10.0.0.1"
    assert parse_agent_address(format_agent_address(ip_address("::1"), 5050)).ip == ip_address("::1")
