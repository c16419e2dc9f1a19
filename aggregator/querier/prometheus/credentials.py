"""The credentials for upstreams, and the files that hold them: a changed file is read again."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import requests
import requests.auth

from aggregator.errors import FileError, UnreachableError
from aggregator.observability.logs import get_logger
from aggregator.observability.redaction import Redactor
from aggregator.util.files import read_bounded_file

BEARER_TOKEN_PATTERN = re.compile(r"[\x21-\x7e]+")

_log = get_logger(__name__)


@dataclass(frozen=True)
class UpstreamCredentials:
    """What every upstream receives: a bearer token or its file, headers, query parameters, a client certificate.

    `ca_file` contains the accepted CA certificates; "" for those that requests accepts by default.
    """

    token: str = field(default="", repr=False)
    token_file: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    query_parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @property
    def tls_files(self) -> tuple[str, ...]:
        """The files that a TLS connection uses."""
        return tuple(name for name in (self.ca_file, self.certificate_file, self.key_file) if name)


NO_CREDENTIALS = UpstreamCredentials()


class BearerAuth(requests.auth.AuthBase):
    """Sends a bearer token. A token file is read again when it has changed; its tokens are redacted from then on."""

    def __init__(self, credentials: UpstreamCredentials, redactor: Redactor) -> None:
        self._token = credentials.token
        self._redactor = redactor
        self._path = Path(credentials.token_file) if credentials.token_file else None
        self._file_states: object = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        if self._path is not None:
            self._reload_token(self._path)
        if not self._token:
            raise UnreachableError("not sent: the bearer token file contains no token")
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _reload_token(self, path: Path) -> None:
        """Read the file if it has changed; keep the previous token if the file contains none."""
        file_states = read_file_states([str(path)])
        if file_states == self._file_states:
            return
        self._file_states = file_states
        try:
            token = read_token_file(path)
        except ValueError as error:
            _log.warning("cannot read bearer token file", reason=str(error), using_previous_token=bool(self._token))
            return
        # Before the token is sent for the first time: from then on an upstream can repeat it.
        self._redactor.add_secret(token)
        self._token = token


def read_token_file(path: Path) -> str:
    """Return the token in a file; raise ValueError, whose text quotes nothing of the file, if it contains none."""
    try:
        text = read_bounded_file(str(path)).decode("ascii").strip()
    except FileError as error:
        raise ValueError(str(error)) from None
    except UnicodeDecodeError:
        text = ""
    if not BEARER_TOKEN_PATTERN.fullmatch(text):
        raise ValueError("contains no token")
    return text


def read_file_states(paths: Iterable[str]) -> object:
    """Return the modification time, size and inode of each file; they change when the file changes."""
    return tuple(_read_file_state(Path(path)) for path in paths)


def _read_file_state(path: Path) -> tuple[int, ...]:
    try:
        file_status = path.stat()
    except OSError:
        return ()
    return (file_status.st_mtime_ns, file_status.st_size, file_status.st_ino)


class FileChangeDetector:
    """Detects changes of files. Thread-safe."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._lock = threading.Lock()
        self._file_states = read_file_states(self._paths)

    def has_changed(self) -> bool:
        """Return True once after each change."""
        if not self._paths:
            return False
        with self._lock:
            previous, self._file_states = self._file_states, read_file_states(self._paths)
            return previous != self._file_states

    def find_problem(self) -> str:
        """Return why one of the files cannot be read, "" if all can be. OpenSSL would block on a FIFO."""
        for path in self._paths:
            try:
                read_bounded_file(path)
            except FileError as error:
                return f"{path}: {error}"
        return ""
