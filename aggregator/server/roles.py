"""What the claims of a verified token open: whose tokens, for whom, with which role, and which clusters they show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aggregator.errors import NotAllowedError, TokenRefusedError
from aggregator.grants import EVERYTHING, Grant
from aggregator.server.tokens import Claims
from aggregator.settings.roles import Role


@dataclass(frozen=True)
class Policy:
    """What is asked of a token beside its signature and times; what is empty or None is not asked for.

    `cluster_roles` maps roles to patterns of the clusters that they show.
    """

    audience: tuple[str, ...] = ()
    authorized_parties: tuple[str, ...] = ()
    required_role: Role | None = None
    cluster_roles: Mapping[Role, tuple[str, ...]] | None = None

    def grant(self, claims: Claims, issuer: str | None) -> Grant:
        """Return what the claims open; `issuer` is whose key verified them, None where that is open."""
        if issuer is not None and claims.get("iss") != issuer:
            raise TokenRefusedError("issuer")
        if self.audience and not _texts(claims.get("aud")).intersection(self.audience):
            raise TokenRefusedError("audience")
        if self.authorized_parties and claims.get("azp") not in self.authorized_parties:
            raise TokenRefusedError("authorized party")
        if self.required_role is not None and not has_role(claims, self.required_role):
            raise NotAllowedError("role")
        return EVERYTHING if self.cluster_roles is None else self._clusters(claims, self.cluster_roles)

    def _clusters(self, claims: Claims, cluster_roles: Mapping[Role, tuple[str, ...]]) -> Grant:
        held = [patterns for role, patterns in cluster_roles.items() if has_role(claims, role)]
        if not held:
            raise NotAllowedError("no role for any cluster")
        patterns = frozenset(pattern for several in held for pattern in several)
        return EVERYTHING if "*" in patterns else Grant(patterns)


NOTHING_MORE = Policy()


def has_role(claims: Claims, role: Role) -> bool:
    """Return whether the claims hold a role, where Keycloak writes it: of the realm, or of a client."""
    if role.client is None:
        return role.name in _roles(claims.get("realm_access"))
    clients = claims.get("resource_access")
    return isinstance(clients, Mapping) and role.name in _roles(clients.get(role.client))


def _roles(access: Any) -> frozenset[str]:
    roles = access.get("roles") if isinstance(access, Mapping) else None
    # Here a text alone would be no list of roles.
    return _texts(roles) if isinstance(roles, list) else frozenset()


def _texts(value: Any) -> frozenset[str]:
    members = value if isinstance(value, list) else [value]
    return frozenset(member for member in members if isinstance(member, str))
