"""The certificate of the gRPC server: each handshake uses the current one."""

import grpc

from aggregator.server.tls import CertificateReloader
from aggregator.util.certificates import ServerCertificate


def build_grpc_credentials(reloader: CertificateReloader) -> grpc.ServerCredentials:
    """Return credentials with which gRPC uses the current certificate for each handshake."""
    served = reloader.current

    def fetch_changed_configuration() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        if served is reloader.current:
            return None
        served = reloader.current
        return _build_grpc_configuration(served)

    return grpc.dynamic_ssl_server_credentials(
        _build_grpc_configuration(served),
        fetch_changed_configuration,  # type: ignore[arg-type] # None means unchanged
        require_client_authentication=served.client_ca is not None,
    )


def _build_grpc_configuration(certificate: ServerCertificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(certificate.key, certificate.cert)], certificate.client_ca)
