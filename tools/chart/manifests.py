"""Renders the plain manifests in deploy/ from the chart with a real Helm.

`python -m tools.chart.manifests` writes them; with --check, it reports the outdated ones and exits with 1.
"""

import re
import subprocess
import sys
from dataclasses import dataclass

from tools.chart.files import CHART
from tools.code import ROOT, find_outdated_files, write_files
from tools.parts.go_module import BuildError
from tools.parts.helm import obtain_helm

_GATEWAY_HEADER = """\
# The gateway on Kubernetes: kubectl apply -f deploy/kubernetes.yaml
#
# Push the image (docker build -t aggregator:{version} .) to your registry. Change the image and the secret.
#
# Without tokens, every client that can reach the service sees the whole topology: require them, or restrict access with
# a NetworkPolicy. The chart has values for tokens, TLS, an Ingress, autoscaling and more: docs/chart.md.
#
# Generated from deploy/chart by `make manifests`. For other values: helm template aggregator deploy/chart --set ...
"""
_SCRAPE_HEADER = """\
# The scrape server in a cluster: it finds labelled pods and merges the metrics of a job on request.
#
#     kubectl create namespace monitoring
#     kubectl apply -n monitoring -f deploy/scrape.yaml
#
# Push the image (docker build -t aggregator:{version} .) to your registry and change the image below. For another
# namespace, change that of the ClusterRoleBinding, too.
#
# Without a token, every client that can reach the service reads the metrics of all jobs: require one, or restrict
# access with a NetworkPolicy. The chart has values for a token, a volume, namespaces and more: docs/chart.md.
#
# Generated from deploy/chart by `make manifests`. For other values: helm template aggregator deploy/chart --set ...
"""


@dataclass(frozen=True)
class ManifestFile:
    """A file with objects of the chart: its header, and the arguments of `helm template`."""

    path: str
    header: str
    arguments: tuple[str, ...]


FILES = (
    ManifestFile("deploy/kubernetes.yaml", _GATEWAY_HEADER, ()),
    ManifestFile(
        "deploy/scrape.yaml",
        _SCRAPE_HEADER,
        ("--namespace=monitoring", "--set=aggregator.enabled=false", "--set=scrape.enabled=true"),
    ),
)
# What makes sense only for objects that Helm manages, with the comments about it.
_HELM_LINES = re.compile(
    r"^ *helm\.sh/chart: .*\n|^ *app\.kubernetes\.io/managed-by: Helm\n|^# Source: .*\n"
    r"|^ *annotations:\n(?: *#.*\n)? *checksum/secret: .*\n(?! {8}\w)",
    re.MULTILINE,
)


def render_manifests() -> dict[str, str]:
    """Return the manifests by path."""
    return {file.path: _render_manifest(file) for file in FILES}


def _render_manifest(file: ManifestFile) -> str:
    command = [str(obtain_helm(print)), "template", "aggregator", str(ROOT / CHART), *file.arguments]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise BuildError(f"render {file.path}: {completed.stderr.strip()}")
    (version,) = set(re.findall(r'app\.kubernetes\.io/version: "(.+)"', completed.stdout))
    return file.header.format(version=version) + _HELM_LINES.sub("", completed.stdout).removeprefix("---\n")


def main() -> None:
    """Write or check the manifests."""
    try:
        manifests = render_manifests()
    except BuildError as error:
        sys.exit(str(error))
    if sys.argv[1:] == ["--check"]:
        if outdated := find_outdated_files(manifests):
            sys.exit(f"outdated (run `make manifests`): {', '.join(outdated)}")
    else:
        write_files(manifests)


if __name__ == "__main__":
    main()
