"""A client of the Kubernetes API."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

Manifest = dict[str, Any]

FIELD_MANAGER = "test"
REQUEST_TIMEOUT_SECONDS = 120.0
WATCH_TIMEOUT_SECONDS = 600
# The path of the collection of each kind, below /api or /apis.
COLLECTIONS = {
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "DaemonSet": "apis/apps/v1/namespaces/{namespace}/daemonsets",
    "Deployment": "apis/apps/v1/namespaces/{namespace}/deployments",
    "Endpoints": "api/v1/namespaces/{namespace}/endpoints",
    "Job": "apis/batch/v1/namespaces/{namespace}/jobs",
    "Namespace": "api/v1/namespaces",
    "Node": "api/v1/nodes",
    "Pod": "api/v1/namespaces/{namespace}/pods",
    "ReplicaSet": "apis/apps/v1/namespaces/{namespace}/replicasets",
    "Secret": "api/v1/namespaces/{namespace}/secrets",
    "Service": "api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "api/v1/namespaces/{namespace}/serviceaccounts",
}


class KubernetesApi:
    """An API server and the token of a user."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self.url = url
        self.ca_file = ca_file
        self.token = token

    def build_kubeconfig(self) -> Manifest:
        """Return the content of a kubeconfig file with the token of the user."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }

    def is_ready(self) -> bool:
        """Return whether the API server is ready; False if the connection fails."""
        try:
            return self._send("GET", "readyz").status_code == 200
        except requests.ConnectionError:
            return False

    def list_objects(self, path: str) -> list[Manifest]:
        """Return the objects of a collection, such as api/v1/pods."""
        items: list[Manifest] = self._send_successfully("GET", path).json()["items"]
        return items

    def count_requests(self, resource: str, verb: str) -> int:
        """Return how many requests of a verb the API server has answered, such as LIST of pods."""
        families = text_string_to_metric_families(self._send_successfully("GET", "metrics").text)
        return sum(
            int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "apiserver_request_total"
            and (sample.labels["resource"], sample.labels["verb"]) == (resource, verb)
        )

    def apply_file(self, path: Path) -> None:
        """Create or update the objects in a YAML file, in their order."""
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            self.apply(manifest)

    def apply(self, manifest: Manifest) -> None:
        """Create or update an object."""
        self._send_successfully(
            "PATCH",
            f"{_build_path(manifest)}?fieldManager={FIELD_MANAGER}",
            json.dumps(manifest),
            {"Content-Type": "application/apply-patch+yaml"},
        )

    def set_labels(self, manifest: Manifest) -> None:
        """Change the labels of an object that exists."""
        self._send_successfully(
            "PATCH",
            _build_path(manifest),
            json.dumps({"metadata": {"labels": manifest["metadata"]["labels"]}}),
            {"Content-Type": "application/merge-patch+json"},
        )

    def set_status(self, manifest: Manifest) -> None:
        """Replace the status of an object, which only a controller or a node does otherwise."""
        self._send_successfully(
            "PATCH",
            f"{_build_path(manifest)}/status",
            json.dumps({"status": manifest["status"]}),
            {"Content-Type": "application/merge-patch+json"},
        )

    def delete(self, manifest: Manifest) -> None:
        """Delete an object at once."""
        self._send_successfully("DELETE", f"{_build_path(manifest)}?gracePeriodSeconds=0")

    def delete_matching(self, path: str, labels: str) -> None:
        """Delete the objects of a collection that have these labels, with their grace periods."""
        self._send_successfully("DELETE", f"{path}?labelSelector={labels}")

    def watch(self, path: str) -> Iterator[Manifest]:
        """Yield the objects of a collection, and then each change, until the timeout of the API server."""
        with requests.get(
            f"{self.url}/{path}?watch=true&timeoutSeconds={WATCH_TIMEOUT_SECONDS}",
            headers={"Authorization": f"Bearer {self.token}"},
            verify=str(self.ca_file),
            timeout=WATCH_TIMEOUT_SECONDS,
            stream=True,
        ) as response:
            for line in response.iter_lines():
                yield json.loads(line)["object"]

    def create_token(self, namespace: str, service_account: str) -> str:
        """Return a new token of a service account."""
        path = f"api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        response = self._send_successfully("POST", path, json.dumps(request), {"Content-Type": "application/json"})
        return str(response.json()["status"]["token"])

    def _send_successfully(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        response = self._send(method, path, body, headers)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response

    def _send(
        self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        return requests.request(
            method,
            f"{self.url}/{path}",
            data=body,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            verify=str(self.ca_file),
            timeout=REQUEST_TIMEOUT_SECONDS,
        )


def _build_path(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    collection = COLLECTIONS[manifest["kind"]].format(namespace=metadata.get("namespace"))
    return f"{collection}/{metadata['name']}"
