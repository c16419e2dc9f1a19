"""Runs the built image with a real Prometheus and checks it, with one line per check.

Usage: python -m tests.image.check_image RUN, where RUN is the name of the image and of the Docker network, and
RUN-example that of the image of the example service. The exit code is 1 if a check fails.
"""

import json
import signal
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

from aggregator.pb.etim import server_pb2, server_pb2_grpc
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.stack.service import ACCOUNT, run_postgres
from tests.support.certificate_authority import CertificateAuthority, write_certificate_files

from .containers import (
    DATA_PATH,
    GRACE_SECONDS,
    GRPC_PORT,
    HTTP_PORT,
    MOUNT_PATH,
    RunningContainer,
    expose_to_network,
    run_container,
    run_docker,
    run_program,
    wait_until,
)

FIXTURE_PATH = Path("tests/data/parity/ocm-two-clusters.prom")
CLUSTER = "icos-cluster-a"
NODE_COUNT = 3
CHECK_TIMEOUT_SECONDS = 30.0
COMMANDS = ("agent", "doctor", "record", "scrape", "show", "tokens")
UNREACHABLE_URL = "http://127.0.0.1:9"


class CheckReport:
    """The passed and failed checks."""

    def __init__(self) -> None:
        self.passed_count = 0
        self.failed_checks: list[str] = []

    def check(self, is_true: bool, description: str) -> None:
        """Print and record the result of one check."""
        print(f"  {'ok  ' if is_true else 'FAIL'} {description}", flush=True)
        if is_true:
            self.passed_count += 1
        else:
            self.failed_checks.append(description)


def check_image_metadata(report: CheckReport, image: str) -> None:
    """Check the metadata of the image."""
    (metadata,) = json.loads(run_docker("image", "inspect", image))
    config = metadata["Config"]
    labels: dict[str, str] = config["Labels"]
    report.check(config["User"] == "1001:1001", f"user is {config['User']}")
    report.check(
        set(config["ExposedPorts"]) == {"8080/tcp", "8181/tcp"},
        f"exposed ports are {', '.join(config['ExposedPorts'])}",
    )
    report.check(
        config["Entrypoint"] == ["python", "-m", "aggregator"],
        f"entry point is {config['Entrypoint']}, without a shell",
    )
    report.check(config.get("StopSignal") == "SIGTERM", f"stop signal is {config.get('StopSignal')}")
    license_label = labels.get("org.opencontainers.image.licenses")
    report.check(license_label == "Apache-2.0", f"license label is {license_label}")
    print(f"       size {metadata['Size'] / 1e6:.0f} MB, base {labels.get('org.opencontainers.image.base.name')}")


def check_with_prometheus(report: CheckReport, image: str, prometheus: str) -> None:
    """Check a gateway with both servers and a Prometheus with data."""
    environment = {"PROMETHEUS_ADDRESS": prometheus, "HTTP_PORT": str(HTTP_PORT), "GRPC_PORT": str(GRPC_PORT)}
    with run_container(image, image, "both", environment) as container:
        if not check_becomes_healthy(report, container, "HTTP and gRPC"):
            return
        check_becomes_ready(report, container)
        check_http(report, container)
        check_page(report, container)
        check_grpc(report, container)
        check_confinement(report, container.run_python(Path("tests/image/container_probe.py").read_text()))
        check_stop(report, container)


def check_becomes_healthy(report: CheckReport, container: RunningContainer, what: str) -> bool:
    """Wait for the health check of the image; return whether the container is healthy."""
    seconds = wait_until(lambda: container.read_health() != "starting", CHECK_TIMEOUT_SECONDS)
    health = container.read_health()
    report.check(health == "healthy", f"{what}: {health} after {seconds or CHECK_TIMEOUT_SECONDS:.1f} s")
    if health != "healthy":
        print(container.read_logs())
    return health == "healthy"


def check_becomes_ready(report: CheckReport, container: RunningContainer) -> None:
    """Wait until /readyz returns 200, which needs Prometheus."""
    seconds = wait_until(
        lambda: (response := container.get("/readyz")) is not None and response.status == 200, CHECK_TIMEOUT_SECONDS
    )
    report.check(seconds is not None, f"GET /readyz is 200 after {seconds or CHECK_TIMEOUT_SECONDS:.1f} s")
    if seconds is None:
        print(container.read_logs())


def check_http(report: CheckReport, container: RunningContainer) -> None:
    """Check /healthz and the topology."""
    health = container.get("/healthz")
    report.check(health is not None and health.status == 200, f"GET /healthz is {health and health.status}")
    response = container.get("/")
    clusters: dict[str, Any] = (
        json.loads(response.body).get("cluster", {}) if response and response.status == 200 else {}
    )
    report.check(
        CLUSTER in clusters,
        f"GET / is {response and response.status} and has the clusters {', '.join(clusters) or 'none'}",
    )


def check_page(report: CheckReport, container: RunningContainer) -> None:
    """Check that the image has the web page."""
    response = container.get("/ui")
    has_script = response is not None and b'<script type="module" src="/ui/assets/' in response.body
    report.check(has_script, f"GET /ui is {response and response.status} and has the web page")


def check_grpc(report: CheckReport, container: RunningContainer) -> None:
    """Check the response to an ETIM client."""
    address = f"127.0.0.1:{container.get_published_port(GRPC_PORT)}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            stub = server_pb2_grpc.AggregatorStub(channel)  # type: ignore[no-untyped-call] # generated, without types
            model = stub.ConnectToQuerier(server_pb2.Empty(), timeout=10)
            report.check(len(model.nodes) == NODE_COUNT, f"ConnectToQuerier has {len(model.nodes)} nodes")
        except grpc.RpcError as error:
            report.check(False, f"ConnectToQuerier has {NODE_COUNT} nodes: {error.code().name}")


def check_confinement(report: CheckReport, process_info: dict[str, Any]) -> None:
    """Check the privileges of the process and the contents of the image."""
    print(f"       Python {process_info['python']}, first process: {' '.join(process_info['command'])}")
    report.check(
        {*process_info["uids"], *process_info["gids"]} == {"1001"},
        f"UID {process_info['uids'][0]}, GID {process_info['gids'][0]}",
    )
    report.check(not any(process_info["capabilities"]), "no capabilities")
    report.check(process_info["no_new_privileges"], "no new privileges")
    write_errors: dict[str, str] = process_info["write_errors"]
    write_errors_text = ", ".join(f"{folder} {error_name}" for folder, error_name in write_errors.items())
    report.check(set(write_errors.values()) == {"EROFS"}, f"the root file system is read-only: {write_errors_text}")
    tools = process_info["importable"] + process_info["programs"]
    report.check(not tools, f"no pip, compiler or build tool in the image: {', '.join(tools) or 'none found'}")
    source = process_info["from_source"]
    report.check(not source, f"all loaded modules are compiled: {', '.join(source[:5]) or 'none from source'}")


def check_stop(report: CheckReport, container: RunningContainer) -> None:
    """Check that SIGTERM ends the container with exit code 0 within the grace period."""
    seconds = container.stop()
    code = container.inspect_state()["ExitCode"]
    report.check(code == 0 and seconds < GRACE_SECONDS, f"docker stop: exit code {code} after {seconds:.1f} s")
    if code != 0:
        print(container.read_logs())


def check_without_prometheus(report: CheckReport, image: str) -> None:
    """Check that the health check uses a running server and does not depend on readiness."""
    with run_container(image, image, "alone", {"PROMETHEUS_ADDRESS": UNREACHABLE_URL}) as container:
        if check_becomes_healthy(report, container, "no Prometheus, default ports"):
            response = container.get("/readyz")
            report.check(
                response is not None and response.status == 503, f"GET /readyz is {response and response.status}"
            )
            check_hang_detection(report, container, "no Prometheus, default ports")
            check_stop(report, container)
    with run_container(
        image, image, "grpc", {"PROMETHEUS_ADDRESS": UNREACHABLE_URL, "GRPC_PORT": str(GRPC_PORT)}
    ) as container:
        if check_becomes_healthy(report, container, "gRPC only"):
            report.check(container.get("/healthz") is None, "gRPC only: no HTTP server")
            check_hang_detection(report, container, "gRPC only")
            check_stop(report, container)


def check_commands(report: CheckReport, image: str) -> None:
    """Check that every command of the program is in the image, and that the version is that of the sources."""
    version_text = run_program(image, "--version")
    report.check(version_text == f"aggregator {version('aggregator')}", f"--version prints {version_text}")
    for command in COMMANDS:
        usage = run_program(image, command, "--help").partition("\n")[0]
        report.check(usage.startswith(f"usage: aggregator {command} "), f"{command} --help prints {usage[:40]} …")


def check_agent_and_scrape_server(report: CheckReport, image: str) -> None:
    """Check that an agent of the image registers at a scrape server of the image, which lists it as a target."""
    scrape_settings = {
        "AGENTS_FILE": f"{DATA_PATH}/agents.yaml",
        "REGISTRY_FILE": f"{DATA_PATH}/registry.sqlite",
        "KUBERNETES": "off",
    }
    command = ["scrape", "--port", str(HTTP_PORT)]
    with run_container(image, image, "scrape", scrape_settings, command=command) as scrape_server:
        agent_settings = {
            "AGENT_HOST": "0.0.0.0",  # noqa: S104 - in a network of this run
            "AGENT_OPEN": "yes",
            "AGENT_PORT": str(HTTP_PORT),
            "MASTER": f"{scrape_server.get_address()}:{HTTP_PORT}",
            "NODE_NAME": "image-test",
            "REPORT_INTERVAL": "1",
        }
        with run_container(image, image, "agent", agent_settings, command=["agent"]) as agent:
            check_serves(report, agent, "agent", "/metrics", "docker_engine_up")
            check_serves(report, scrape_server, "scrape server", "/scrape?nodes=", 'node="image-test"')
            check_serves(report, scrape_server, "scrape server", "/sd/agents", f"{agent.get_address()}:{HTTP_PORT}")
            check_stop(report, agent)
            check_stop(report, scrape_server)


def check_serves(report: CheckReport, container: RunningContainer, name: str, path: str, text: str) -> None:
    """Wait until a path of a container returns 200 and contains a text."""

    def contains_text() -> bool:
        response = container.get(path)
        return response is not None and response.status == 200 and text in response.body.decode()

    seconds = wait_until(contains_text, CHECK_TIMEOUT_SECONDS)
    report.check(seconds is not None, f"{name}: GET {path} contains {text}")
    if seconds is None:
        print(container.read_logs())


def check_example_service(report: CheckReport, image: str, network: str) -> None:
    """Check the image of the example service with a PostgreSQL, and that it exits with a message without settings."""
    with run_postgres() as postgres, expose_to_network(network, postgres.port) as url:
        database = urlsplit(url)
        environment = {
            "REST_API_HOST": "0.0.0.0",  # noqa: S104 - in a network of this run
            "REST_API_PORT": str(HTTP_PORT),
            "POSTGRES_HOST": str(database.hostname),
            "POSTGRES_PORT": str(database.port),
            "POSTGRES_DB": ACCOUNT.database,
            "POSTGRES_USER": ACCOUNT.user,
            "POSTGRES_PASSWORD": ACCOUNT.password,
        }
        with run_container(image, network, "example", environment) as container:
            check_serves(report, container, "example service", "/dni/12345678A", "DNI found")
            check_serves(report, container, "example service", "/metrics", "rest_api_dni_found_total 1.0")
            check_stop(report, container)
    try:
        run_program(image)
    except RuntimeError as error:
        report.check("POSTGRES_PASSWORD is missing" in str(error), f"example service without settings: {error}")
    else:
        report.check(False, "example service without settings exits with a message")


def check_tls(report: CheckReport, image: str) -> None:
    """Check that the health check works with TLS and with mutual TLS."""
    authority = CertificateAuthority()
    with tempfile.TemporaryDirectory() as temporary_folder:
        folder = Path(temporary_folder)
        write_certificate_files(folder, authority.issue(), authority.pem)
        # The user of the container is another one.
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755)
        for server, port in (("HTTP", HTTP_PORT), ("GRPC", GRPC_PORT)):
            tls = {f"{server}_TLS_CERT": f"{MOUNT_PATH}/cert.pem", f"{server}_TLS_KEY": f"{MOUNT_PATH}/key.pem"}
            mutual = tls | {f"{server}_TLS_CLIENT_CA": f"{MOUNT_PATH}/ca.pem"}
            for kind, files in (("tls", tls), ("mutual-tls", mutual)):
                environment = {"PROMETHEUS_ADDRESS": UNREACHABLE_URL, f"{server}_PORT": str(port)} | files
                with run_container(image, image, f"{server.lower()}-{kind}", environment, folder) as container:
                    if check_becomes_healthy(report, container, f"{server}, {kind}"):
                        check_hang_detection(report, container, f"{server}, {kind}")


def check_hang_detection(report: CheckReport, container: RunningContainer, what: str) -> None:
    """Check that the health check detects a suspended process."""
    with container.pause():
        seconds = wait_until(lambda: container.read_health() == "unhealthy", CHECK_TIMEOUT_SECONDS)
    report.check(seconds is not None, f"{what}: unhealthy {seconds or CHECK_TIMEOUT_SECONDS:.1f} s after suspension")


def main(image: str) -> int:
    """Run all checks; return the exit code."""
    # SIGTERM must also stop Prometheus and the containers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = CheckReport()
    check_image_metadata(report, image)
    check_commands(report, image)
    with (
        run_prometheus_with_data([ScrapedExposition(FIXTURE_PATH.read_text(), time.time() - 1)]) as url,
        expose_to_network(image, urlsplit(url).port or 0) as prometheus,
    ):
        check_with_prometheus(report, image, prometheus)
    check_without_prometheus(report, image)
    check_agent_and_scrape_server(report, image)
    check_example_service(report, f"{image}-example", image)
    check_tls(report, image)
    print(f"{report.passed_count} checks passed, {len(report.failed_checks)} failed")
    return 1 if report.failed_checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
