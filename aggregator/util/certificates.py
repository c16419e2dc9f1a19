"""Certificates and keys of servers: parsed, checked, and ready for TLS."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from aggregator.errors import CertificateError
from aggregator.util.files import CertificateFiles

MAX_RENEWAL_LEAD_TIME = timedelta(days=14)


@dataclass(frozen=True)
class ServerCertificate:
    """Certificate and key of a server, and the CA certificates for its clients, as PEM; the SSL context of HTTP."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    ssl_context: ssl.SSLContext
    valid_from: datetime
    expires_at: datetime

    def is_expired(self, now: datetime) -> bool:
        """Return whether clients reject the certificate."""
        return now >= self.expires_at

    def is_renewal_due(self, now: datetime) -> bool:
        """Return whether less than a tenth of the lifetime remains, at most two weeks."""
        return now >= self.expires_at - min((self.expires_at - self.valid_from) / 10, MAX_RENEWAL_LEAD_TIME)


def load_server_certificate(files: CertificateFiles) -> ServerCertificate:
    """Load and check the files; raise CertificateError, with the name of the file, if one cannot be used."""
    cert, key, client_ca = contents = files.read_contents()
    leaf = parse_certificates(cert, files.cert)[0]
    check_private_key(key, files.key)
    if _encode_public_key(load_pem_private_key(key, None).public_key()) != _encode_public_key(leaf.public_key()):
        raise CertificateError(f"{files.key}: is not the key of the certificate in {files.cert}")
    if client_ca is not None:
        parse_certificates(client_ca, str(files.client_ca))
    ssl_context = _create_ssl_context(files, client_ca)
    # OpenSSL loads the files by path: check that it read the same contents.
    if files.read_contents() != contents:
        raise CertificateError(f"{files.cert}: changed while it was read")
    return ServerCertificate(cert, key, client_ca, ssl_context, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _create_ssl_context(files: CertificateFiles, client_ca: bytes | None) -> ssl.SSLContext:
    ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ssl_context.minimum_version = ssl.TLSVersion.TLSv1_2
    # For TLS 1.2: only ciphers with forward secrecy and authenticated encryption. Those of TLS 1.3 all have both.
    ssl_context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    # Each renegotiation costs as much as a handshake.
    ssl_context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    ssl_context.set_alpn_protocols(["http/1.1"])
    try:
        ssl_context.load_cert_chain(files.cert, files.key, password=lambda: b"")
        if client_ca is not None:
            ssl_context.load_verify_locations(cadata=client_ca.decode("ascii", "ignore"))
            ssl_context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise CertificateError(f"{files.cert}: cannot be used for TLS ({reason})") from None
    return ssl_context


def parse_certificates(pem: bytes, name: str) -> list[x509.Certificate]:
    """Return at least one certificate; raise CertificateError, with the name of the file, if there is none."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise CertificateError(f"{name}: contains no PEM certificate") from None


def check_private_key(pem: bytes, name: str) -> None:
    """Raise CertificateError unless this is an unencrypted private key."""
    try:
        load_pem_private_key(pem, None)
    except TypeError:
        raise CertificateError(f"{name}: the private key is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(f"{name}: contains no PEM private key") from None


def utc_now() -> datetime:
    """Return the current time in UTC, the time zone of certificates."""
    return datetime.now(UTC)


def _encode_public_key(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return] # every kind of key has it
