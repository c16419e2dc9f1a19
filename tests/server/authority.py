"""Certificate authorities of the tests, and the files that a server finds its identity in."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aggregator.certificates import CertificateFiles

DAY = timedelta(days=1)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """Signs certificates for this machine."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self._own = (
            self._certificate(self._name, self._key, 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, SHA256())
        )
        self.pem = self._own.public_bytes(Encoding.PEM)

    def pair(
        self,
        name: str = "server",
        life: timedelta = 90 * DAY,
        key: PrivateKey | None = None,
        hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    ) -> tuple[bytes, bytes]:
        """Return a certificate for hosts and its key; with a negative life it is over."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        made = (
            self._certificate(subject, key, life)
            .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        return made.public_bytes(Encoding.PEM), private_pem(key)

    def _certificate(self, subject: x509.Name, key: PrivateKey, life: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 91 * DAY)
            .not_valid_after(now + life)
        )


def private_pem(key: PrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(folder: Path, pair: tuple[bytes, bytes], client_ca: bytes | None = None) -> CertificateFiles:
    """Write the files of an identity, in place of those that were there."""
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(pair[0])
    (folder / "key.pem").write_bytes(pair[1])
    if client_ca is not None:
        (folder / "ca.pem").write_bytes(client_ca)
    ca = str(folder / "ca.pem") if (folder / "ca.pem").exists() else None
    return CertificateFiles(str(folder / "cert.pem"), str(folder / "key.pem"), ca)


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
