"""The manifest for Kubernetes: the privileges of the container, and the settings that it uses."""

from pathlib import Path
from typing import Any

import yaml

from aggregator.settings.gateway import Settings
from aggregator.settings.settings import SECRET_FILE_SUFFIX, list_secret_names, load_settings

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kubernetes.yaml"


def parse_manifest(text: str) -> dict[str, dict[str, Any]]:
    """Return the objects of the manifest by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


OBJECTS = parse_manifest(MANIFEST.read_text(encoding="utf-8"))
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
ENVIRONMENT = {one["name"]: one["value"] for one in CONTAINER["env"]}


def test_the_container_has_no_privileges() -> None:
    """It runs without root, a writable file system or capabilities, and with the default seccomp profile."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] >= 1000
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not POD.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_the_memory_is_limited() -> None:
    """The request is half of the limit, so that a node is not overcommitted by much."""
    assert CONTAINER["resources"]["limits"]["memory"] == "1Gi"
    assert CONTAINER["resources"]["requests"]["memory"] == "512Mi"


def test_no_account_token_is_mounted() -> None:
    """The pod cannot access the Kubernetes API."""
    assert POD["automountServiceAccountToken"] is False
    assert OBJECTS["ServiceAccount"]["automountServiceAccountToken"] is False
    assert POD["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]


def test_the_user_is_that_of_the_image() -> None:
    """User and group are those of the Dockerfile."""
    security = POD["securityContext"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in dockerfile


def test_every_variable_is_a_setting(tmp_path: Path) -> None:
    """All variables are settings, and their values are valid."""
    known = {*Settings.model_fields, *(name + SECRET_FILE_SUFFIX for name in list_secret_names(Settings))}
    assert known >= ENVIRONMENT.keys()
    address = tmp_path / "address"
    address.write_text(OBJECTS["Secret"]["stringData"]["prometheus-address"])
    settings = load_settings(ENVIRONMENT | {"PROMETHEUS_ADDRESS_FILE": str(address)}, Settings)
    ports = {settings.http_port, settings.GRPC_PORT, settings.METRICS_PORT}
    assert ports == {port["containerPort"] for port in CONTAINER["ports"]}
    (_sleep, pause) = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    assert POD["terminationGracePeriodSeconds"] > int(pause) + settings.GRACE


def test_secrets_are_files() -> None:
    """No secret is in the environment or in an argument; each is a file of the mounted secret."""
    assert not list_secret_names(Settings) & ENVIRONMENT.keys()
    assert not CONTAINER.keys() & {"args", "command"}
    (mount,) = CONTAINER["volumeMounts"]
    (volume,) = POD["volumes"]
    assert volume["secret"]["secretName"] == OBJECTS["Secret"]["metadata"]["name"]
    assert mount["readOnly"] is True
    names = {Path(value) for name, value in ENVIRONMENT.items() if name.endswith(SECRET_FILE_SUFFIX)}
    assert {path.parent for path in names} == {Path(mount["mountPath"])}
    assert {path.name for path in names} <= OBJECTS["Secret"]["stringData"].keys()


def test_probes_and_ports_match() -> None:
    """Probes use /healthz and /readyz, and the service refers to the ports of the container by name."""
    paths = {kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in paths.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    names = {port["name"] for port in CONTAINER["ports"]}
    assert {probe["port"] for probe in paths.values()} <= names
    assert {port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]} == names - {"metrics"}
    selector = OBJECTS["Service"]["spec"]["selector"]
    assert selector == OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert CONTAINER["resources"]["limits"]["memory"]
