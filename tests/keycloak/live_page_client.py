"""The login of the web page at a real Keycloak, with the client that docs/web-page-setup.md describes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, expect

from demo.prometheus import find_free_port
from demo.recording import SHIPPED_RECORDING
from tests.integration.gateway_process import run_gateway, wait_until
from tests.keycloak.keycloak_server import KeycloakRealm
from tests.support.http_client import send_request
from tests.ui.browsers import open_session, run_chromium

WEB_PAGE = Path(__file__).parents[2] / "docs" / "web-page-setup.md"
DOCUMENTED_URL = "https://topology.example.org"
REQUEST_TIMEOUT_SECONDS = 30


@pytest.fixture(scope="module")
def gateway_url(realm: KeycloakRealm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a gateway whose page has the documented client."""
    text = WEB_PAGE.read_text(encoding="utf-8")
    client = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    client_id = re.search(r"^UI_CLIENT_ID=(\S+)$", text, re.MULTILINE)
    assert client is not None
    assert client_id is not None
    assert json.loads(client[1])["clientId"] == client_id[1]
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    document = client[1].replace(DOCUMENTED_URL, url)
    realm.call_admin_api("POST", f"/{realm.name}/clients", data=document.encode())
    settings = {
        "PROMETHEUS_ADDRESS": f"replay:{SHIPPED_RECORDING}#speed=max",
        "HTTP_PORT": str(port),
        "ISSUER": realm.issuer,
        "UI_CLIENT_ID": client_id[1],
    }
    with run_gateway(tmp_path_factory.mktemp("gateway"), **settings) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with run_chromium() as running:
        yield running


def test_a_user_logs_in_and_out(browser: Browser, realm: KeycloakRealm, gateway_url: str) -> None:
    """Opening a screen leads to the issuer and back to it with data; no token is stored; signing out ends the login."""
    with open_session(browser, gateway_url) as session:
        page = session.page
        screen = f"{gateway_url}/ui/nodes?filter=cluster%3Dicos-south"
        page.goto(screen)
        page.locator("#username").fill("alice")
        page.locator("#password").fill("alice-pw")
        page.locator("#kc-login").click()
        expect(page.get_by_role("navigation", name="Screens")).to_be_visible()
        expect(page).to_have_url(screen)
        expect(page.locator(".table-scroller tbody tr").first).to_be_visible()
        assert page.evaluate("Object.values({...localStorage, ...sessionStorage}).join().includes('eyJ')") is False
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(page.locator(".table-scroller")).to_have_count(0)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#password")).to_be_visible()
        assert {urlsplit(url).netloc for url in session.foreign_requests} == {urlsplit(realm.issuer).netloc}


@pytest.mark.parametrize(
    "challenge",
    [{}, {"code_challenge": "x" * 43, "code_challenge_method": "plain"}],
    ids=["no PKCE", "plain"],
)
def test_the_client_requires_pkce(realm: KeycloakRealm, gateway_url: str, challenge: dict[str, str]) -> None:
    """The documented client refuses logins without PKCE, and with a challenge that is no digest."""
    answer = _request_login(realm, f"{gateway_url}/ui", challenge)
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["invalid_request"]


def test_the_client_redirects_to_the_page_only(realm: KeycloakRealm, gateway_url: str) -> None:
    """The documented client sends nobody to another host, or to another path of the gateway."""
    challenge = {"code_challenge": "x" * 43, "code_challenge_method": "S256"}
    assert _request_login(realm, f"{gateway_url}/ui", challenge).status_code == 200
    for url in ("http://127.0.0.1:9/ui", f"{gateway_url}/docs", f"{gateway_url}/uix"):
        assert _request_login(realm, url, challenge).status_code == 400


def _request_login(realm: KeycloakRealm, redirect_url: str, challenge: dict[str, str]) -> requests.Response:
    parameters = {
        "client_id": "aggregator-page",
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "redirect_uri": redirect_url,
        **challenge,
    }
    return requests.get(
        f"{realm.issuer}/protocol/openid-connect/auth",
        params=parameters,
        allow_redirects=False,
        timeout=REQUEST_TIMEOUT_SECONDS,
    )
