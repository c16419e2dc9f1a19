"""Who may register, and who may read."""

import base64
from ipaddress import ip_address, ip_network

import pytest
from starlette.requests import Request

from aggregator.registry.tokens import NodeToken, TokenSet, digest_token
from aggregator.scrape.access import AccessRefusedError, ReaderRules, RegistrationRules, extract_secret
from aggregator.scrape.process import build_reader_rules
from aggregator.server.http.forwarded import IpNetwork
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import load_settings
from tests.server.auth.signed_tokens import FakeRealm

NO_TOKENS = TokenSet()
TOKENS = TokenSet(
    [
        NodeToken("a", digest_token("token-a"), (ip_network("10.1.0.0/16"),)),
        NodeToken("b", digest_token("token-b")),
    ]
)


def get_status(
    rules: RegistrationRules, peer: str, secret: str | None, name: str | None = None, tokens: TokenSet = NO_TOKENS
) -> int:
    """Return the status of a registration, 200 if it is allowed."""
    try:
        rules.check(ip_address(peer), secret, name, tokens)
    except AccessRefusedError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("peer", "status"),
    [("10.0.0.1", 200), ("192.168.0.1", 200), ("fd00::1", 200), ("127.0.0.1", 200), ("8.8.8.8", 403)],
)
def test_without_rules_private_addresses_register(peer: str, status: int) -> None:
    """Without secret, tokens and networks, only private and loopback addresses register, also with any secret."""
    assert get_status(RegistrationRules(), peer, None) == status
    assert get_status(RegistrationRules(), peer, "s", "docker-exp") == status


def test_a_proxy_does_not_register() -> None:
    """Behind trusted proxies, neither loopback nor a proxy registers: everybody seems to come from there."""
    proxies: tuple[IpNetwork, ...] = (ip_network("10.0.0.1/32"),)
    rules = RegistrationRules(trusted_proxies=proxies)
    assert [get_status(rules, peer, None) for peer in ("127.0.0.1", "10.0.0.1", "10.0.0.2")] == [403, 403, 200]


def test_the_shared_secret_opens_all_names_without_tokens() -> None:
    """With a secret, a registration needs it, wherever it comes from."""
    rules = RegistrationRules(secret="s")
    for name in (None, "x"):
        assert get_status(rules, "8.8.8.8", "s", name) == 200
        assert get_status(rules, "10.0.0.1", "t", name) == 401
        assert get_status(rules, "10.0.0.1", None, name) == 401


def test_networks_register_without_a_secret() -> None:
    """An address in REGISTER_FROM needs no secret; others are refused."""
    rules = RegistrationRules(networks=(ip_network("10.0.0.0/8"),))
    assert (get_status(rules, "10.0.0.1", None), get_status(rules, "192.168.0.1", None)) == (200, 403)
    rules = RegistrationRules(secret="s", networks=(ip_network("10.0.0.0/8"),))
    assert (get_status(rules, "10.0.0.1", None), get_status(rules, "192.168.0.1", None)) == (200, 401)


def test_a_token_opens_its_own_name_only() -> None:
    """A stolen token of one node cannot register another, and a node with a token needs it, not the shared secret."""
    rules = RegistrationRules(secret="s", networks=(ip_network("10.0.0.0/8"),))
    statuses = {
        secret: [get_status(rules, "192.168.0.1", secret, name, TOKENS) for name in ("b", "c")]
        for secret in ("token-b", "s", digest_token("token-b"), None)
    }
    assert statuses == {"token-b": [200, 401], "s": [401, 200], digest_token("token-b"): [401, 401], None: [401, 401]}
    assert get_status(rules, "10.0.0.1", None, "b", TOKENS) == 401


def test_a_token_is_valid_in_its_networks() -> None:
    """A token with networks is refused from elsewhere; it also opens the list of agents."""
    rules = RegistrationRules()
    for name in ("a", None):
        assert get_status(rules, "10.1.0.1", "token-a", name, TOKENS) == 200
        assert get_status(rules, "10.2.0.1", "token-a", name, TOKENS) == 403


@pytest.mark.parametrize(
    ("authorization", "node_secret", "secret"),
    [
        ("Bearer a", None, "a"),
        ("bearer  a ", None, "a"),
        ("Basic " + base64.b64encode(b"user:a:b").decode(), None, "a:b"),
        ("Basic ???", None, None),
        ("Basic /w==", None, None),
        ("Digest a", None, None),
        (None, None, None),
        ("Bearer a", "b", "b"),
    ],
)
def test_secrets_of_requests(authorization: str | None, node_secret: str | None, secret: str | None) -> None:
    """A secret is in X-Auth-Node, a bearer token, or the password of basic authentication."""
    assert extract_secret(authorization, node_secret) == secret


def build_request(authorization: str | None) -> Request:
    """Return a request with this header."""
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return Request({"type": "http", "headers": headers})


async def get_reader_status(rules: ReaderRules, authorization: str | None) -> int:
    """Return the status of a reader, 200 if it may read."""
    try:
        await rules.check(build_request(authorization))
    except AccessRefusedError as error:
        return error.status
    return 200


async def test_readers_need_the_token() -> None:
    """With a token, a reader must send it; without one, anyone may read."""
    assert await get_reader_status(ReaderRules(), None) == 200
    rules = ReaderRules("t")
    assert await get_reader_status(rules, "Bearer t") == 200
    for wrong in (None, "Bearer x", "t", "Bearer"):
        assert await get_reader_status(rules, wrong) == 401


async def test_readers_may_have_a_token_of_an_issuer() -> None:
    """A token of the realm opens reading beside the token of readers, but no commands."""
    realm = FakeRealm()
    settings = load_settings(
        {"KEY": realm.key_setting, "SCRAPE_TOKEN": "t", "REQUIRED_ROLE": "scraper"}, ScrapeSettings
    )
    rules, _ = build_reader_rules(settings)
    allowed = f"Bearer {realm.issue_token(realm_access={'roles': ['scraper']})}"
    assert await get_reader_status(rules, allowed) == 200
    assert await get_reader_status(rules, "Bearer t") == 200
    assert await get_reader_status(rules, f"Bearer {realm.issue_token()}") == 403
    assert await get_reader_status(rules, "Bearer x.y.z") == 401
    assert await get_reader_status(rules, None) == 401
    with pytest.raises(AccessRefusedError):
        rules.check_command(build_request(allowed))
    rules.check_command(build_request("Bearer t"))


async def test_a_token_waits_for_its_keys() -> None:
    """While the keys of the issuer were never fetched, a token gets 503 instead of 401."""
    settings = load_settings({"JWKS_URL": "http://127.0.0.1:9/certs"}, ScrapeSettings)
    rules, _ = build_reader_rules(settings)
    token = FakeRealm().issue_token_with_header(kid="a")
    assert await get_reader_status(rules, f"Bearer {token}") == 503
