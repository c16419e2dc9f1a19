"""Files named in settings and arguments: bounded reads without blocking."""

import os
import stat
from dataclasses import dataclass

from aggregator.errors import CertificateError, FileError

MAX_FILE_BYTES = 2**20


def open_regular_file(path: str) -> int:
    """Return a descriptor of a regular file, open for reading; raise FileError for anything else.

    A FIFO without a writer would block a plain open, and a device may never end.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise FileError(f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise FileError("cannot be read (invalid file name)") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileError("cannot be read (not a regular file)")
    return descriptor


def read_bounded_file(path: str) -> bytes:
    """Return the contents of a regular file of at most MAX_FILE_BYTES; raise FileError if it cannot be read.

    The text of the error does not name the file.
    """
    with os.fdopen(open_regular_file(path), "rb") as file:
        try:
            contents = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise FileError(f"cannot be read ({error.strerror})") from None
    if len(contents) > MAX_FILE_BYTES:
        raise FileError(f"cannot be read (larger than {MAX_FILE_BYTES} bytes)")
    return contents


def read_pem_file(path: str) -> bytes:
    """Return the contents of a file with certificates or a key; raise CertificateError, with the name of the file."""
    try:
        return read_bounded_file(path)
    except FileError as error:
        raise CertificateError(f"{path}: {error}") from None


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of the PEM files of a server; without `client_ca` clients need no certificate."""

    cert: str
    key: str
    client_ca: str | None = None

    def read_contents(self) -> tuple[bytes, bytes, bytes | None]:
        """Return the contents of the files; raise CertificateError if one cannot be read."""
        return (
            read_pem_file(self.cert),
            read_pem_file(self.key),
            read_pem_file(self.client_ca) if self.client_ca else None,
        )
