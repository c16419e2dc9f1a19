"""A Keycloak that runs on this machine: started, ended, and told what to do through its own API."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.integration.process import until
from tests.keycloak.distribution import QUICK_JAVA

ADMIN, PASSWORD = "admin", "admin-pw"
START_SECONDS = 120.0
STOP_SECONDS = 20.0
SECONDS = 30.0
REALM = json.loads((Path(__file__).parent / "realm.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Keycloak:
    """A Keycloak on a port of this machine; it may be down for a while."""

    home: Path
    port: int
    log_path: Path

    @property
    def url(self) -> str:
        """Where it is; localhost would be another issuer."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it, empty, while the block runs."""
        environment = {
            **os.environ,
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD,
            "JAVA_OPTS": f"{QUICK_JAVA} -XX:+UseSerialGC -Xms64m -Xmx384m",
        }
        # Its caches would otherwise look for others on every interface.
        command = [
            *(str(self.home / "bin" / "kc.sh"), "start", "--optimized", "--http-enabled=true", "--cache=local"),
            *("--hostname-strict=false", "--http-host=127.0.0.1", f"--http-port={self.port}"),
        ]
        with (
            self.log_path.open("ab") as log,
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            try:
                until(lambda: self._is_up(process), "Keycloak answers", START_SECONDS)
                yield
            finally:
                _end(process)

    def _is_up(self, process: "subprocess.Popen[bytes]") -> bool:
        if process.poll() is not None:
            raise AssertionError(f"Keycloak ended: {self.log_path.read_text(encoding='utf-8')[-2000:]}")
        try:
            return requests.get(f"{self.url}/realms/master", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def realm(self, name: str, **changes: Any) -> "Realm":
        """Make a realm of the file's, under a name of its own."""
        text = json.dumps({**REALM, "realm": name, **changes}).replace("default-roles-icos", f"default-roles-{name}")
        made = Realm(self, name)
        made.admin("POST", "", data=text.encode())
        return made


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it politely, then its whole session by force: the script is not the Java that it starts."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Realm:
    """A realm of a Keycloak."""

    keycloak: Keycloak
    name: str

    @property
    def issuer(self) -> str:
        """What its tokens have in `iss`."""
        return f"{self.keycloak.url}/realms/{self.name}"

    @property
    def public_key(self) -> str:
        """What an operator would copy into KEY."""
        return str(requests.get(self.issuer, timeout=SECONDS).json()["public_key"])

    def tokens(self, user: str, client: str = "shell") -> dict[str, str]:
        """Return all that a user gets by password."""
        form = {"grant_type": "password", "client_id": client, "username": user, "password": f"{user}-pw"}
        return self._granted({**form, "scope": "openid"})

    def token(self, user: str, client: str = "shell") -> str:
        """Return a user's access token."""
        return self.tokens(user, client)["access_token"]

    def service_token(self) -> str:
        """Return the access token of the client dash itself."""
        form = {"grant_type": "client_credentials", "client_id": "dash", "client_secret": "dash-secret"}
        return self._granted(form)["access_token"]

    def _granted(self, form: dict[str, str]) -> dict[str, str]:
        answer = requests.post(f"{self.issuer}/protocol/openid-connect/token", data=form, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        granted: dict[str, str] = answer.json()
        return granted

    def change(self, **members: Any) -> None:
        """Change settings of the realm."""
        self.admin("PUT", f"/{self.name}", json=members)

    def keys(self) -> list[dict[str, Any]]:
        """Return the components that provide its keys."""
        query = f"/{self.name}/components?type=org.keycloak.keys.KeyProvider"
        listed: list[dict[str, Any]] = self.admin("GET", query).json()
        return listed

    def add_key(self, name: str) -> None:
        """Have a new RSA key sign from now on; the old one stays published."""
        config = {"priority": ["200"], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"]}
        kind = {"providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider"}
        self.admin("POST", f"/{self.name}/components", json={"name": name, **kind, "config": config})

    def disable_keys_except(self, name: str) -> None:
        """Disable every other RSA key: it is not published any more."""
        for key in self.keys():
            if key["providerId"] == "rsa-generated" and key["name"] != name:
                key["config"]["enabled"] = ["false"]
                self.admin("PUT", f"/{self.name}/components/{key['id']}", json=key)

    def admin(self, method: str, path: str, **content: Any) -> requests.Response:
        """Use the admin API; its token lives a minute, so each use gets its own."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": PASSWORD}
        where = f"{self.keycloak.url}/realms/master/protocol/openid-connect/token"
        token = requests.post(where, data=form, timeout=SECONDS).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{self.keycloak.url}/admin/realms{path}"
        answer = requests.request(method, url, headers=headers, timeout=SECONDS, **content)
        assert answer.status_code < 300, answer.text
        return answer
