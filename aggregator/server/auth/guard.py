"""The guard verifies the bearer token of a request and applies the access policy to its claims.

A decision is cached until the token expires or the keys change.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

from aggregator.errors import PermissionDeniedError, UnauthenticatedError
from aggregator.models.grant import UNRESTRICTED, Grant
from aggregator.server.auth.jwks import (
    DocumentFetcher,
    IssuerKeyCache,
    JwksEndpoint,
    JwksKeySource,
    KeyRefreshPolicy,
    KeySource,
    StaticKeySource,
)
from aggregator.server.auth.jwt import (
    Claims,
    VerifyingKey,
    format_claim,
    parse_bearer_token,
    parse_token_header,
    validate_claims,
    verify_token_signature,
)
from aggregator.settings.auth import RSA_ALGORITHMS, AccessSettings, Role, TokenSettings

MAX_CACHED_TOKENS = 10_000
TOKEN_DIGEST_BYTES = 32


class Access(NamedTuple):
    """What a caller may see, and when its token expires, on the clock of the event loop.

    A request must not outlive its token.
    """

    grant: Grant
    expires_at: float = math.inf


# For public paths, and where no tokens are required.
UNRESTRICTED_ACCESS = Access(UNRESTRICTED)


@dataclass(frozen=True)
class AccessPolicy:
    """The claims and roles that a token must have; an empty value or None means no requirement.

    The times in a token are always checked. `cluster_roles` maps each role to patterns for the names or UIDs of
    the clusters that it grants. `algorithms` lists the signature algorithms that are accepted.
    """

    audience: tuple[str, ...] = ()
    authorized_parties: tuple[str, ...] = ()
    required_role: Role | None = None
    cluster_roles: Mapping[Role, tuple[str, ...]] | None = None
    algorithms: tuple[str, ...] = RSA_ALGORITHMS

    def derive_grant(self, claims: Claims, issuer: str | None) -> Grant:
        """Return the grant for these claims; raise AccessError if they do not satisfy the policy.

        `issuer` is the issuer of the key that verified the token, None if the key is not bound to one.
        """
        if issuer is not None and claims.get("iss") != issuer:
            raise UnauthenticatedError("issuer", token_issuer=format_claim(claims.get("iss")), expected=issuer)
        if self.audience and not _collect_strings(claims.get("aud")).intersection(self.audience):
            raise UnauthenticatedError(
                "audience", token_audience=format_claim(claims.get("aud")), expected=" or ".join(self.audience)
            )
        if self.authorized_parties and claims.get("azp") not in self.authorized_parties:
            raise UnauthenticatedError(
                "authorized party",
                token_party=format_claim(claims.get("azp")),
                expected=" or ".join(self.authorized_parties),
            )
        if self.required_role is not None and not has_role(claims, self.required_role):
            raise PermissionDeniedError("role")
        return UNRESTRICTED if self.cluster_roles is None else self._derive_cluster_grant(claims, self.cluster_roles)

    def _derive_cluster_grant(self, claims: Claims, cluster_roles: Mapping[Role, tuple[str, ...]]) -> Grant:
        matched_patterns = [patterns for role, patterns in cluster_roles.items() if has_role(claims, role)]
        if not matched_patterns:
            raise PermissionDeniedError("no role for any cluster")
        patterns = frozenset(pattern for several in matched_patterns for pattern in several)
        return UNRESTRICTED if "*" in patterns else Grant(patterns)


NO_CLAIM_REQUIREMENTS = AccessPolicy()


class Guard(Protocol):
    """Decides what a caller may see, by the values of its Authorization headers."""

    async def authorize(self, authorization: Sequence[bytes]) -> Access:
        """Return what the caller may see; raise AccessError if the request is refused."""


class _CachedDecision(NamedTuple):
    grant: Grant
    expires_at_seconds: float
    # The generation of the keys at the time of the decision.
    generation: int


class TokenGuard:
    """Accepts a token that one of the keys verifies and whose claims satisfy the policy."""

    def __init__(
        self,
        keys: KeySource,
        policy: AccessPolicy = NO_CLAIM_REQUIREMENTS,
        clock: Callable[[], float] = time.time,
        max_cached_tokens: int = MAX_CACHED_TOKENS,
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._clock = clock
        self._max_cached_tokens = max_cached_tokens
        self._decisions: dict[bytes, _CachedDecision] = {}

    async def authorize(self, authorization: Sequence[bytes]) -> Access:
        """Return the access that the token in the only Authorization header has; raise AccessError if it has none.

        Waits for an issuer only if the token names an unknown key and the cooldown of that issuer has passed.
        """
        value = _require_single_header(authorization)
        digest = _compute_token_digest(value)
        decision = self._decisions.get(digest)
        if decision is None or not self._is_decision_valid(decision):
            decision = await self._verify(value)
            self._cache_decision(digest, decision)
        valid_seconds = decision.expires_at_seconds - self._clock()
        return Access(decision.grant, asyncio.get_running_loop().time() + valid_seconds)

    def _is_decision_valid(self, decision: _CachedDecision) -> bool:
        return decision.expires_at_seconds > self._clock() and decision.generation == self._keys.generation

    async def _verify(self, authorization: bytes) -> _CachedDecision:
        token = parse_bearer_token(authorization)
        header = parse_token_header(token, self._policy.algorithms)
        if not self._keys.find_keys(header.kid, token):
            await self._keys.fetch_unknown_key(header.kid, token)
        generation, keys = self._keys.generation, self._keys.find_keys(header.kid, token)
        if not keys:
            raise UnauthenticatedError("unknown key")
        expires_at_seconds, grant = self._verify_with_keys(token, header.algorithm, keys)
        return _CachedDecision(grant, expires_at_seconds, generation)

    def _verify_with_keys(self, token: bytes, algorithm: str, keys: Sequence[VerifyingKey]) -> tuple[float, Grant]:
        """Return the expiry time and the grant of a token, by the first key that verifies it."""
        rejection: UnauthenticatedError | PermissionDeniedError = UnauthenticatedError("algorithm")
        for candidate in keys:
            key = candidate.by_algorithm.get(algorithm)
            if key is None:
                continue
            try:
                claims = verify_token_signature(token, algorithm, key)
                expires_at_seconds = validate_claims(claims, self._clock())
                return expires_at_seconds, self._policy.derive_grant(claims, candidate.issuer)
            except (UnauthenticatedError, PermissionDeniedError) as error:
                rejection = error
        raise rejection

    def _cache_decision(self, digest: bytes, decision: _CachedDecision) -> None:
        self._decisions.pop(digest, None)
        while len(self._decisions) >= self._max_cached_tokens:
            del self._decisions[next(iter(self._decisions))]
        self._decisions[digest] = decision


def build_key_source(settings: TokenSettings, count_failure: Callable[[], None] = lambda: None) -> KeySource | None:
    """Return the source of verification keys, None if no tokens are required.

    `count_failure` is called after each failed fetch of keys.
    """
    if settings.KEY is not None:
        return StaticKeySource(settings.KEY.get_secret_value(), settings.ALGORITHMS)
    if not settings.requires_tokens:
        return None
    return JwksKeySource(build_issuers(settings, count_failure))


def build_issuers(settings: TokenSettings, count_failure: Callable[[], None] = lambda: None) -> list[IssuerKeyCache]:
    """Return the issuers of ISSUER, or the only one of JWKS_URL, without fetching keys."""
    fetch_url = DocumentFetcher(settings.ISSUER_CA_FILE).fetch
    refresh_policy = KeyRefreshPolicy(settings.KEYS_REFRESH_INTERVAL)
    endpoints = [JwksEndpoint(issuer, settings.JWKS_URL) for issuer in settings.ISSUER or (None,)]
    return [
        IssuerKeyCache(endpoint, settings.ALGORITHMS, fetch_url, refresh_policy, count_failure)
        for endpoint in endpoints
    ]


def build_access_policy(settings: TokenSettings) -> AccessPolicy:
    """Return what the settings require of tokens; only the gateway grants clusters by role."""
    roles = settings.CLUSTER_ROLES if isinstance(settings, AccessSettings) else None
    return AccessPolicy(
        audience=settings.AUDIENCE or (),
        authorized_parties=settings.AUTHORIZED_PARTY or (),
        required_role=settings.REQUIRED_ROLE,
        cluster_roles=None if roles is None else dict(roles),
        algorithms=settings.ALGORITHMS,
    )


def _require_single_header(authorization: Sequence[bytes]) -> bytes:
    if len(authorization) != 1:
        raise UnauthenticatedError("several authorization headers" if authorization else "no token")
    return authorization[0]


def _compute_token_digest(authorization: bytes) -> bytes:
    """Return the cache key of a token: the token itself is not kept, and a long one takes no more memory."""
    return blake2b(authorization, digest_size=TOKEN_DIGEST_BYTES).digest()


def has_role(claims: Claims, role: Role) -> bool:
    """Return whether the claims contain a role of the realm or of a client, where Keycloak writes it."""
    if role.client is None:
        return role.name in _read_role_names(claims.get("realm_access"))
    clients = claims.get("resource_access")
    return isinstance(clients, Mapping) and role.name in _read_role_names(clients.get(role.client))


def _read_role_names(access: Any) -> frozenset[str]:
    roles = access.get("roles") if isinstance(access, Mapping) else None
    # A string is not a list of roles.
    return _collect_strings(roles) if isinstance(roles, list) else frozenset()


def _collect_strings(value: Any) -> frozenset[str]:
    members = value if isinstance(value, list) else [value]
    return frozenset(member for member in members if isinstance(member, str))
