"""Obtains the programs of a one-node Kubernetes, of the exporters in it, and of fake nodes.

The container runtime and busybox are Debian packages that are unpacked and not installed. All others are built from
source, in the versions of the modules in go/.

`python -m tools.parts.kubernetes` obtains what is not in the cache. The first build takes some minutes and 4 GB in the
caches of Go; later builds are necessary only for new versions.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.debian_packages import PackageError, obtain_cached_packages
from tools.parts.go_module import BuildError, GoModule, LogProgress

KUBERNETES = GoModule("kubernetes", "k8s.io/kubernetes")
ETCD = GoModule("etcd", "go.etcd.io/etcd/server/v3")
KUBE_STATE_METRICS = GoModule("kube-state-metrics", "k8s.io/kube-state-metrics/v2")
KWOK = GoModule("kwok", "sigs.k8s.io/kwok")
NODE_EXPORTER = GoModule("node-exporter", "github.com/prometheus/node_exporter")
# Of kwok, beside the program.
STAGES_FILE = "stages.yaml"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")

# containerd is the container runtime of the kubelet; the plugins connect pods to the network.
RUNTIME_PACKAGES = ("containerd", "runc", "containernetworking-plugins", "busybox-static")


@dataclass(frozen=True)
class KubernetesPrograms:
    """The folders of the programs; `runtime` is the root of the unpacked packages."""

    kubernetes: Path
    etcd: Path
    kube_state_metrics: Path
    node_exporter: Path
    kwok: Path
    runtime: Path


def obtain_kubernetes_programs(log_progress: LogProgress = lambda _text: None) -> KubernetesPrograms:
    """Return the programs from the cache; build or download them first if necessary."""
    common_version = "github.com/prometheus/common/version.Version"
    return KubernetesPrograms(
        runtime=obtain_cached_packages("container-runtime", lambda: RUNTIME_PACKAGES, log_progress),
        etcd=_build(ETCD, {"etcd": ETCD.main}, {}, log_progress),
        node_exporter=_build(
            NODE_EXPORTER,
            {"node_exporter": NODE_EXPORTER.main},
            {common_version: NODE_EXPORTER.version.removeprefix("v")},
            log_progress,
        ),
        kwok=_build_kwok(log_progress),
        kube_state_metrics=_build(
            KUBE_STATE_METRICS,
            {"kube-state-metrics": KUBE_STATE_METRICS.main},
            {common_version: KUBE_STATE_METRICS.version},
            log_progress,
        ),
        kubernetes=_build(
            KUBERNETES,
            {name: f"k8s.io/kubernetes/cmd/{name}" for name in CONTROL_PLANE},
            _kubernetes_version_variables(),
            log_progress,
        ),
    )


def _build(
    module: GoModule, packages: Mapping[str, str], variables: Mapping[str, str], log_progress: LogProgress
) -> Path:
    def build_all(out: Path) -> None:
        log_progress(f"building {module.name} {module.version} (once; the result is cached)")
        for name, package in packages.items():
            module.build_program(out / name, package, variables, log_progress)

    return module.obtain_programs(build_all)


def _build_kwok(log_progress: LogProgress) -> Path:
    """Build kwok, and copy the stages that make nodes and pods ready and end deleted pods, all at once."""

    def build_all(out: Path) -> None:
        log_progress(f"building {KWOK.name} {KWOK.version} (once; the result is cached)")
        KWOK.build_program(out / "kwok", f"{KWOK.main}/cmd/kwok", {}, log_progress)
        sources = Path(KWOK.run_go("list", "-m", "-f", "{{.Dir}}", KWOK.main).strip()) / "kustomize" / "stage"
        stages = [path for kind in ("node", "pod") for path in sorted((sources / kind / "fast").glob(f"{kind}-*.yaml"))]
        (out / STAGES_FILE).write_text("---\n".join(path.read_text(encoding="utf-8") for path in stages), "utf-8")

    return KWOK.obtain_programs(build_all)


def _kubernetes_version_variables() -> dict[str, str]:
    major, minor, _ = KUBERNETES.version.removeprefix("v").split(".")
    return {
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in (("gitVersion", KUBERNETES.version), ("gitMajor", major), ("gitMinor", minor))
    }


def main() -> None:
    """Obtain the programs and print their folders."""
    try:
        programs = obtain_kubernetes_programs(print)
    except (BuildError, PackageError) as error:
        sys.exit(str(error))
    for folder in (programs.kubernetes, programs.etcd, programs.kube_state_metrics, programs.node_exporter):
        print(folder)
    print(programs.kwok, programs.runtime, sep="\n")


if __name__ == "__main__":
    main()
