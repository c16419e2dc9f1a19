"""The address of an Engine, as the Docker client reads it from DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""

import os
import re
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from aggregator.errors import CertificateError

# Where an Engine listens by default: Docker, then Podman as root.
SOCKET_PATHS = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock")
_HOST_AND_PORT_PATTERN = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})", re.ASCII)
_TLS_FILES = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True)
class EngineAddress:
    """The socket or the host and port of an Engine. `cert_path` is the folder of the TLS files, None without TLS."""

    socket_path: str | None = None
    host_and_port: str | None = None
    cert_path: str | None = None

    def __str__(self) -> str:
        return f"unix://{self.socket_path}" if self.socket_path else str(self.host_and_port)

    @property
    def url(self) -> str:
        """The base URL of requests."""
        if self.socket_path:
            return f"unix://{self.socket_path}"
        return f"{'https' if self.cert_path else 'http'}://{self.host_and_port}"

    def build_ssl_context(self) -> ssl.SSLContext | None:
        """Return the TLS of requests, None without TLS; raise CertificateError if a file cannot be used."""
        if self.cert_path is None:
            return None
        authority, certificate, key = (str(Path(self.cert_path) / name) for name in _TLS_FILES)
        try:
            context = ssl.create_default_context(cafile=authority)
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "invalid"
            raise CertificateError(
                f"{self.cert_path}: ca.pem, cert.pem and key.pem cannot be used ({reason})"
            ) from None
        return context


def parse_engine_address(text: str, cert_path: str | None = None) -> EngineAddress:
    """Return the address of a DOCKER_HOST; raise ValueError if it is not supported.

    `host:port` without a scheme is what the node agent of Haven calls the address of Docker.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "tcp", text
    if scheme == "unix":
        if not rest.startswith("/"):
            raise ValueError("has no absolute path of a socket")
        return EngineAddress(socket_path=rest)
    if scheme not in ("tcp", "http", "https"):
        raise ValueError("has a scheme that is not supported")
    match = _HOST_AND_PORT_PATTERN.fullmatch(rest.rstrip("/"))
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError("has no host and port")
    return EngineAddress(host_and_port=match[0], cert_path=cert_path)


def find_default_socket(
    paths: Iterable[str] | None = None, can_open: Callable[[str], bool] = lambda path: os.access(path, os.W_OK)
) -> str:
    """Return the first socket that this user can open, otherwise the first that exists, otherwise Docker's.

    A host may run Docker as root and Podman as this user.
    """
    # The last one is that of Podman without root. A socket in a folder that may not be searched counts as missing.
    candidates = (*SOCKET_PATHS, f"/run/user/{os.getuid()}/podman/podman.sock") if paths is None else paths
    existing = [path for path in candidates if os.path.exists(path)]  # noqa: PTH110 - Path.exists raises PermissionError
    return next(filter(can_open, existing), next(iter(existing), SOCKET_PATHS[0]))
