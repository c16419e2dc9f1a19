"""Listening sockets, and a plain word where one cannot be had."""

import errno
import os
import socket

from aggregator.errors import PortInUseError

BACKLOG = 1024


def listener(setting: str, host: str, port: int) -> socket.socket:
    """Return a listening socket (port 0: on a free one); raise PortInUseError, naming the setting, if it fails."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise cannot_listen(setting, host, port, error) from error


def cannot_listen(setting: str, host: str, port: int, error: OSError) -> PortInUseError:
    """Return our error for one of the operating system's."""
    reason = (
        "the port is in use" if error.errno == errno.EADDRINUSE else error.strerror or os.strerror(error.errno or 0)
    )
    return PortInUseError(f"{setting}: cannot listen on {host}:{port}: {reason}")
