"""Who may register, and who may read."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request

from aggregator.errors import AccessError, AggregatorError, KeysUnavailableError, UnauthenticatedError
from aggregator.registry.tokens import NodeToken, TokenSet, digest_token, is_same_secret
from aggregator.scrape.guard import is_private
from aggregator.server.http.forwarded import IpAddress, IpNetwork

if TYPE_CHECKING:
    # At run time only with KEY or ISSUER: its libraries take 20 MiB.
    from aggregator.server.auth.guard import Guard

NODE_SECRET_HEADER = "x-auth-node"  # noqa: S105 - the name of a header
# A contract of the old receiver.
NODE_SECRET_REQUIRED = "Server required node auth, need correct value of 'X-Auth-Node' header."  # noqa: S105 - a message


class AccessRefusedError(AggregatorError):
    """A request is not allowed. `status` is 401 if another secret would help, 503 if waiting would, else 403."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def is_in_networks(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    """Return whether an address is in one of the networks."""
    return any(address in network for network in networks)


@dataclass(frozen=True)
class RegistrationRules:
    """The settings of registration. A trusted proxy cannot register: everybody seems to come from there."""

    secret: str | None = None
    networks: tuple[IpNetwork, ...] = ()
    trusted_proxies: tuple[IpNetwork, ...] = ()

    def is_open(self, tokens: TokenSet) -> bool:
        """Return whether private addresses register without a secret, because no rule is set."""
        return self.secret is None and not self.networks and not len(tokens)

    def check(self, peer: IpAddress | None, secret: str | None, name: str | None, tokens: TokenSet) -> NodeToken | None:
        """Raise AccessRefusedError unless this peer may register; return the token that it has shown.

        `name` is the node that registers, None for an agent that adds itself to the list. A node with a token needs it.
        """
        own_token = tokens.find_token(name) if name is not None else None
        if own_token is not None:
            if secret is None or not is_same_secret(digest_token(secret), own_token.digest):
                raise AccessRefusedError(401, NODE_SECRET_REQUIRED)
            return _check_token_network(own_token, peer)
        if secret is not None:
            if self.secret is not None and is_same_secret(secret, self.secret):
                return None
            shown_token = tokens.find_by_secret(secret)
            if shown_token is not None and name is None:
                return _check_token_network(shown_token, peer)
        self._check_network(peer, tokens)
        return None

    def _check_network(self, peer: IpAddress | None, tokens: TokenSet) -> None:
        if peer is not None and is_in_networks(peer, self.networks):
            return
        if self.is_open(tokens):
            is_local = peer is not None and (is_private(peer) or (peer.is_loopback and not self.trusted_proxies))
            if peer is None or not is_local or is_in_networks(peer, self.trusted_proxies):
                raise AccessRefusedError(403, "registration is allowed from private addresses only")
        elif self.secret is None and not len(tokens):
            raise AccessRefusedError(403, "registration is not allowed from this address")
        else:
            raise AccessRefusedError(401, NODE_SECRET_REQUIRED)


def _check_token_network(token: NodeToken, peer: IpAddress | None) -> NodeToken:
    if token.networks and (peer is None or not is_in_networks(peer, token.networks)):
        raise AccessRefusedError(403, "the token is not valid for this address")
    return token


def extract_secret(authorization: str | None, node_secret: str | None) -> str | None:
    """Return the secret of a request: that of X-Auth-Node, else the bearer token or the password."""
    if node_secret is not None:
        return node_secret
    scheme, _, value = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


class ReaderRules:
    """Who may read: with the token of readers, or with a token of an issuer. Without either, anyone may."""

    def __init__(self, token: str | None = None, guard: "Guard | None" = None) -> None:
        self._token = token
        self._guard = guard

    @property
    def is_open(self) -> bool:
        """Whether anyone may read."""
        return self._token is None and self._guard is None

    async def check(self, request: Request) -> None:
        """Raise AccessRefusedError unless a request may read."""
        if self.is_open or self._has_token(request):
            return
        if self._guard is None:
            raise AccessRefusedError(401, "a token is required")
        values = [value for name, value in request.scope["headers"] if name == b"authorization"]
        try:
            await self._guard.authorize(values)
        except UnauthenticatedError as error:
            raise AccessRefusedError(401, "a valid token is required") from error
        except KeysUnavailableError as error:
            raise AccessRefusedError(503, "the token cannot be verified now") from error
        except AccessError as error:
            raise AccessRefusedError(403, "the token does not allow reading") from error

    def check_command(self, request: Request) -> None:
        """Raise AccessRefusedError unless a request has the token of readers; a token of an issuer is not enough."""
        if self._token is None or not self._has_token(request):
            raise AccessRefusedError(401, "a token is required")

    def _has_token(self, request: Request) -> bool:
        given = extract_secret(request.headers.get("authorization"), None)
        return self._token is not None and given is not None and is_same_secret(given, self._token)
