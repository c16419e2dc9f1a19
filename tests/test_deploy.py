"""The manifest for Kubernetes: what it promises of the container, and that the program knows all that it sets."""

from pathlib import Path
from typing import Any

import yaml

from aggregator.settings import FILE_SUFFIX, SECRETS, Settings, read

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "deploy" / "kubernetes.yaml"


def documents(text: str) -> dict[str, dict[str, Any]]:
    """Return the manifest's objects by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


OBJECTS = documents(MANIFEST.read_text(encoding="utf-8"))
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
ENVIRONMENT = {one["name"]: one["value"] for one in CONTAINER["env"]}


def test_the_container_may_do_next_to_nothing() -> None:
    """It runs as no root, writes nowhere, has no capability, and may make no unusual system call."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["runAsUser"] >= 1000
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not POD.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_the_memory_that_it_may_have_is_one_number() -> None:
    """The alert fires at nine tenths of the limit, and half of the limit is set aside for it."""
    assert CONTAINER["resources"]["limits"]["memory"] == "1Gi"
    assert CONTAINER["resources"]["requests"]["memory"] == "512Mi"
    assert "process_resident_memory_bytes > 0.9 * 2^30 " in (ROOT / "deploy" / "alerts.yaml").read_text()


def test_no_account_token_is_mounted() -> None:
    """Nothing in the pod can speak to the Kubernetes API."""
    assert POD["automountServiceAccountToken"] is False
    assert OBJECTS["ServiceAccount"]["automountServiceAccountToken"] is False
    assert POD["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]


def test_its_user_is_the_images() -> None:
    """The user is the one of the Dockerfile."""
    security = POD["securityContext"]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in dockerfile


def test_every_variable_is_a_setting(tmp_path: Path) -> None:
    """All that it sets is known, also what is commented out, and the values are accepted."""
    known = {*Settings.model_fields, *(name + FILE_SUFFIX for name in SECRETS)}
    assert known >= ENVIRONMENT.keys()
    # What a reader may uncomment is as good as what is there.
    whole = documents(MANIFEST.read_text(encoding="utf-8").replace("# - ", "- ").replace("#   secret", "  secret"))
    (container,) = whole["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert known >= {one["name"] for one in container["env"]} > ENVIRONMENT.keys()
    address = tmp_path / "address"
    address.write_text(OBJECTS["Secret"]["stringData"]["prometheus-address"])
    settings = read(ENVIRONMENT | {"PROMETHEUS_ADDRESS_FILE": str(address)})
    assert {settings.http_port, settings.GRPC_PORT} == {port["containerPort"] for port in CONTAINER["ports"]}
    assert POD["terminationGracePeriodSeconds"] > settings.GRACE


def test_secrets_are_files() -> None:
    """No secret stands in the environment or in an argument; each comes from the mounted secret."""
    assert not SECRETS & ENVIRONMENT.keys()
    assert not CONTAINER.keys() & {"args", "command"}
    (mount,) = CONTAINER["volumeMounts"]
    (volume,) = POD["volumes"]
    assert volume["secret"]["secretName"] == OBJECTS["Secret"]["metadata"]["name"]
    assert mount["readOnly"] is True
    names = {Path(value) for name, value in ENVIRONMENT.items() if name.endswith(FILE_SUFFIX)}
    assert {path.parent for path in names} == {Path(mount["mountPath"])}
    assert {path.name for path in names} <= OBJECTS["Secret"]["stringData"].keys()


def test_probes_and_ports_fit_together() -> None:
    """Liveness asks for life, readiness for a topology, and the service leads to the container's ports by name."""
    paths = {kind: CONTAINER[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: probe["path"] for kind, probe in paths.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    names = {port["name"] for port in CONTAINER["ports"]}
    assert {probe["port"] for probe in paths.values()} <= names
    assert {port["targetPort"] for port in OBJECTS["Service"]["spec"]["ports"]} == names
    selector = OBJECTS["Service"]["spec"]["selector"]
    assert selector == OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"]
    assert selector.items() <= OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert CONTAINER["resources"]["limits"]["memory"]
