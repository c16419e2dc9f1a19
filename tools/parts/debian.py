"""Obtains systemd and Podman for tests: Debian or Ubuntu packages that are unpacked and not installed."""

from pathlib import Path

from demo.debian_packages import find_missing_libraries, obtain_cached_packages
from tools.parts.go_module import LogProgress

SYSTEMD_PACKAGES = ("systemd",)
# Besides Podman: the parent and the runtime of containers, the settings, and the programs for users other than root.
PODMAN_PACKAGES = (
    "podman",
    "conmon",
    "crun",
    "golang-github-containers-common",
    "golang-github-containers-image",
    "uidmap",
)


def obtain_systemd(log_progress: LogProgress = lambda _text: None) -> Path:
    """Return the folder with the unpacked packages of systemd from the cache; download them first if necessary."""
    return _obtain("systemd", SYSTEMD_PACKAGES, log_progress)


def obtain_podman(log_progress: LogProgress = lambda _text: None) -> Path:
    """Return the folder with the unpacked packages of Podman from the cache; download them first if necessary."""
    return _obtain("podman", PODMAN_PACKAGES, log_progress)


def _obtain(name: str, packages: tuple[str, ...], log_progress: LogProgress) -> Path:
    return obtain_cached_packages(
        f"{name}-debian", lambda: [*packages, *find_missing_libraries(packages, log_progress)], log_progress
    )
