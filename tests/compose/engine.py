"""A Docker Engine with the images of the compose file, and Docker Compose with it."""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from demo.processes import PROJECT
from tests.compose.images import ENVIRONMENT, IMAGE_CONFIGS, RootFolder
from tests.docker.engines import LiveEngine
from tools.parts.compose import obtain_compose
from tools.parts.docker import obtain_engine

# The oldest that is tested, and one that needs no build.
ENGINE_VERSION = "20.10"
COMPOSE_FILE = PROJECT / "deploy" / "compose" / "compose.yaml"
BASE_IMAGE = "local/base:1"
COMMAND_TIMEOUT_SECONDS = 300.0
# Where the agent in the compose file expects the socket; tests/kubernetes/isolate.sh gives it a folder of its own.
RUN_FOLDER = Path("/run")


def run_stack_compose(
    folder: Path, variables: Mapping[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run Docker Compose on the file of the whole stack, with .env.example and these variables."""
    example = (COMPOSE_FILE.parent / ".env.example").read_text(encoding="utf-8")
    return run_compose(COMPOSE_FILE, folder, variables, *arguments, example=example)


def run_compose(
    compose_file: Path, folder: Path, variables: Mapping[str, str], *arguments: str, example: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run Docker Compose on a file, with these variables after those of an example."""
    env_file = folder / ".env"
    lines = [f"{name}={value}" for name, value in variables.items()]
    env_file.write_text("\n".join([example, *lines]), encoding="utf-8")
    command = [str(obtain_compose(print)), "-f", str(compose_file), "--env-file", str(env_file), *arguments]
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{RUN_FOLDER}/docker.sock"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False
    )


@dataclass(frozen=True)
class DockerCommand:
    """The docker command of an Engine."""

    engine: LiveEngine

    def run(self, *arguments: str, content: str | None = None, stdin: int | None = None) -> str:
        """Return the output of a command; raise AssertionError with its errors if it fails."""
        folder = self.engine.programs.folders[-1]
        environment = {
            **os.environ,
            **self.engine.programs.environment,
            "DOCKER_HOST": f"unix://{self.engine.socket_path}",
            "DOCKER_BUILDKIT": "0",
        }
        completed = subprocess.run(
            [str(folder / "docker"), *arguments],
            env=environment,
            input=content,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        assert completed.returncode == 0, f"docker {arguments[0]}: {completed.stderr[-1000:]}"
        return completed.stdout


@contextlib.contextmanager
def run_engine_with_images(folder: Path) -> Iterator[DockerCommand]:
    """Run an Engine that has the images of all services but Grafana."""
    root = RootFolder(folder / "root")
    root.write()
    engine = LiveEngine(obtain_engine(ENGINE_VERSION), RUN_FOLDER)
    docker = DockerCommand(engine)
    try:
        engine.start()
        _import_base(docker, root.path)
        services = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))["services"]
        for name, config in IMAGE_CONFIGS.items():
            docker.run("build", "--tag", services[name]["image"], "-", content=config.render_dockerfile(BASE_IMAGE))
        yield docker
    finally:
        engine.stop()


def _import_base(docker: DockerCommand, root: Path) -> None:
    variables = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        docker.run("import", "--change", f"ENV {variables}", "-", BASE_IMAGE, stdin=tar.stdout.fileno())
