"""Who may read from the agent, and who may act on containers."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

# Without numbers and texts of the host.
OPEN_PATHS = frozenset({"/", "/healthz", "/readyz"})


class TokenCheck:
    """Compares the token of a request with those that are accepted, in constant time. Without any, none is needed."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._digests = tuple(_digest(token.encode()) for token in tokens)

    @property
    def is_required(self) -> bool:
        """Whether requests need a token."""
        return bool(self._digests)

    def accepts(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether the request may read: no token is needed, or it has a valid one."""
        return not self._digests or self.has_valid_token(headers)

    def has_valid_token(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Return whether a request has a valid token: as a bearer token, or as the password of basic authentication."""
        values = [value for name, value in headers if name == b"authorization"]
        if len(values) != 1:
            return False
        digest = _digest(_extract_token(values[0]))
        return any(hmac.compare_digest(digest, expected) for expected in self._digests)


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _extract_token(authorization: bytes) -> bytes:
    scheme, _, credentials = authorization.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
