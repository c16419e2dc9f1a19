"""Requests to the Kubernetes API."""

import asyncio
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.scrape.kubernetes_api import KubernetesApi, KubernetesConfig
from tests.scrape.kubernetes_server import run_kubernetes_server
from tests.support.certificate_authority import FileCertificateAuthority

WATCH = {"watch": "1", "resourceVersion": "100"}


async def test_a_watch_that_is_given_up_is_closed_at_once(tmp_path: Path) -> None:
    """A watch over TLS that is left early has no open socket after two turns of the event loop, which may end."""
    authority = FileCertificateAuthority(tmp_path, "ca")
    (tmp_path / "ca.crt").write_bytes(authority.certificate_file.read_bytes())
    (tmp_path / "token").write_text("secret")
    files = authority.issue("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.certificate, files.key)
    async with run_kubernetes_server(tls) as server:
        parts = urlsplit(server.url)
        environment = {"KUBERNETES_SERVICE_HOST": str(parts.hostname), "KUBERNETES_SERVICE_PORT": str(parts.port)}
        async with (
            KubernetesApi(KubernetesConfig(environment, tmp_path)) as api,
            api.get("/api/v1/pods", WATCH, idle_seconds=30) as response,
        ):
            assert response.connection is not None
            assert response.connection.transport is not None
            connection = response.connection.transport.get_extra_info("socket")
        # One to act on the end, one to close the socket. The server would need more for its answer.
        for _turn in range(2):
            await asyncio.sleep(0)
        assert connection.fileno() == -1
