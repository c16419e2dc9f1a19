"""Builds the distributions from a copy of the checkout, and installs a wheel as a user would."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_SECONDS = 300.0
# What `python -m build` reads. A copy keeps files of the build out of the checkout.
BUILD_INPUTS = (
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "NOTICE",
    "README.md",
    "aggregator",
    "proto",
    "pyproject.toml",
    "requirements.lock",
    "ui",
)


def run_command(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Return the output of a command; fail with all of its output if it fails.

    The command does not find the checkout: no PYTHONPATH, and `folder` as the working directory.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | variables
    completed = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 0, f"{command}: {completed.stdout}{completed.stderr}"
    return completed.stdout


@dataclass(frozen=True)
class Distributions:
    """The sdist, the wheel that it builds, and the wheel that the sources build."""

    sdist: Path
    wheel_of_sdist: Path
    wheel_of_sources: Path


def build_distributions(folder: Path) -> Distributions:
    """Build from a copy of the checkout, with the locked build backend."""
    sources = folder / "sources"
    sources.mkdir()
    for name in BUILD_INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(ROOT / name, sources)
    # setuptools adds files named test*.py in a folder named tests by itself.
    (sources / "tests").mkdir()
    (sources / "tests" / "test_errors.py").touch()
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    # Without an option, `build` makes the sdist, unpacks it and builds the wheel from it.
    run_command([*build, folder / "sdist", sources], folder)
    run_command([*build, folder / "wheel", "--wheel", sources], folder)
    (sdist,) = (folder / "sdist").glob("*.tar.gz")
    (wheel_of_sdist,) = (folder / "sdist").glob("*.whl")
    (wheel_of_sources,) = (folder / "wheel").glob("*.whl")
    return Distributions(sdist, wheel_of_sdist, wheel_of_sources)


def install_wheel(wheel: Path, folder: Path) -> Path:
    """Install the locked dependencies and a wheel into a new virtual environment; return its folder of programs."""
    venv.create(folder, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "--quiet", "--no-compile"]
    locked = ["--require-hashes", "--only-binary=:all:", "--requirement", str(ROOT / "requirements.lock")]
    run_command([*install, *locked], folder)
    run_command([*install, "--no-index", "--no-deps", str(wheel)], folder)
    run_command([*pip, "check"], folder)
    return folder / "bin"
