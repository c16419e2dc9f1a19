"""The manifest of the scrape server: its rights, its privileges, and the settings that it uses."""

from pathlib import Path
from typing import Any

import yaml

from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import SECRET_FILE_SUFFIX, list_secret_names, load_settings

ROOT = Path(__file__).parents[2]
MANIFEST = (ROOT / "deploy" / "scrape.yaml").read_text(encoding="utf-8")
OBJECTS: dict[str, dict[str, Any]] = {one["kind"]: one for one in yaml.safe_load_all(MANIFEST)}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
ENVIRONMENT = {one["name"]: one["value"] for one in CONTAINER["env"]}


def test_the_server_may_only_read_pods() -> None:
    """The role has get, list and watch of pods, and is bound to the service account of the pod."""
    assert OBJECTS["ClusterRole"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    binding = OBJECTS["ClusterRoleBinding"]
    assert binding["roleRef"]["name"] == OBJECTS["ClusterRole"]["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == POD["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]


def test_the_container_of_the_scrape_server_has_no_privileges() -> None:
    """It runs without root, a writable file system or capabilities, and as the user of the image."""
    security = POD["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in (ROOT / "Dockerfile").read_text(
        encoding="utf-8"
    )
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not POD.keys() & {"hostNetwork", "hostPID", "hostIPC"}


def test_every_variable_is_a_setting() -> None:
    """All variables are settings, and the files are in a volume."""
    known = {*ScrapeSettings.model_fields, *(name + SECRET_FILE_SUFFIX for name in list_secret_names(ScrapeSettings))}
    assert known >= ENVIRONMENT.keys()
    settings = load_settings(ENVIRONMENT, ScrapeSettings)
    assert tuple(port["containerPort"] for port in CONTAINER["ports"]) == settings.SCRAPE_PORT
    assert POD["terminationGracePeriodSeconds"] > settings.GRACE
    (folder,) = {str(Path(name).parent) for name in (settings.AGENTS_FILE, settings.REGISTRY_FILE)}
    assert {mount["mountPath"]: mount.get("readOnly", False) for mount in CONTAINER["volumeMounts"]}[folder] is False
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {volume["name"] for volume in POD["volumes"]}


def test_the_service_has_the_port_of_the_older_program() -> None:
    """The service listens on port 80, and selects the pods of the deployment."""
    spec = OBJECTS["Service"]["spec"]
    assert {port["port"] for port in spec["ports"]} == {80, 5000}
    assert {port["targetPort"] for port in spec["ports"]} == {port["name"] for port in CONTAINER["ports"]}
    assert spec["selector"] == OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"]
    assert spec["selector"].items() <= OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert CONTAINER["args"] == ["scrape"]
