"""A real API server without nodes: tests write the states of pods themselves. It runs with or without isolate.sh."""

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import find_free_port, stop_process
from tests.integration.gateway_process import wait_until
from tests.kubernetes.api import KubernetesApi
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files
from tools.parts.kubernetes import KubernetesPrograms

READY_TIMEOUT_SECONDS = 180.0


@dataclass
class ApiServer:
    """An etcd that runs, and an API server that tests stop and start again."""

    api: KubernetesApi
    folder: Path
    program: Path
    flags: tuple[str, ...]
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def start(self) -> None:
        """Start the API server and wait until it is ready."""
        log_path = self.folder / "kube-apiserver.log"
        log = self.stack.enter_context(log_path.open("ab"))
        process = subprocess.Popen(
            [str(self.program), *self.flags], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        self.stack.callback(stop_process, process)

        def is_ready() -> bool:
            assert process.poll() is None, log_path.read_text(encoding="utf-8")[-1000:]
            return self.api.is_ready()

        wait_until(is_ready, "the API server is ready", READY_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """Stop the API server; etcd keeps its objects."""
        self.stack.close()


@contextmanager
def run_api_server(programs: KubernetesPrograms, folder: Path) -> Iterator[ApiServer]:
    """Run an API server on free ports."""
    ports = [find_free_port() for _ in range(3)]
    etcd_url, peer_url = (f"http://127.0.0.1:{port}" for port in ports[:2])
    authority = CertificateAuthority("kubernetes")
    files = write_certificate_files(folder, authority.issue("kube-apiserver"))
    ca_file = folder / "authority.pem"
    ca_file.write_bytes(authority.pem)
    api = KubernetesApi(f"https://127.0.0.1:{ports[2]}", ca_file, secrets.token_hex(16))
    tokens = folder / "tokens.csv"
    tokens.touch(0o600)
    tokens.write_text(f"{api.token},admin,admin,system:masters\n")
    flags = (
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports[2]}",
        f"--tls-cert-file={files.cert}",
        f"--tls-private-key-file={files.key}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={files.cert}",
        f"--service-account-signing-key-file={files.key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",
        # Otherwise it deletes the pods of a collection one after another.
        "--delete-collection-workers=20",
        # No controller creates service accounts, and no node takes pods.
        "--disable-admission-plugins=ServiceAccount",
    )
    server = ApiServer(api, folder, programs.kubernetes / "kube-apiserver", flags)
    etcd_flags = [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        # A test may lose its data when the machine crashes.
        "--unsafe-no-fsync",
    ]
    with (folder / "etcd.log").open("ab") as log:
        etcd = subprocess.Popen(
            [str(programs.etcd / "etcd"), *etcd_flags],
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()
            stop_process(etcd)
