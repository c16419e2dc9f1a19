"""From the settings to what the guard works with: whose keys are believed, and what is asked of tokens."""

from aggregator.server.auth import Rules
from aggregator.server.issuers import Count, Issuer, IssuerKeys, KeyPace, Place
from aggregator.server.key_fetch import Fetching
from aggregator.server.keys import Keys, StaticKeys
from aggregator.server.roles import Policy
from aggregator.settings import Settings


def keys_of(settings: Settings, count: Count = lambda _reason: None) -> Keys | None:
    """Return where keys come from, None where no tokens are asked for; `count` is told why a fetch brought none."""
    if settings.KEY is not None:
        return StaticKeys(settings.KEY.get_secret_value(), settings.ALGORITHMS)
    if not settings.asks_for_tokens:
        return None
    get = Fetching(settings.ISSUER_CA_FILE).get
    pace = KeyPace(settings.KEYS_REFRESH_INTERVAL)
    places = [Place(issuer, settings.JWKS_URL) for issuer in settings.ISSUER or (None,)]
    return IssuerKeys(Issuer(place, settings.ALGORITHMS, get, pace, count) for place in places)


def rules_of(settings: Settings) -> Rules:
    """Return what is asked of tokens."""
    roles = settings.CLUSTER_ROLES
    policy = Policy(
        audience=settings.AUDIENCE or (),
        authorized_parties=settings.AUTHORIZED_PARTY or (),
        required_role=settings.REQUIRED_ROLE,
        cluster_roles=None if roles is None else dict(roles),
    )
    return Rules(settings.ALGORITHMS, policy)
