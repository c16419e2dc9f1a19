"""Builds Helm from source, and obtains the custom resource definitions of the Prometheus operator.

`python -m tools.parts.helm` builds and downloads what is not in the cache, in the versions of the modules in go/, and
prints the paths. The first build takes some minutes.
"""

import json
import shutil
import sys
from pathlib import Path

from tools.parts.go_module import BuildError, GoModule, LogProgress

HELM = GoModule("helm", "helm.sh/helm/v3")
OPERATOR = GoModule("prometheus-operator", "github.com/prometheus-operator/prometheus-operator")
DEFINITIONS = ("prometheusrules", "servicemonitors")
# The version of Kubernetes that `helm template` and `helm lint` assume, as in the official releases: that of client-go.
_KUBERNETES_PACKAGES = ("helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules")


def obtain_helm(log_progress: LogProgress = lambda _text: None) -> Path:
    """Return Helm from the cache; build it first if necessary."""

    def build(out: Path) -> None:
        log_progress(f"building Helm {HELM.version} (once; the result is cached)")
        HELM.build_program(out / "helm", f"{HELM.main}/cmd/helm", _list_version_variables(), log_progress)

    return HELM.obtain_programs(build) / "helm"


def _list_version_variables() -> dict[str, str]:
    _, minor, _ = HELM.read_version("k8s.io/client-go").split(".")
    return {
        "helm.sh/helm/v3/internal/version.version": HELM.version,
        **{f"{package}.k8sVersionMajor": "1" for package in _KUBERNETES_PACKAGES},
        **{f"{package}.k8sVersionMinor": minor for package in _KUBERNETES_PACKAGES},
    }


def obtain_definitions() -> Path:
    """Return the folder of the custom resource definitions from the cache; download them first if necessary."""

    def copy_files(out: Path) -> None:
        module = f"{OPERATOR.main}@{OPERATOR.version}"
        # With -json, an error would not be on standard error.
        OPERATOR.run_go("mod", "download", module)
        downloaded = json.loads(OPERATOR.run_go("mod", "download", "-json", module))
        folder = Path(downloaded["Dir"]) / "example/prometheus-operator-crd"
        for name in DEFINITIONS:
            shutil.copyfile(folder / f"monitoring.coreos.com_{name}.yaml", out / f"{name}.yaml")

    return OPERATOR.obtain_programs(copy_files)


def main() -> None:
    """Obtain everything and print the paths."""
    try:
        print(obtain_helm(print))
        print(obtain_definitions())
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
