"""Tokens of nodes: kept as SHA-256 digests, each valid for the reports of one name."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

TOKEN_BYTES = 32
# What the scrape key of a node is derived from, besides its token.
_SCRAPE_KEY_PURPOSE = b"aggregator scrape key"


@dataclass(frozen=True)
class NodeToken:
    """The token of a node. Reports with it may come from, and name addresses in, `networks`; none: any address."""

    name: str
    digest: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


def generate_token() -> str:
    """Return a new random token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_token(token: str) -> str:
    """Return the digest under which a token is kept. Tokens are random, so no slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(digest_token(given), digest_token(expected))


def derive_scrape_key(token_digest: str) -> str:
    """Return the key that the server shows to the agent of a node.

    The agent derives the same key from its token. An agent that registered falsely learns nothing that another agent
    accepts.
    """
    return hmac.new(bytes.fromhex(token_digest), _SCRAPE_KEY_PURPOSE, hashlib.sha256).hexdigest()


class TokenSet:
    """The tokens of all nodes."""

    def __init__(self, tokens: Iterable[NodeToken] = ()) -> None:
        self._tokens = {token.name: token for token in tokens}

    def __len__(self) -> int:
        return len(self._tokens)

    def find_token(self, name: str) -> NodeToken | None:
        """Return the token of a node, None if it has none."""
        return self._tokens.get(name)

    def find_by_secret(self, secret: str) -> NodeToken | None:
        """Return the token that this secret is, whichever node it belongs to."""
        digest = digest_token(secret)
        found = None
        for token in self._tokens.values():
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found
