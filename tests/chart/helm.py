"""Runs Helm on the chart, and validates objects against the schemas of Kubernetes and of the Prometheus operator."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from tools.parts.helm import obtain_definitions, obtain_helm

Manifest = dict[str, Any]
# Kind and name.
ObjectKey = tuple[str, str]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "chart"
VALUES_FOLDER = Path(__file__).parent / "values"
# The oldest one that Chart.yaml accepts, and the newest one that the validator knows.
KUBERNETES_VERSIONS = ("1.25.0", "1.37.0")
RELEASE = "aggregator"
HELM_TIMEOUT_SECONDS = 60.0


def run_helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Helm until it ends."""
    command = [str(obtain_helm()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HELM_TIMEOUT_SECONDS, check=False)


@dataclass(frozen=True)
class Rendering:
    """The objects that the chart renders, in their order."""

    objects: tuple[Manifest, ...]

    def find(self, kind: str, name: str) -> Manifest:
        """Return an object."""
        return self.by_key[(kind, name)]

    @property
    def by_key(self) -> dict[ObjectKey, Manifest]:
        """The objects by kind and name, without those of other namespaces."""
        return {get_key(one): one for one in self.objects if "namespace" not in one["metadata"]}

    def list_kind(self, *kinds: str) -> list[Manifest]:
        """Return the objects of some kinds."""
        return [one for one in self.objects if one["kind"] in kinds]


def get_key(manifest: Manifest) -> ObjectKey:
    """Return the kind and the name of an object."""
    return manifest["kind"], manifest["metadata"]["name"]


def render(
    *arguments: str, release: str = RELEASE, kubernetes: str = KUBERNETES_VERSIONS[0], chart: Path = CHART
) -> Rendering:
    """Render the chart; fail if Helm fails."""
    completed = run_helm("template", release, str(chart), f"--kube-version={kubernetes}", *arguments)
    assert completed.returncode == 0, completed.stderr
    return Rendering(tuple(one for one in yaml.safe_load_all(completed.stdout) if one))


def find_error(*settings: str, arguments: Sequence[str] = ()) -> str:
    """Return the error of rendering the chart with values that are not valid."""
    completed = run_helm("template", RELEASE, str(CHART), *(f"--set={one}" for one in settings), *arguments)
    assert completed.returncode != 0, "the values are valid"
    return completed.stderr


def validate(manifest: Manifest, kubernetes: str) -> None:
    """Fail unless an object is valid; a field that its schema does not have is not valid."""
    if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
        schema = _load_operator_schema(manifest["kind"])["properties"]["spec"]
        # Without a check of the schema itself: it has patterns of Go for fields that the chart does not use.
        jsonschema.Draft202012Validator(schema).validate(manifest["spec"])
    else:
        kubernetes_validate.validate(manifest, kubernetes, strict=True)


@cache
def _load_operator_schema(kind: str) -> Manifest:
    text = (obtain_definitions() / f"{kind.lower()}s.yaml").read_text(encoding="utf-8")
    (version,) = yaml.safe_load(text)["spec"]["versions"]
    schema: Manifest = version["schema"]["openAPIV3Schema"]
    _forbid_other_fields(schema)
    return schema


def _forbid_other_fields(schema: Any) -> None:
    """Make a schema strict: an API server would drop other fields."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("additionalProperties", False)
        for child in schema.values():
            _forbid_other_fields(child)
    elif isinstance(schema, list):
        for child in schema:
            _forbid_other_fields(child)
