"""Listening sockets, and a plain word where one cannot be had."""

import errno
import socket

from aggregator.errors import PortInUseError

BACKLOG = 1024


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
        reason = "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise PortInUseError(f"{server}_PORT: cannot listen on {host}:{port}: {reason}") from None
