"""The identity that a server shows, exchanged while it runs when its files change; open connections keep theirs."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc

from aggregator import certificates
from aggregator.certificates import CertificateFiles, Identity
from aggregator.errors import CertificateError
from aggregator.logs import logger

# How often the files are looked at.
LOOK_SECONDS = 2.0

_log = logger(__name__)


class Rotation:
    """The identity of one server ("http", "grpc"), and the watch over its files.

    Files that cannot be used, such as a certificate whose key is not written yet, leave the last good identity in
    use. They are warned of once they are no better at the next look.
    """

    def __init__(
        self,
        server: str,
        files: CertificateFiles,
        look_seconds: float = LOOK_SECONDS,
        clock: Callable[[], datetime] = certificates.now,
    ) -> None:
        self.current: Identity = certificates.read(files)
        self._server = server
        self._files = files
        self._look_seconds = look_seconds
        self._clock = clock
        self._bad_looks = 0
        self._warned_of = ""
        self._tell_age()

    def expires_at_seconds(self) -> float:
        """Return when the certificate of the moment expires, in seconds since the epoch."""
        return self.current.expires_at.timestamp()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            # A file system may be slow, and the event loop must not wait for it.
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the identity anew if the files changed; warn of what is wrong with them, once."""
        try:
            if self._files.contents() != (self.current.cert, self.current.key, self.current.client_ca):
                self.current = certificates.read(self._files)
                self._warned_of = ""
                _log.info("certificate taken", server=self._server, expires_at=self.current.expires_at.isoformat())
            self._bad_looks = 0
        except CertificateError as error:
            self._bad_looks += 1
            if self._bad_looks == 2:
                _log.warning("new certificate not taken, the last stays", server=self._server, reason=str(error))
        self._tell_age()

    def _tell_age(self) -> None:
        now = self._clock()
        if self.current.is_expired(now):
            self._warn_once("certificate expired, clients refuse it")
        elif self.current.is_due(now):
            self._warn_once("certificate expires soon, renew it")

    def _warn_once(self, event: str) -> None:
        if event != self._warned_of:
            self._warned_of = event
            _log.warning(event, server=self._server, expires_at=self.current.expires_at.isoformat())


class RotatingContext(ssl.SSLContext):
    """A context that makes each connection with the identity of that moment.

    Each identity has a context of its own, so that a session that one began is not resumed with another, say by a
    client whose authority is no longer believed.
    """

    rotation: Rotation

    @classmethod
    def of(cls, rotation: Rotation) -> "RotatingContext":
        """Return a context for as long as the server runs."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made.rotation = rotation
        return made

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection."""
        return self.rotation.current.context.wrap_bio(*arguments, **options)


def grpc_credentials(rotation: Rotation) -> grpc.ServerCredentials:
    """Return credentials that gRPC asks for the identity of the moment before each handshake."""
    shown = rotation.current

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal shown
        if shown is rotation.current:
            return None
        shown = rotation.current
        return _configuration(shown)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown),
        changed,  # type: ignore[arg-type] # None says that nothing changed
        require_client_authentication=shown.client_ca is not None,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.cert)], identity.client_ca)
