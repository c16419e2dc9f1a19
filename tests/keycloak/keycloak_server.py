"""A Keycloak process on this machine, configured through its admin API."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.integration.gateway_process import wait_until
from tests.keycloak.distribution import FAST_START_JVM_OPTION

ADMIN, PASSWORD = "admin", "admin-pw"
START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 20.0
REQUEST_TIMEOUT_SECONDS = 90.0
REALM_TEMPLATE = json.loads((Path(__file__).parent / "realm.json").read_text(encoding="utf-8"))


class KeycloakServer:
    """A Keycloak on a local port; its database is in memory, so that a restart loses all data."""

    def __init__(self, home: Path, port: int, log_path: Path) -> None:
        self._home = home
        self._port = port
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL; with localhost the issuer would differ."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start Keycloak with an empty database and wait until it responds."""
        environment = {
            **os.environ,
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
            "JAVA_OPTS": f"{FAST_START_JVM_OPTION} -XX:+UseSerialGC -Xms64m -Xmx384m",
        }
        # By default, the caches search for other instances on all interfaces.
        command = [
            *(str(self._home / "bin" / "kc.sh"), "start", "--optimized", "--http-enabled=true", "--cache=local"),
            *("--hostname-strict=false", "--http-host=127.0.0.1", f"--http-port={self._port}"),
        ]
        with self._log_path.open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        self._process = process
        wait_until(lambda: self._is_up(process), "a response of Keycloak", START_TIMEOUT_SECONDS)

    def stop(self) -> None:
        """Stop Keycloak with SIGTERM, after a timeout with SIGKILL to its process group, which includes the JVM."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def list_listening_addresses(self) -> set[str]:
        """Return the addresses on which Keycloak listens, on any port."""
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        addresses = {
            connection.laddr.ip.removeprefix("::ffff:")
            for process in (root, *root.children(recursive=True))
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert addresses
        return addresses

    def _is_up(self, process: "subprocess.Popen[bytes]") -> bool:
        if process.poll() is not None:
            raise AssertionError(f"Keycloak exited: {self._log_path.read_text(encoding='utf-8')[-2000:]}")
        try:
            return requests.get(f"{self.url}/realms/master", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def create_realm(self, name: str, **changes: Any) -> "KeycloakRealm":
        """Create a realm from realm.json with another name."""
        text = json.dumps({**REALM_TEMPLATE, "realm": name, **changes}).replace(
            "default-roles-icos", f"default-roles-{name}"
        )
        realm = KeycloakRealm(self, name)
        realm.call_admin_api("POST", "", data=text.encode())
        return realm


@dataclass(frozen=True)
class KeycloakRealm:
    """A realm of a Keycloak."""

    keycloak: KeycloakServer
    name: str

    @property
    def issuer(self) -> str:
        """The `iss` claim of its tokens."""
        return f"{self.keycloak.url}/realms/{self.name}"

    @property
    def public_key(self) -> str:
        """The public key that an operator copies into KEY."""
        return str(requests.get(self.issuer, timeout=REQUEST_TIMEOUT_SECONDS).json()["public_key"])

    def request_tokens(self, user: str, client: str = "shell") -> dict[str, str]:
        """Return all tokens of a user for the password grant."""
        form = {"grant_type": "password", "client_id": client, "username": user, "password": f"{user}-pw"}
        return self._request_grant({**form, "scope": "openid"})

    def request_access_token(self, user: str, client: str = "shell") -> str:
        """Return the access token of a user."""
        return self.request_tokens(user, client)["access_token"]

    def request_service_token(self, client: str = "dash") -> str:
        """Return the access token of the service account of a client."""
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": f"{client}-secret"}
        return self._request_grant(form)["access_token"]

    def create_service_client(self, client: str, role: str) -> None:
        """Create a client whose service account has a role of the realm."""
        options = {"clientId": client, "secret": f"{client}-secret", "serviceAccountsEnabled": True}
        self.call_admin_api("POST", f"/{self.name}/clients", json=options)
        account = self.call_admin_api("GET", f"/{self.name}/users?username=service-account-{client}").json()[0]
        role_document = self.call_admin_api("GET", f"/{self.name}/roles/{role}").json()
        self.call_admin_api("POST", f"/{self.name}/users/{account['id']}/role-mappings/realm", json=[role_document])

    def add_protocol_mapper(self, client: str, mapper: str) -> None:
        """Add a protocol mapper, written as JSON, to a client."""
        client_id = self.call_admin_api("GET", f"/{self.name}/clients?clientId={client}").json()[0]["id"]
        self.call_admin_api("POST", f"/{self.name}/clients/{client_id}/protocol-mappers/models", data=mapper.encode())

    def _request_grant(self, form: dict[str, str]) -> dict[str, str]:
        response = requests.post(
            f"{self.issuer}/protocol/openid-connect/token", data=form, timeout=REQUEST_TIMEOUT_SECONDS
        )
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens

    def update(self, **members: Any) -> None:
        """Change settings of the realm."""
        self.call_admin_api("PUT", f"/{self.name}", json=members)

    def list_keys(self) -> list[dict[str, Any]]:
        """Return the key providers of the realm."""
        query = f"/{self.name}/components?type=org.keycloak.keys.KeyProvider"
        providers: list[dict[str, Any]] = self.call_admin_api("GET", query).json()
        return providers

    def add_key(self, name: str) -> None:
        """Add an RSA key that signs from now on; the old key stays published."""
        config = {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}
        kind = {"providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider"}
        self.call_admin_api("POST", f"/{self.name}/components", json={"name": name, **kind, "config": config})

    def disable_keys_except(self, name: str) -> None:
        """Disable all other RSA keys, so that they are no longer published."""
        for key in self.list_keys():
            if key["providerId"] == "rsa-generated" and key["name"] != name:
                key["config"]["enabled"] = ["false"]
                self.call_admin_api("PUT", f"/{self.name}/components/{key['id']}", json=key)

    def call_admin_api(self, method: str, path: str, **content: Any) -> requests.Response:
        """Call the admin API with a new token, because its tokens expire after a minute."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": PASSWORD}
        token_url = f"{self.keycloak.url}/realms/master/protocol/openid-connect/token"
        token = requests.post(token_url, data=form, timeout=REQUEST_TIMEOUT_SECONDS).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{self.keycloak.url}/admin/realms{path}"
        response = requests.request(method, url, headers=headers, timeout=REQUEST_TIMEOUT_SECONDS, **content)
        assert response.status_code < 300, response.text
        return response
