"""Listening sockets, and a plain word where one cannot be had."""

import errno
import resource
import socket

from aggregator.errors import PortInUseError
from aggregator.logs import logger

BACKLOG = 1024
# Descriptors for everything that is no connection of a client: files, the event loops, connections to the upstream.
OWN_DESCRIPTORS = 64

_log = logger(__name__)


def listener(server: str, host: str, port: int) -> socket.socket:
    """Return a listening socket for a server ("HTTP", "GRPC"), with port 0 on a free port.

    Raises PortInUseError, which names the setting that stands in the way.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError):
        raise PortInUseError(f"{server}_HOST: cannot listen on {host}:{port}: no such host is known here") from None
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise PortInUseError(f"{server}_HOST: cannot listen on {host}:{port}: no address of this machine") from None
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortInUseError(f"{server}_PORT: cannot listen on {host}:{port}: {reason}") from None


def most_connections(wanted: int, *, is_default: bool = False) -> int:
    """Return how many connections each of two servers may have: what is wanted, or what the system leaves to us.

    That is told, but only to who looks closely where nobody asked for a number.

    The system's soft limit is raised to the hard one: the soft one is low only for the sake of programs that cannot
    do with more.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return wanted
    # At least a few, in the hope that we need less: when descriptors run out, new connections wait.
    possible = max(8, (hard - OWN_DESCRIPTORS) // 2)
    if possible < wanted:
        log = _log.debug if is_default else _log.info
        log("fewer connections than MAX_CONNECTIONS", most=possible, descriptors=hard)
    return min(wanted, possible)
