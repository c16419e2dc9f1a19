"""Certificates of a test: an authority, and what it vouches for, as files."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.server.authority import DAY
from tests.server.authority import Authority as Signer


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files in PEM form."""

    certificate: Path
    key: Path


class Authority:
    """Vouches for others; `file` holds its own certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._signer = Signer(name)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._signer.pem)

    def pair(self, name: str, host: str = "127.0.0.1", lasts: timedelta = DAY) -> Pair:
        """Return a new certificate for a host, written to files of this name; it may have ended already."""
        certificate, key = self._signer.pair(name, lasts, hosts=(host,))
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(certificate)
        pair.key.write_bytes(key)
        return pair
