"""How an upstream lets us in: what is sent to prove who asks, whom we trust, and files that may change meanwhile."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests
import requests.auth

from aggregator.errors import UnreachableError
from aggregator.logs import logger
from aggregator.secrets import Secrets

TOKEN = re.compile(r"[\x21-\x7e]+")
STANDARD_PORTS = {"http": 80, "https": 443}

_log = logger(__name__)


@dataclass(frozen=True)
class Access:
    """What every upstream is shown: a bearer token, or a file that holds one; headers; a client certificate.

    `ca_file` holds the certificates of those whom we trust to vouch for an upstream; "" for the usual ones.
    """

    token: str = field(default="", repr=False)
    token_file: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @property
    def tls_files(self) -> tuple[str, ...]:
        """The files that a connection is made with."""
        return tuple(name for name in (self.ca_file, self.certificate_file, self.key_file) if name)


NO_ACCESS = Access()


class Nobody(requests.auth.AuthBase):
    """Shows nothing; with it in place, requests does not go and look for a password in ~/.netrc either."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request


class Bearer(requests.auth.AuthBase):
    """Shows a bearer token; one from a file is read again whenever the file has changed, and then kept secret, too."""

    def __init__(self, access: Access, secrets: Secrets) -> None:
        self._token = access.token
        self._secrets = secrets
        self._path = Path(access.token_file) if access.token_file else None
        self._seen: object = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token."""
        if self._path is not None:
            self._look(self._path)
        if not self._token:
            raise UnreachableError("not asked: the file of the bearer token holds none")
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _look(self, path: Path) -> None:
        """Take what the file holds now; while it holds nothing of use, what it held before still counts."""
        now = signature([str(path)])
        if now == self._seen:
            return
        self._seen = now
        try:
            token = token_of(path)
        except ValueError as error:
            _log.warning("bearer token file", reason=str(error), kept=bool(self._token))
            return
        # Before it is sent for the first time: nobody can repeat it earlier.
        self._secrets.learn(token)
        self._token = token


def token_of(path: Path) -> str:
    """Return the token that a file holds; raise ValueError, without a word of it, where it holds none."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        text = ""
    if not TOKEN.fullmatch(text):
        raise ValueError("holds no token")
    return text


def signature(paths: Iterable[str]) -> object:
    """Return what is different once one of the files has changed."""
    return tuple(_signature(Path(path)) for path in paths)


def _signature(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino)


class Files:
    """Files that are watched for changes, from several threads at once."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self._lock = threading.Lock()
        self._seen = signature(self._paths)

    def have_changed(self) -> bool:
        """Return True once after each change."""
        if not self._paths:
            return False
        with self._lock:
            before, self._seen = self._seen, signature(self._paths)
            return before != self._seen


class Session(requests.Session):
    """Follows a redirect only to where it came from: neither credentials nor a tenant's headers go anywhere else."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer leads, None if it does not; requests by itself breaks on what is no URL."""
        try:
            target = super().get_redirect_target(resp)
            is_place = target is None or bool(target and (urlsplit(target).port, target))
        except ValueError:
            is_place = False
        if not is_place:
            raise UnreachableError("it redirects, and not to a place where a Prometheus answers")
        return target

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Let the next request of a redirect have what the first had, if it goes to the same place."""
        if not _is_same_place(response.request.url or "", prepared_request.url or ""):
            raise UnreachableError("it redirects to another place, where it is not followed")


def _is_same_place(old_url: str, new_url: str) -> bool:
    """Return whether two URLs are of one server; the same host with TLS, at the usual ports, is, too."""
    old, new = _place(old_url), _place(new_url)
    return new in (old, (old[0], "https", 443)) if old[1:] == ("http", 80) else new == old


def _place(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "", parts.scheme, parts.port or STANDARD_PORTS.get(parts.scheme, 0))
