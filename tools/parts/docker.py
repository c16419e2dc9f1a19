"""Obtains Docker Engines for tests: 20.10 as Debian packages that are unpacked, 29 built from source."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo.debian_packages import build_library_path, obtain_cached_packages
from tools.parts.go_module import GoModule, LogProgress

ENGINE_29 = GoModule("docker-engine", "github.com/moby/moby/v2")
VERSIONS = ("20.10", "29")
# The libraries are those that a minimal Debian lacks.
DEBIAN_PACKAGES = ("docker.io", "containerd", "runc", "busybox-static", "libdevmapper1.02.1", "libseccomp2")
_MOBY = "github.com/moby/moby/v2"
_CONTAINERD = "github.com/containerd/containerd/v2"


@dataclass(frozen=True)
class EnginePrograms:
    """An Engine: folders for PATH, the variables that its programs need, and options of dockerd."""

    version: str
    folders: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def select_versions(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the versions to test: those of DOCKER_ENGINES, otherwise all that this machine can run."""
    chosen = environment.get("DOCKER_ENGINES", "").replace(",", " ").split()
    return tuple(chosen) if chosen else VERSIONS if shutil.which("go") else VERSIONS[:1]


def obtain_engine(version: str, log_progress: LogProgress = lambda _text: None) -> EnginePrograms:
    """Return the programs of a version from the cache; download or build them first if necessary."""
    if version != VERSIONS[1]:
        root = _obtain_packages(log_progress)
        environment = {"LD_LIBRARY_PATH": build_library_path(root)}
        return EnginePrograms(version, (root / "usr/sbin", root / "usr/bin"), environment)
    # It is built without libseccomp.
    return EnginePrograms(version, (_build_engine(log_progress),), options=("--seccomp-profile=unconfined",))


def find_busybox() -> Path:
    """Return the busybox of the packages, for images."""
    return _obtain_packages(lambda _text: None) / "bin/busybox"


def _obtain_packages(log_progress: LogProgress) -> Path:
    return obtain_cached_packages("docker-engine-debian", lambda: DEBIAN_PACKAGES, log_progress)


def _build_engine(log_progress: LogProgress) -> Path:
    def build_all(out: Path) -> None:
        log_progress(f"building {ENGINE_29.name} {ENGINE_29.version} (once; the result is cached)")
        version = {f"{_MOBY}/dockerversion.Version": "29.0.0-dev"}
        tags = ("-tags=exclude_disk_quota",)
        ENGINE_29.build_program(out / "dockerd", f"{_MOBY}/cmd/dockerd", version, log_progress, tags)
        for name in ("containerd", "containerd-shim-runc-v2"):
            ENGINE_29.build_program(out / name, f"{_CONTAINERD}/cmd/{name}", {}, log_progress)
        # It enters the namespaces of a container in C.
        ENGINE_29.build_program(out / "runc", "github.com/opencontainers/runc", {}, log_progress, uses_c=True)

    return ENGINE_29.obtain_programs(build_all)
