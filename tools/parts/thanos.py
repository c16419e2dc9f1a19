"""Builds Thanos, Prometheus 3 and promtool from source, in the versions of go/thanos/go.mod.

`python -m tools.parts.thanos` builds the binaries if they are not in the cache, and prints their folder. The first
build takes some minutes and 3 GB in the caches of Go; later builds are necessary only for new versions.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.parts.go_module import BuildError, GoModule, LogProgress

MODULE = GoModule("thanos", "github.com/thanos-io/thanos", "kubernetes-discovery")
VERSION_VARIABLE = "github.com/prometheus/common/version.Version"
# Replaces the generated file that imports all service discoveries, which are most of the dependencies of Prometheus.
PLUGINS_SOURCE = """package plugins

import _ "github.com/prometheus/prometheus/discovery/kubernetes"
"""


@dataclass(frozen=True)
class ThanosBinaries:
    """The paths of the binaries."""

    thanos: Path
    prometheus: Path
    promtool: Path


def obtain_thanos_binaries(log_progress: LogProgress = lambda _text: None) -> ThanosBinaries:
    """Return the binaries from the cache; build them first if necessary."""
    folder = MODULE.obtain_programs(lambda out: _build_binaries(out, log_progress))
    return ThanosBinaries(folder / "thanos", folder / "prometheus", folder / "promtool")


def _build_binaries(out: Path, log_progress: LogProgress) -> None:
    log_progress("building Thanos and Prometheus 3 (once; the result is cached)")
    modfile, prometheus_version = _write_lean_modfile(out.parent)
    # Without the tag slicelabels, Thanos builds as well, but panics on the first API call.
    thanos_version = {VERSION_VARIABLE: MODULE.version.removeprefix("v")}
    package = "github.com/thanos-io/thanos/cmd/thanos"
    MODULE.build_program(out / "thanos", package, thanos_version, log_progress, ("-tags=slicelabels",))
    for name in ("prometheus", "promtool"):
        package = f"github.com/prometheus/prometheus/cmd/{name}"
        version = {VERSION_VARIABLE: prometheus_version}
        MODULE.build_program(out / name, package, version, log_progress, (f"-modfile={modfile}",))


def _write_lean_modfile(work: Path) -> tuple[Path, str]:
    """Return a go.mod for a Prometheus whose only service discovery is that of Kubernetes, and its version.

    It uses a copy of the module of Prometheus with other plugins.
    """
    module = "github.com/prometheus/prometheus"
    MODULE.run_go("mod", "download", module)
    source = Path(MODULE.run_go("list", "-m", "-f", "{{.Dir}}", module).strip())
    copy = work / "prometheus"
    shutil.copytree(source, copy)
    # Modules downloaded by Go are read-only.
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    (copy / "plugins" / "plugins.go").write_text(PLUGINS_SOURCE, encoding="utf-8")
    modfile = work / "lean.mod"
    shutil.copy(MODULE.path / "go.mod", modfile)
    shutil.copy(MODULE.path / "go.sum", work / "lean.sum")
    MODULE.run_go("mod", "edit", f"-replace={module}={copy}", str(modfile))
    return modfile, (copy / "VERSION").read_text(encoding="utf-8").strip()


def main() -> None:
    """Obtain the binaries and print their folder."""
    try:
        binaries = obtain_thanos_binaries(print)
    except BuildError as error:
        sys.exit(str(error))
    print(binaries.thanos.parent)


if __name__ == "__main__":
    main()
