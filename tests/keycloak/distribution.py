"""Keycloak's published distribution: fetched by its Maven coordinates, checked, unpacked and built once, in a cache."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

VERSION = "26.7.3"
SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
# Quick to start rather than quick to run.
QUICK_JAVA = "-XX:TieredStopAtLevel=1"

Tell = Callable[[str], None]


class KeycloakMissingError(Exception):
    """There is no Keycloak and it could not be had; the text says what to do."""


def obtain(tell: Tell = lambda _text: None) -> Path:
    """Return the folder of a Keycloak that is ready to start."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aggregator" / "keycloak"
    home = base / VERSION
    _need("java", "openjdk-17-jre-headless", tell)
    if not (home / "built").exists():
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base) as work:
            made = _built(_unpacked(_fetched(Path(work), tell), Path(work) / "keycloak"), tell)
            # A folder that is not whole is of no use to anyone.
            shutil.rmtree(home, ignore_errors=True)
            made.rename(home)
    return home


def _need(command: str, package: str, tell: Tell) -> None:
    """Have a command, installed by the system's package manager where we may."""
    if shutil.which(command):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise KeycloakMissingError(f"{command} is missing; install it (Debian and Ubuntu: apt-get install {package})")
    tell(f"installing {package} with apt-get")
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    if subprocess.run(install, capture_output=True, check=False).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KeycloakMissingError(f"apt-get could not install {package}: {done.stderr.strip()[-300:]}")


def _fetched(work: Path, tell: Tell) -> Path:
    _need("mvn", "maven", tell)
    tell(f"fetching Keycloak {VERSION} with Maven (once; it is kept in the cache)")
    command = ["mvn", "-B", "-ntp", "-q", COPY, f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={work}"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    archives = list(work.glob("*.tar.gz"))
    if done.returncode != 0 or len(archives) != 1:
        raise KeycloakMissingError(f"Maven could not fetch {ARTIFACT}: {done.stdout.strip()[-500:]}")
    with archives[0].open("rb") as archive:
        found = hashlib.file_digest(archive, "sha256").hexdigest()
    if found != SHA256:
        raise KeycloakMissingError(f"{ARTIFACT} has the SHA-256 {found}, not the one that is expected")
    return archives[0]


def _unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run(["tar", "xzf", str(archive), "-C", str(folder), "--strip-components=1"], check=True)
    return folder


def _built(home: Path, tell: Tell) -> Path:
    tell("building it (once)")
    environment = {**os.environ, "JAVA_OPTS_APPEND": QUICK_JAVA}
    command = [str(home / "bin" / "kc.sh"), "build", "--db=dev-mem"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KeycloakMissingError(f"Keycloak could not be built: {done.stdout.strip()[-500:]}")
    (home / "built").touch()
    return home


if __name__ == "__main__":
    try:
        print(obtain(print))
    except KeycloakMissingError as missing:
        sys.exit(str(missing))
