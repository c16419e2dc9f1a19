"""Thanos, Prometheus 3 and its promtool, built from source in the versions that go/go.mod pins.

python -m tools.parts.thanos builds them, where they are not in the cache, and prints where they are. The first time
that takes some minutes and 3 GB of Go's own caches; then nothing is built again until a version changes.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MODULE = Path(__file__).parent / "go"
VERSION_VARIABLE = "github.com/prometheus/common/version.Version"
# Oldest Go that can fetch the toolchain that go.mod asks for by itself.
OLDEST_GO = (1, 21)

Tell = Callable[[str], None]


class PartsMissingError(Exception):
    """The programs cannot be built here; the text says what is missing."""


@dataclass(frozen=True)
class Parts:
    """Where the programs are."""

    thanos: Path
    prometheus: Path
    promtool: Path


def obtain(tell: Tell = lambda _text: None) -> Parts:
    """Return the programs from the cache, built first if need be."""
    folder = _cache_folder()
    parts = Parts(folder / "thanos", folder / "prometheus", folder / "promtool")
    if not parts.promtool.exists():
        _check_go()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            _build(Path(work), tell)
            # A second process may have been faster: both hold the same files, and the rename is whole or nothing.
            with contextlib.suppress(OSError):
                (Path(work) / "out").rename(folder)
    return parts


def version(module: str) -> str:
    """Return the version of a module that go.mod pins, with its v."""
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"go.mod does not require {module}")
    return found[1]


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "aggregator" / f"thanos-{version('github.com/thanos-io/thanos')}"


def _check_go() -> None:
    text = _go_output("version") if shutil.which("go") else ""
    found = re.search(r"go(\d+)\.(\d+)", text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        has = f"this machine has {found[0]}" if found else "this machine has none on PATH"
        raise PartsMissingError(
            f"Thanos and Prometheus 3 are built from source, which needs Go {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer, "
            f"and {has}. A distribution's own package may be older than that"
        )


def _build(work: Path, tell: Tell) -> None:
    out = work / "out"
    out.mkdir()
    tell("building Thanos and Prometheus 3 (once; they are kept in the cache)")
    lean, prometheus_version = _without_discovery(work)
    # Without slicelabels Thanos builds all the same, and then panics on the first call of its API.
    thanos = version("github.com/thanos-io/thanos").removeprefix("v")
    _build_one(out / "thanos", "github.com/thanos-io/thanos/cmd/thanos", thanos, ("-tags=slicelabels",), tell)
    for name in ("prometheus", "promtool"):
        package = f"github.com/prometheus/prometheus/cmd/{name}"
        _build_one(out / name, package, prometheus_version, (f"-modfile={lean}",), tell)


def _without_discovery(work: Path) -> tuple[Path, str]:
    """Return a go.mod whose Prometheus lacks the discovery of clouds, most of what it is built from; and its version.

    That needs a copy of the module without the one generated file that lists them.
    """
    module = "github.com/prometheus/prometheus"
    _go("mod", "download", module)
    source = Path(_go_output("list", "-m", "-f", "{{.Dir}}", module).strip())
    copy = work / "prometheus"
    shutil.copytree(source, copy)
    # What Go downloads is read-only.
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    (copy / "plugins" / "plugins.go").unlink()
    lean = work / "lean.mod"
    shutil.copy(MODULE / "go.mod", lean)
    shutil.copy(MODULE / "go.sum", work / "lean.sum")
    _go("mod", "edit", f"-replace={module}={copy}", str(lean))
    return lean, (copy / "VERSION").read_text(encoding="utf-8").strip()


def _build_one(binary: Path, package: str, shown_version: str, flags: tuple[str, ...], tell: Tell) -> None:
    began = time.monotonic()
    linking = f"-s -w -X {VERSION_VARIABLE}={shown_version}"
    _go("build", "-trimpath", "-buildvcs=false", f"-ldflags={linking}", *flags, f"-o={binary}", package)
    tell(f"  {binary.name} {shown_version}: {time.monotonic() - began:.0f} s")


def _go(*arguments: str) -> None:
    done = subprocess.run(
        ["go", *arguments], cwd=MODULE, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise PartsMissingError(f"go {arguments[0]}: {done.stderr.strip()[-1000:]}")


def _go_output(*arguments: str) -> str:
    done = subprocess.run(
        ["go", *arguments], cwd=MODULE, env=_environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


def _environment() -> dict[str, str]:
    # As their own releases are built; it makes the programs independent of this system's libraries.
    return {**os.environ, "CGO_ENABLED": "0"}


def main() -> None:
    """Print where the programs are."""
    try:
        parts = obtain(print)
    except PartsMissingError as missing:
        sys.exit(str(missing))
    print(parts.thanos.parent)


if __name__ == "__main__":
    main()
