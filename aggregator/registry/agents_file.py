"""The list of agents: a YAML file that people edit, and to which agents add themselves."""

import fcntl
import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, CommentedSet
from ruamel.yaml.error import YAMLError

from aggregator.errors import RegistryError
from aggregator.observability.logs import get_logger

LIST_KEY = "server-ips"
# The document of the old agent has this key.
OTHER_LIST_KEY = "server_ips"
DEFAULT_AGENT_PORT = 80
MAX_LIST_BYTES = 4 * 1024 * 1024
_EMPTY_LIST = f"---\n# list of IP addresses to scrape\n{LIST_KEY}: []\n...\n"
_HOST_PATTERN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_BRACKETED_PATTERN = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]+))?", re.ASCII)

_log = get_logger(__name__)


@dataclass(frozen=True)
class AgentAddress:
    """An entry of the list: the text as written, host and port. `host` is None if the entry is invalid."""

    text: str
    host: str | None
    port: int = DEFAULT_AGENT_PORT

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The IP address, None for a host name."""
        try:
            return ip_address(self.host or "")
        except ValueError:
            return None


def parse_agent_address(text: str) -> AgentAddress:
    """Return the address of an entry: `host`, `host:port`, `[IPv6]` or `[IPv6]:port`."""
    bracketed = _BRACKETED_PATTERN.fullmatch(text)
    host, port_text = (bracketed[1], bracketed[2]) if bracketed else _split_port(text)
    port = DEFAULT_AGENT_PORT if port_text is None else parse_port(port_text)
    if port is None or not (_is_ipv6(host) if bracketed or ":" in host else _HOST_PATTERN.fullmatch(host)):
        return AgentAddress(text, None)
    return AgentAddress(text, host, port)


def parse_port(text: str) -> int | None:
    """Return a port from 1 to 65535 in ASCII digits, None for any other text."""
    if not re.fullmatch("[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        return None
    return int(text)


def format_agent_address(ip: IPv4Address | IPv6Address, port: int | None) -> str:
    """Return the entry of an agent at this address; without a port, the address alone."""
    if port is None:
        return str(ip)
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"


def _split_port(text: str) -> tuple[str, str | None]:
    if text.count(":") > 1:
        # An IPv6 address without brackets has no port.
        return text, None
    host, colon, port = text.partition(":")
    return host, port if colon else None


def _is_ipv6(host: str) -> bool:
    try:
        return ip_address(host).version == 6
    except ValueError:
        return False


class AgentsFile:
    """The file with the list of agents. It is read again when it has changed, and replaced as a whole under a lock.

    While the file is invalid, the last valid list stays in use. A missing file is an empty list.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute()
        self._agents: tuple[AgentAddress, ...] = ()
        self._read_state: tuple[int, ...] | None = None
        self._last_problem = ""
        self._read_lock = threading.Lock()

    def is_changed(self) -> bool:
        """Return whether the file must be read again, which takes half a second for thousands of agents."""
        try:
            return self._get_state() != self._read_state
        except OSError:
            return False

    def read_agents(self) -> tuple[AgentAddress, ...]:
        """Return the agents in the order of the file, each once. Safe for concurrent use by threads."""
        with self._read_lock:
            return self._read_agents()

    def _get_state(self) -> tuple[int, ...]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read_agents(self) -> tuple[AgentAddress, ...]:
        try:
            state = self._get_state()
            if state != self._read_state:
                document = _parse_yaml(self._read_text())
                self._agents = tuple(map(parse_agent_address, _list_entries(document)))
                self._read_state, self._last_problem = state, ""
                self._log_list(document)
        except FileNotFoundError:
            self._agents, self._read_state = (), None
            if self._is_new_problem("missing"):
                _log.info("list of agents does not exist", file=str(self._path))
        except (OSError, RegistryError) as error:
            if self._is_new_problem(str(error)):
                _log.warning("list of agents not read, keeping the last one", file=str(self._path), reason=str(error))
        return self._agents

    def _is_new_problem(self, problem: str) -> bool:
        is_new, self._last_problem = problem != self._last_problem, problem
        return is_new

    def _log_list(self, document: CommentedMap) -> None:
        if document and not {LIST_KEY, OTHER_LIST_KEY} & set(document):
            _log.warning("list of agents is empty", file=str(self._path), reason=f"the file has no key {LIST_KEY}")
            return
        _log.info("list of agents read", file=str(self._path), agents=len(self._agents))

    def add_agent(self, entry: str) -> None:
        """Add an entry and sort the list; comments and other keys stay. Raises RegistryError if that is not possible.

        Blocks; safe for concurrent use by threads and processes.
        """
        try:
            with self._lock():
                text = self._read_text() if self._path.exists() else _EMPTY_LIST
                changed_text = _add_entry(text, entry)
                if changed_text is not None:
                    self._replace_file(changed_text)
        except OSError as error:
            raise RegistryError(f"{self._path}: cannot be written ({error.strerror})") from None

    def _read_text(self) -> str:
        with self._path.open("rb") as file:
            content = file.read(MAX_LIST_BYTES + 1)
        if len(content) > MAX_LIST_BYTES:
            raise RegistryError(f"{self._path}: is larger than {MAX_LIST_BYTES} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise RegistryError(f"{self._path}: is not UTF-8 text") from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Hold a lock on a file beside the list: the list itself is replaced."""
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _replace_file(self, text: str) -> None:
        mode = self._path.stat().st_mode & 0o777 if self._path.exists() else 0o644
        descriptor, temporary_path = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary_path).chmod(mode)
            Path(temporary_path).replace(self._path)
        except OSError:
            Path(temporary_path).unlink(missing_ok=True)
            raise


def _build_yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = MAX_LIST_BYTES
    return yaml


def _parse_yaml(text: str) -> CommentedMap:
    """Return the document of a text; raise RegistryError if it is not a mapping."""
    try:
        document = _build_yaml().load(text)
    except RecursionError:
        raise RegistryError("the list of agents is nested too deeply") from None
    except (YAMLError, ValueError) as error:
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise RegistryError(f"the list of agents is not valid YAML: {reason}") from None
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        raise RegistryError(f"the list of agents is not a mapping with the key {LIST_KEY}")
    return document


def _find_key(document: CommentedMap) -> str:
    return OTHER_LIST_KEY if OTHER_LIST_KEY in document and LIST_KEY not in document else LIST_KEY


def _list_entries(document: CommentedMap) -> list[str]:
    """Return the entries of both keys, each once; raise RegistryError if one is not a list of texts."""
    entries: list[str] = []
    for key in (LIST_KEY, OTHER_LIST_KEY):
        value = document.get(key)
        if value is not None and not isinstance(value, CommentedSeq):
            raise RegistryError(f"{key} in the list of agents is not a list")
        # The text of a nested entry with aliases would fill the memory.
        if any(isinstance(entry, CommentedMap | CommentedSeq | CommentedSet) for entry in value or ()):
            raise RegistryError(f"{key} in the list of agents has an entry that is not a text")
        entries += (str(entry).strip() for entry in value or () if entry is not None)
    return list(dict.fromkeys(entries))


def _add_entry(text: str, entry: str) -> str | None:
    """Return the text of the file with an entry added, None if it has the entry already."""
    document = _parse_yaml(text)
    known_entries = _list_entries(document)
    if entry in known_entries:
        return None
    inserted_text = _insert_line(text, document, entry)
    if inserted_text is not None and _list_entries(_parse_yaml(inserted_text)) == sorted([*known_entries, entry]):
        return inserted_text
    return _write_sorted(text, document, entry)


def _insert_line(text: str, document: CommentedMap, entry: str) -> str | None:
    """Return the text with a line for the entry; None if the list is not a sorted one with a line for each entry."""
    entries = document.get(_find_key(document))
    if not entries or entries.fa.flow_style() or list(entries) != sorted(map(str, entries)):
        return None
    lines = text.splitlines(keepends=True)
    first_line, first_column = entries.lc.item(0)
    smaller = [index for index, other in enumerate(entries) if str(other) < entry]
    # Behind the entry before it: a comment above the next entry stays there.
    position = entries.lc.item(smaller[-1])[0] + 1 if smaller else first_line
    indent = lines[first_line][: first_column - 2]
    if not lines[position - 1].endswith("\n"):
        lines[position - 1] += "\n"
    lines.insert(position, f"{indent}- {_quote_entry(entry)}\n")
    return "".join(lines)


def _quote_entry(entry: str) -> str:
    """Return an entry as YAML: brackets begin a list."""
    return f"'{entry}'" if entry.startswith("[") or entry.endswith(":") else entry


def _write_sorted(text: str, document: CommentedMap, entry: str) -> str:
    """Return the text of the document with the entry in its list, sorted."""
    key = _find_key(document)
    entries = document.get(key)
    if entries is None:
        entries = document[key] = CommentedSeq()
    entries.append(entry)
    _sort_entries(entries)
    entries.fa.set_block_style()
    yaml = _build_yaml()
    yaml.explicit_start = bool(re.search(r"^---(\s|$)", text, re.MULTILINE))
    yaml.explicit_end = bool(re.search(r"^\.\.\.(\s|$)", text, re.MULTILINE))
    output = io.StringIO()
    yaml.dump(document, output)
    return output.getvalue()


def _sort_entries(entries: CommentedSeq) -> None:
    """Sort the entries as texts, without duplicates. The comments behind an entry move with it."""
    comments = dict(entries.ca.items)
    order = sorted(range(len(entries)), key=lambda index: str(entries[index]))
    values = [entries[index] for index in order]
    del entries[:]
    entries.ca.items.clear()
    for index, value in zip(order, values, strict=True):
        is_duplicate = bool(entries) and str(entries[-1]) == str(value)
        if is_duplicate and index not in comments:
            continue
        entries.append(value)
        if index in comments:
            entries.ca.items[len(entries) - 1] = comments[index]
