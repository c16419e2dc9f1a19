"""A server's certificate, its key, and the authorities whose clients are let in: read from PEM files, and checked."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from aggregator.errors import CertificateError

LATEST_RENEWAL = timedelta(days=14)


@dataclass(frozen=True)
class CertificateFiles:
    """Where a server finds them; without `client_ca` every client may connect."""

    cert: str
    key: str
    client_ca: str | None = None

    def contents(self) -> tuple[bytes, bytes, bytes | None]:
        """Return what is in them now; raise CertificateError if one cannot be read."""
        return _bytes_of(self.cert), _bytes_of(self.key), _bytes_of(self.client_ca) if self.client_ca else None


@dataclass(frozen=True)
class Identity:
    """What a server shows and whom it believes, as PEM, and made into a context for HTTP."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext
    valid_from: datetime
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        """Return whether clients refuse it already."""
        return now >= self.expires_at

    def is_due(self, now: datetime) -> bool:
        """Return whether it should have been renewed: a tenth of its life is left, at most two weeks."""
        return now >= self.expires_at - min((self.expires_at - self.valid_from) / 10, LATEST_RENEWAL)


def read(files: CertificateFiles) -> Identity:
    """Return what the files hold; raise CertificateError, which names the file, if it cannot be used."""
    cert, key, client_ca = found = files.contents()
    leaf = certificates(cert, files.cert)[0]
    check_key(key, files.key)
    if _public(load_pem_private_key(key, None).public_key()) != _public(leaf.public_key()):
        raise CertificateError(f"{files.key}: is not the key of the certificate in {files.cert}")
    if client_ca is not None:
        certificates(client_ca, str(files.client_ca))
    context = _context(files, client_ca)
    # The context was loaded from the paths, as OpenSSL wants it: what was checked must be what it found there.
    if files.contents() != found:
        raise CertificateError(f"{files.cert}: changes while it is read")
    return Identity(cert, key, client_ca, context, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _context(files: CertificateFiles, client_ca: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # For TLS 1.2; those of 1.3 are all good. A key that is stolen later opens nothing that was recorded before.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    # A client that asks for new keys again and again would cost a handshake's work each time.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.cert, files.key, password=lambda: b"")
        if client_ca is not None:
            context.load_verify_locations(cadata=client_ca.decode("ascii", "replace"))
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise CertificateError(f"{files.cert}: cannot be used by TLS ({reason})") from None
    return context


def certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    """Return the certificates, at least one; raise CertificateError about the name of where they were found."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise CertificateError(f"{name}: holds no certificate in PEM form") from None


def check_key(pem: bytes, name: str) -> None:
    """Raise CertificateError if this is no private key that can be read without a password."""
    try:
        load_pem_private_key(pem, None)
    except TypeError:
        raise CertificateError(f"{name}: holds a key that is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"{name}: holds no private key in PEM form") from None


def now() -> datetime:
    """Return the time in the zone of certificates."""
    return datetime.now(UTC)


def _bytes_of(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read ({error.strerror})") from None


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return] # every kind of key has it
