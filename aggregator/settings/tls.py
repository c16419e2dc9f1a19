"""What the TLS settings of all servers have in common: descriptions, and conflicts between the files."""

from collections.abc import Iterator

from aggregator.errors import CertificateError
from aggregator.util.files import CertificateFiles

PEM_EXPECTED = "path of a PEM file"
KEY_DESCRIPTION = "unencrypted key of that certificate"


def describe_certificate(server: str) -> str:
    """Return the description of the setting with the certificate of a server."""
    return f"certificate of the {server} server, followed by intermediate certificates. If set, the server requires TLS"


def describe_client_ca(server: str) -> str:
    """Return the description of the setting with the CA certificates for the clients of a server."""
    return f"CA certificates for clients. If set, clients of {server} need a certificate from one of these CAs"


def build_certificate_files(cert: str | None, key: str | None, client_ca: str | None) -> CertificateFiles | None:
    """Return the files of a server, None without TLS."""
    return CertificateFiles(cert, key, client_ca) if cert is not None and key is not None else None


def find_tls_conflicts(server: str, cert: str | None, key: str | None, client_ca: str | None) -> Iterator[str]:
    """Yield files that do not belong together, and files that are missing; `server` is the prefix of the settings."""
    files = build_certificate_files(cert, key, client_ca)
    if files is not None:
        from aggregator.util.certificates import load_server_certificate  # noqa: PLC0415 - needed only for TLS

        try:
            load_server_certificate(files)
        except CertificateError as error:
            yield f"{server}_TLS_KEY: {error}; expected: {KEY_DESCRIPTION}"
        return
    if cert is not None:
        yield f"{server}_TLS_KEY: is not set, but {server}_TLS_CERT is; expected: {PEM_EXPECTED}"
    elif key is not None or client_ca is not None:
        present = "KEY" if key is not None else "CLIENT_CA"
        yield f"{server}_TLS_CERT: is not set, but {server}_TLS_{present} is; expected: {PEM_EXPECTED}"
