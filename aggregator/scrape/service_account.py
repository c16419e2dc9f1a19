"""The service account of this pod: its token and the CA of the cluster, read again when the files change."""

import asyncio
import ssl
import time
from pathlib import Path

TOKEN_SECONDS = 60.0


class ServiceAccount:
    """Reads the token once a minute, and the CA when its file changes."""

    def __init__(self, directory: Path) -> None:
        self._token_file = directory / "token"
        self._ca_file = directory / "ca.crt"
        self._token = ""
        self._token_read_at: float | None = None
        self._ssl_context: ssl.SSLContext | None = None
        self._ca_changed_ns = 0

    async def read_token(self) -> str:
        """Return the token; raise OSError if it cannot be read."""
        now = time.monotonic()
        if self._token_read_at is None or now - self._token_read_at >= TOKEN_SECONDS:
            self._token = (await asyncio.to_thread(self._token_file.read_text, "ascii")).strip()
            self._token_read_at = now
        return self._token

    def forget_token(self) -> None:
        """Read the token from its file at the next use, because it was refused."""
        self._token_read_at = None

    async def get_ssl_context(self) -> ssl.SSLContext:
        """Return a context that trusts the CA of the cluster; raise OSError if it cannot be read."""
        changed_ns = (await asyncio.to_thread(self._ca_file.stat)).st_mtime_ns
        if self._ssl_context is None or changed_ns != self._ca_changed_ns:
            self._ssl_context = await asyncio.to_thread(ssl.create_default_context, cafile=str(self._ca_file))
            self._ca_changed_ns = changed_ns
        return self._ssl_context
