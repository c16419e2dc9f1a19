"""Tokens of nodes."""

from aggregator.registry.tokens import (
    NodeToken,
    TokenSet,
    derive_scrape_key,
    digest_token,
    generate_token,
    is_same_secret,
)


def test_a_token_is_found_by_its_secret() -> None:
    """A set contains digests, and finds the node of a token."""
    secrets = {name: generate_token() for name in "ab"}
    tokens = TokenSet(NodeToken(name, digest_token(secret)) for name, secret in secrets.items())
    found = tokens.find_by_secret(secrets["b"])
    assert found is not None
    assert (found.name, len(tokens)) == ("b", 2)
    assert tokens.find_by_secret(found.digest) is None
    assert tokens.find_by_secret("") is None


def test_secrets_are_compared_as_a_whole() -> None:
    """Two secrets are equal only if all their characters are, also those outside ASCII."""
    assert is_same_secret("ä", "ä")
    assert not is_same_secret("a", "ab")
    assert not is_same_secret("", "a")


def test_each_node_has_its_own_scrape_key() -> None:
    """The key that agents see is derived from the token, and is neither the token nor its digest."""
    first, second = (digest_token(text) for text in ("one", "two"))
    assert derive_scrape_key(first) == derive_scrape_key(first)
    assert len({first, second, derive_scrape_key(first), derive_scrape_key(second)}) == 4
