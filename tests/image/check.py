"""Run the built image beside a real Prometheus and show what it promises, one line a fact.

`python -m tests.image.check RUN`: RUN names the image and the Docker network. Exit code 1 if a fact does not hold.
"""

import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from demo.prometheus import Moment, holding
from tests.server.authority import Authority, write

from .containers import (
    FOLDER,
    GRACE_SECONDS,
    GRPC_PORT,
    HTTP_PORT,
    Container,
    docker,
    reachable_from,
    running,
    wait,
)

DATA = Path("tests/data/parity/ocm-two-clusters.prom")
CLUSTER = "icos-cluster-a"
NODES = 3
WITHIN_SECONDS = 30.0
NOWHERE = "http://127.0.0.1:9"


class Facts:
    """What was shown and what was not."""

    def __init__(self) -> None:
        self.shown = 0
        self.missing: list[str] = []

    def show(self, holds: bool, fact: str) -> None:
        """Print one fact with its result and remember it."""
        print(f"  {'ok  ' if holds else 'FAIL'} {fact}", flush=True)
        if holds:
            self.shown += 1
        else:
            self.missing.append(fact)


def what_the_image_says(facts: Facts, image: str) -> None:
    """Check what can be read without running it."""
    (told,) = json.loads(docker("image", "inspect", image))
    config = told["Config"]
    labels: dict[str, str] = config["Labels"]
    facts.show(config["User"] == "1001:1001", f"its user is {config['User']}")
    facts.show(
        set(config["ExposedPorts"]) == {"8080/tcp", "8181/tcp"}, f"it exposes {', '.join(config['ExposedPorts'])}"
    )
    facts.show(
        config["Entrypoint"] == ["python", "-m", "aggregator"], f"it starts {config['Entrypoint']}, no shell between"
    )
    facts.show(config.get("StopSignal") == "SIGTERM", f"its stop signal is {config.get('StopSignal')}")
    licence = labels.get("org.opencontainers.image.licenses")
    facts.show(licence == "Apache-2.0", f"its licence label is {licence}")
    print(f"       size {told['Size'] / 1e6:.0f} MB, base {labels.get('org.opencontainers.image.base.name')}")


def with_prometheus(facts: Facts, image: str, prometheus: str) -> None:
    """Check the gateway as people run it: both servers, a Prometheus that has data."""
    environment = {"PROMETHEUS_ADDRESS": prometheus, "HTTP_PORT": str(HTTP_PORT), "GRPC_PORT": str(GRPC_PORT)}
    with running(image, image, "both", environment) as container:
        if not becomes_healthy(facts, container, "HTTP and gRPC"):
            return
        becomes_ready(facts, container)
        answers_over_http(facts, container)
        answers_over_grpc(facts, container)
        is_confined(facts, container.run_inside(Path("tests/image/inside.py").read_text()))
        ends_in_time(facts, container)


def becomes_healthy(facts: Facts, container: Container, what: str) -> bool:
    """Wait for the image's own health check."""
    seconds = wait(lambda: container.health() != "starting", WITHIN_SECONDS)
    health = container.health()
    facts.show(health == "healthy", f"{what}: the health check says {health} after {seconds or WITHIN_SECONDS:.1f} s")
    if health != "healthy":
        print(container.logs())
    return health == "healthy"


def becomes_ready(facts: Facts, container: Container) -> None:
    """Wait for /readyz, which means that Prometheus was reached."""
    seconds = wait(lambda: (answer := container.get("/readyz")) is not None and answer.status == 200, WITHIN_SECONDS)
    facts.show(seconds is not None, f"GET /readyz is 200, {seconds or WITHIN_SECONDS:.1f} s later")
    if seconds is None:
        print(container.logs())


def answers_over_http(facts: Facts, container: Container) -> None:
    """Check /healthz and the topology."""
    health = container.get("/healthz")
    facts.show(health is not None and health.status == 200, f"GET /healthz is {health and health.status}")
    answer = container.get("/")
    found: dict[str, Any] = json.loads(answer.body).get("cluster", {}) if answer and answer.status == 200 else {}
    facts.show(
        CLUSTER in found, f"GET / is {answer and answer.status} and has the clusters {', '.join(found) or 'none'}"
    )


def answers_over_grpc(facts: Facts, container: Container) -> None:
    """Ask as an ETIM client does."""
    address = f"127.0.0.1:{container.published(GRPC_PORT)}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            stub = server_pb2_grpc.AggregatorStub(channel)  # type: ignore[no-untyped-call] # generated, without types
            model = stub.ConnectToQuerier(server_pb2.Empty(), timeout=10)
            facts.show(len(model.nodes) == NODES, f"ConnectToQuerier has {len(model.nodes)} nodes")
        except grpc.RpcError as refused:
            facts.show(False, f"ConnectToQuerier has {NODES} nodes: {refused.code().name}")


def is_confined(facts: Facts, inside: dict[str, Any]) -> None:
    """Check what the process may do and what lies beside it."""
    print(f"       Python {inside['python']}, first process: {' '.join(inside['command'])}")
    facts.show(
        {*inside["uids"], *inside["gids"]} == {"1001"}, f"it runs as uid {inside['uids'][0]}, gid {inside['gids'][0]}"
    )
    facts.show(not any(inside["capabilities"]), "it has no capability and cannot get one")
    facts.show(inside["no_new_privileges"], "it cannot gain privileges")
    refusals: dict[str, str] = inside["refusals"]
    told = ", ".join(f"{folder} {refusal}" for folder, refusal in refusals.items())
    facts.show(set(refusals.values()) == {"EROFS"}, f"its root file system is read-only: {told}")
    tools = inside["importable"] + inside["programs"]
    facts.show(not tools, f"no pip, no compiler, no build tool is in the image: {', '.join(tools) or 'none found'}")
    source = inside["from_source"]
    facts.show(not source, f"every module that it loads is compiled: {', '.join(source[:5]) or 'none from source'}")


def ends_in_time(facts: Facts, container: Container) -> None:
    """Check that SIGTERM ends it well."""
    seconds = container.stop()
    code = container.state()["ExitCode"]
    facts.show(code == 0 and seconds < GRACE_SECONDS, f"docker stop: exit code {code} after {seconds:.1f} s")
    if code != 0:
        print(container.logs())


def without_prometheus(facts: Facts, image: str) -> None:
    """Check that the health check fits the servers that run, and speaks of life, not of readiness."""
    with running(image, image, "alone", {"PROMETHEUS_ADDRESS": NOWHERE}) as container:
        if becomes_healthy(facts, container, "no Prometheus, no port named"):
            answer = container.get("/readyz")
            facts.show(answer is not None and answer.status == 503, f"GET /readyz is {answer and answer.status}")
            is_missed_when_it_hangs(facts, container, "no Prometheus, no port named")
            ends_in_time(facts, container)
    with running(image, image, "grpc", {"PROMETHEUS_ADDRESS": NOWHERE, "GRPC_PORT": str(GRPC_PORT)}) as container:
        if becomes_healthy(facts, container, "gRPC alone"):
            facts.show(container.get("/healthz") is None, "there is no HTTP then")
            is_missed_when_it_hangs(facts, container, "gRPC alone")
            ends_in_time(facts, container)


def behind_tls(facts: Facts, image: str) -> None:
    """Check that the health check gets in where only TLS does, and where only clients with a certificate do."""
    authority = Authority()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write(folder, authority.pair(), authority.pem)
        # The container's user is another than ours.
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        for server, port in (("HTTP", HTTP_PORT), ("GRPC", GRPC_PORT)):
            tls = {f"{server}_TLS_CERT": f"{FOLDER}/cert.pem", f"{server}_TLS_KEY": f"{FOLDER}/key.pem"}
            mutual = tls | {f"{server}_TLS_CLIENT_CA": f"{FOLDER}/ca.pem"}
            for kind, files in (("tls", tls), ("mutual-tls", mutual)):
                environment = {"PROMETHEUS_ADDRESS": NOWHERE, f"{server}_PORT": str(port)} | files
                with running(image, image, f"{server.lower()}-{kind}", environment, folder) as container:
                    if becomes_healthy(facts, container, f"{server}, {kind}"):
                        is_missed_when_it_hangs(facts, container, f"{server}, {kind}")


def is_missed_when_it_hangs(facts: Facts, container: Container, what: str) -> None:
    """Check that the health check can say no."""
    with container.hanging():
        seconds = wait(lambda: container.health() == "unhealthy", WITHIN_SECONDS)
    facts.show(
        seconds is not None, f"{what}: a process that hangs is unhealthy after {seconds or WITHIN_SECONDS:.1f} s"
    )


def main(image: str) -> int:
    """Show all facts; return the exit code."""
    # Whoever ends us, Prometheus and the containers must end with us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    facts = Facts()
    what_the_image_says(facts, image)
    with (
        holding([Moment(DATA.read_text(), time.time() - 1)]) as url,
        reachable_from(image, urlsplit(url).port or 0) as prometheus,
    ):
        with_prometheus(facts, image, prometheus)
    without_prometheus(facts, image)
    behind_tls(facts, image)
    print(f"{facts.shown} facts hold, {len(facts.missing)} do not")
    return 1 if facts.missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
