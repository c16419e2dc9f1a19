"""The wheel and the sdist work without the repository: `make test-package`."""

import os
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.integration.gateway_process import GatewayProcess, wait_until
from tests.packaging.installation import ROOT, Distributions, build_distributions, install_wheel, run_command
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

STOP_TIMEOUT_SECONDS = 30.0
COMMANDS = ("agent", "diff", "doctor", "mcp", "record", "scrape", "show", "tokens", "watch")


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The distributions of this version."""
    return build_distributions(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="module")
def programs(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an installed wheel."""
    return install_wheel(distributions.wheel_of_sdist, tmp_path_factory.mktemp("installed"))


def read_wheel(path: Path) -> dict[str, bytes]:
    """Return the content of the files in a wheel by name."""
    with zipfile.ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


@contextmanager
def serve_recording(programs: Path, folder: Path) -> Iterator[GatewayProcess]:
    """Run the installed gateway with the recording of the demo."""
    settings = {
        "PROMETHEUS_ADDRESS": f"replay:{ROOT / 'demo' / 'fleet.recording'}",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "GRPC_HOST": "127.0.0.1",
        "GRPC_PORT": "0",
    }
    log_path = folder / "gateway.log"
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [programs / "aggregator"], cwd=folder, env={"PATH": os.environ["PATH"]} | settings, stdout=log, stderr=log
        ) as process,
    ):
        gateway = GatewayProcess(process, log_path)
        try:
            wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
            yield gateway
        finally:
            process.terminate()
            gateway.wait_for_exit(STOP_TIMEOUT_SECONDS)


def test_the_sdist_builds_the_same_wheel(distributions: Distributions) -> None:
    """The wheel from the sdist has the same name, files and content as the wheel from the sources."""
    assert distributions.wheel_of_sdist.name == distributions.wheel_of_sources.name
    assert read_wheel(distributions.wheel_of_sdist) == read_wheel(distributions.wheel_of_sources)


def test_the_wheel_contains_the_package(distributions: Distributions) -> None:
    """The wheel has every file of the package, the license and the notice, and nothing else."""
    files = set(read_wheel(distributions.wheel_of_sdist))
    metadata = {name for name in files if ".dist-info/" in name}
    package = {path.relative_to(ROOT) for path in (ROOT / "aggregator").rglob("*") if path.is_file()}
    assert files - metadata == {str(path) for path in package if "__pycache__" not in path.parts}
    assert {name.partition("/")[2] for name in metadata} >= {"licenses/LICENSE", "licenses/NOTICE"}


def test_the_sdist_contains_sources_and_locked_dependencies(distributions: Distributions) -> None:
    """The sdist has the package, the .proto files, the page's sources and requirements.lock, but no tests or tools."""
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"requirements.lock", "CHANGELOG.md", "NOTICE", "aggregator/__main__.py"}
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "proto").rglob("*.proto")} <= names
    assert {"ui/package-lock.json", "ui/src/main.tsx"} <= names
    assert not any("node_modules" in name for name in names)
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {"aggregator", "aggregator.egg-info", "proto", "ui"}


def test_the_installed_program_reports_its_version(programs: Path, tmp_path: Path) -> None:
    """`aggregator --version` of the installed wheel prints the version of pyproject.toml."""
    assert run_command([programs / "aggregator", "--version"], tmp_path) == f"aggregator {version('aggregator')}\n"


def test_the_help_of_the_installed_program_lists_all_commands(programs: Path, tmp_path: Path) -> None:
    """`aggregator --help` names each command and the settings."""
    help_text = run_command([programs / "aggregator", "--help"], tmp_path)
    assert set(re.findall(r"^    (\w+)  ", help_text, re.MULTILINE)) == set(COMMANDS)
    assert "PROMETHEUS_ADDRESS" in help_text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_installed_command_has_help(programs: Path, tmp_path: Path, command: str) -> None:
    """`aggregator COMMAND --help` works without the repository."""
    help_text = run_command([programs / "aggregator", command, "--help"], tmp_path)
    assert help_text.startswith(f"usage: aggregator {command}")


def test_the_installed_gateway_serves_over_http_and_grpc(programs: Path, tmp_path: Path) -> None:
    """The installed gateway serves a recorded fleet as JSON, as protobuf and to the ETIM client."""
    with serve_recording(programs, tmp_path) as gateway:
        clusters = send_request(gateway.http_port, "/").json()["cluster"]
        assert len(clusters) > 1
        assert send_request(gateway.http_port, "/docs").status == 200
        assert b'<script type="module" src="/ui/assets/' in send_request(gateway.http_port, "/ui").body
        node_ids = {node.id for node in call_method(gateway.grpc_port).model.nodes}
        assert len(node_ids) > 1
        listing = run_command([programs / "aggregator-etim-client", f"127.0.0.1:{gateway.grpc_port}"], tmp_path)
        assert all(node_id in listing for node_id in node_ids)
        tree = run_command(
            [programs / "aggregator", "show", "--url", f"http://127.0.0.1:{gateway.http_port}"], tmp_path
        )
        assert len(tree.splitlines()) > len(clusters)
