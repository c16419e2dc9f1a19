"""The Keycloak distribution, fetched with Maven, verified, unpacked and built once in a cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from demo.cache import find_cache_folder
from demo.debian_packages import update_package_lists

VERSION = "26.7.3"
SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
# Favors a fast start over peak performance.
FAST_START_JVM_OPTION = "-XX:TieredStopAtLevel=1"
# Seconds for which apt-get waits while another process installs something.
WAIT_FOR_OTHER_INSTALLATIONS = ("-o", "DPkg::Lock::Timeout=300")

ReportProgress = Callable[[str], None]


class KeycloakMissingError(Exception):
    """Keycloak is missing and cannot be installed; the message says what to do."""


def obtain_keycloak(report: ReportProgress = lambda _text: None) -> Path:
    """Return the folder of a built Keycloak; build it first if it is not in the cache."""
    base = find_cache_folder() / "keycloak"
    home = base / VERSION
    _ensure_command("java", "openjdk-17-jre-headless", report)
    if not (home / "built").exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as work:
            built_home = _build_keycloak(
                _unpack_archive(_fetch_archive(Path(work), report), Path(work) / "keycloak"), report
            )
            # Replace an incomplete folder.
            shutil.rmtree(home, ignore_errors=True)
            built_home.rename(home)
    return home


def _ensure_command(command: str, package: str, report: ReportProgress) -> None:
    """Install a command with apt-get if it is missing and the process is root."""
    if shutil.which(command):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise KeycloakMissingError(f"{command} is missing; install it (Debian and Ubuntu: apt-get install {package})")
    report(f"installing {package} with apt-get")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *WAIT_FOR_OTHER_INSTALLATIONS, package]
    if subprocess.run(install, capture_output=True, check=False).returncode != 0:
        update_package_lists(report)
        completed = subprocess.run(install, capture_output=True, text=True, check=False)
        if completed.returncode != 0:
            raise KeycloakMissingError(f"apt-get could not install {package}: {completed.stderr.strip()[-300:]}")


def _fetch_archive(work: Path, report: ReportProgress) -> Path:
    _ensure_command("mvn", "maven", report)
    report(f"fetching Keycloak {VERSION} with Maven (once; it is kept in the cache)")
    command = ["mvn", "-B", "-ntp", "-q", COPY_GOAL, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={work}"]
    completed = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    archives = list(work.glob("*.tar.gz"))
    if completed.returncode != 0 or len(archives) != 1:
        raise KeycloakMissingError(f"Maven could not fetch {ARTIFACT}: {completed.stdout.strip()[-500:]}")
    with archives[0].open("rb") as archive:
        digest = hashlib.file_digest(archive, "sha256").hexdigest()
    if digest != SHA256:
        raise KeycloakMissingError(f"verify {ARTIFACT}: expected SHA-256 {SHA256}, got {digest}")
    return archives[0]


def _unpack_archive(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "xzf", str(archive), "-C", str(folder), "--strip-components=1"], check=True)
    return folder


def _build_keycloak(home: Path, report: ReportProgress) -> Path:
    report("building Keycloak (once)")
    environment = {**os.environ, "JAVA_OPTS_APPEND": FAST_START_JVM_OPTION}
    command = [str(home / "bin" / "kc.sh"), "build", "--db=dev-mem"]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise KeycloakMissingError(f"Keycloak could not be built: {completed.stdout.strip()[-500:]}")
    (home / "built").touch()
    return home


if __name__ == "__main__":
    try:
        print(obtain_keycloak(print))
    except KeycloakMissingError as missing:
        sys.exit(str(missing))
