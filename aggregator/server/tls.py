"""Certificate reloading: a server loads its certificate again when the files change; open connections keep theirs."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aggregator.errors import CertificateError
from aggregator.observability.logs import get_logger
from aggregator.util.certificates import ServerCertificate, load_server_certificate, utc_now
from aggregator.util.files import CertificateFiles

# How often the files are checked for changes.
CERTIFICATE_POLL_SECONDS = 2.0

_log = get_logger(__name__)


class CertificateReloader:
    """The current certificate of one server ("http" or "grpc").

    While the files are invalid, for example because the key is not written yet, the last valid certificate stays in
    use. If they are still invalid at the next check, a warning is logged.
    """

    def __init__(
        self,
        server_name: str,
        files: CertificateFiles,
        poll_seconds: float = CERTIFICATE_POLL_SECONDS,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.current: ServerCertificate = load_server_certificate(files)
        self._server_name = server_name
        self._files = files
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._failed_reloads = 0
        self._last_warning = ""
        self._warn_about_expiry()

    def get_expiry_seconds(self) -> float:
        """Return when the current certificate expires, as Unix time."""
        return self.current.expires_at.timestamp()

    def build_ssl_context(self) -> "ReloadingSSLContext":
        """Return a context for a server, which always uses the current certificate."""
        return ReloadingSSLContext.create(self)

    async def run(self) -> None:
        """Check the files periodically, until cancelled."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            # The event loop must not wait for a slow file system.
            await asyncio.to_thread(self.reload_if_changed)

    def reload_if_changed(self) -> None:
        """Load the certificate again if the files have changed; log a warning, once, if they are invalid."""
        try:
            if self._files.read_contents() != (self.current.cert, self.current.key, self.current.client_ca):
                self.current = load_server_certificate(self._files)
                self._last_warning = ""
                _log.info(
                    "certificate loaded", server=self._server_name, expires_at=self.current.expires_at.isoformat()
                )
            self._failed_reloads = 0
        except CertificateError as error:
            self._failed_reloads += 1
            if self._failed_reloads == 2:
                _log.warning(
                    "new certificate is invalid, keeping the last one", server=self._server_name, reason=str(error)
                )
        self._warn_about_expiry()

    def _warn_about_expiry(self) -> None:
        now = self._clock()
        if self.current.is_expired(now):
            self._warn_once("certificate has expired")
        elif self.current.is_renewal_due(now):
            self._warn_once("certificate expires soon")

    def _warn_once(self, event: str) -> None:
        if event != self._last_warning:
            self._last_warning = event
            _log.warning(event, server=self._server_name, expires_at=self.current.expires_at.isoformat())


class ReloadingSSLContext(ssl.SSLContext):
    """An SSL context that uses the current certificate for each new connection.

    Each certificate has its own context, so that a TLS session cannot be resumed with another certificate, for example
    by a client whose CA is no longer accepted.
    """

    reloader: CertificateReloader

    @classmethod
    def create(cls, reloader: CertificateReloader) -> "ReloadingSSLContext":
        """Return the context of a server."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.reloader = reloader
        return context

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Start the TLS handshake of a connection."""
        return self.reloader.current.ssl_context.wrap_bio(*arguments, **options)
