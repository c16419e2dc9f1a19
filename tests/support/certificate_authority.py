"""Certificate authorities for tests, and the files of server and client certificates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aggregator.util.files import CertificateFiles

DAY = timedelta(days=1)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CertificateAuthority:
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
        self._root_certificate = (
            self._build_certificate(self._name, self._key, 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, SHA256())
        )
        self.pem = self._root_certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        name: str = "server",
        lifetime: timedelta = 90 * DAY,
        key: PrivateKey | None = None,
        hosts: Sequence[str] = ("127.0.0.1", "localhost"),
    ) -> tuple[bytes, bytes]:
        """Return a certificate for hosts, and its key, both as PEM; with a negative lifetime it has expired."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate = (
            self._build_certificate(subject, key, lifetime)
            .add_extension(x509.SubjectAlternativeName([_to_general_name(host) for host in hosts]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM), encode_private_key(key)

    def _build_certificate(self, subject: x509.Name, key: PrivateKey, lifetime: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 91 * DAY)
            .not_valid_after(now + lifetime)
        )


def encode_private_key(key: PrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_certificate_files(
    folder: Path, key_pair: tuple[bytes, bytes], client_ca: bytes | None = None
) -> CertificateFiles:
    """Write certificate, key and client CA to a folder; replace existing files."""
    folder.mkdir(exist_ok=True)
    (folder / "cert.pem").write_bytes(key_pair[0])
    (folder / "key.pem").write_bytes(key_pair[1])
    if client_ca is not None:
        (folder / "ca.pem").write_bytes(client_ca)
    ca = str(folder / "ca.pem") if (folder / "ca.pem").exists() else None
    return CertificateFiles(str(folder / "cert.pem"), str(folder / "key.pem"), ca)


@dataclass(frozen=True)
class KeyPairFiles:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class FileCertificateAuthority:
    """Issues certificates as files; `certificate_file` contains its own certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._authority = CertificateAuthority(name)
        self.certificate_file = folder / f"{name}.pem"
        self.certificate_file.write_bytes(self._authority.pem)

    def issue(self, name: str, host: str = "127.0.0.1", lifetime: timedelta = DAY) -> KeyPairFiles:
        """Return a new certificate for a host, in files called `name`; with a negative lifetime it has expired."""
        certificate, key = self._authority.issue(name, lifetime, hosts=(host,))
        files = KeyPairFiles(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        files.certificate.write_bytes(certificate)
        files.key.write_bytes(key)
        return files


def _to_general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
