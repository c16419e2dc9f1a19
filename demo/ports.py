"""The two ports of the gateway, chosen and tried before anything is started."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass


class PortError(Exception):
    """A port cannot be had; the text is one line that says which and what to do."""


@dataclass(frozen=True)
class Ports:
    """Where the gateway listens."""

    http: int
    grpc: int


def choose(environ: Mapping[str, str]) -> Ports:
    """Return the ports that the environment names, or the usual ones; raise PortError if one is not free."""
    chosen = Ports(
        _free("HTTP_PORT", environ.get("HTTP_PORT") or "8080"), _free("GRPC_PORT", environ.get("GRPC_PORT") or "8181")
    )
    if chosen.http == chosen.grpc:
        raise PortError(f"HTTP_PORT and GRPC_PORT are both {chosen.http}: name two")
    return chosen


def _free(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise PortError(f"{variable}={text} is no port: name a number from 1 to 65535")
    try:
        # All interfaces, since a listener on any one of them would be in the way.
        with socket.create_server(("", int(text))):
            return int(text)
    except OSError as refused:
        reason = "is taken" if refused.errno == errno.EADDRINUSE else f"cannot be had ({refused})"
        raise PortError(f"port {text} {reason}: name another with {variable}=...") from refused
