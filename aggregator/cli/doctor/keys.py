"""Check of the keys that verify tokens: whether each issuer publishes usable ones."""

import asyncio
from collections.abc import Iterable

from aggregator.cli.doctor.report import Finding
from aggregator.errors import KeySetError
from aggregator.server.auth.guard import build_issuers
from aggregator.server.auth.jwks import IssuerKeyCache, parse_key_set
from aggregator.settings.gateway import Settings


def check_keys(settings: Settings) -> list[Finding]:
    """Return a finding for each issuer without usable keys; none with KEY, and without tokens."""
    if settings.KEY is not None or not settings.requires_tokens:
        return []
    return list(asyncio.run(_check_issuers(build_issuers(settings), settings)))


async def _check_issuers(issuers: Iterable[IssuerKeyCache], settings: Settings) -> Iterable[Finding]:
    checks = await asyncio.gather(*(_check_issuer(issuer, settings) for issuer in issuers))
    return (finding for finding in checks if finding is not None)


async def _check_issuer(issuer: IssuerKeyCache, settings: Settings) -> Finding | None:
    endpoint = issuer.endpoint
    try:
        key_set = parse_key_set(await issuer.fetch_key_set(), settings.ALGORITHMS, endpoint.issuer)
    except KeySetError as error:
        setting = "ISSUER" if endpoint.jwks_url is None else "JWKS_URL"
        return Finding(
            "keys-not-fetched",
            f"no keys of {endpoint.name}: {error.reason}",
            f"check {setting}, and ISSUER_CA_FILE for a private CA; without keys, no token is accepted",
        )
    if not key_set.keys:
        return Finding(
            "no-usable-keys",
            f"no key of {endpoint.name} is usable with ALGORITHMS={','.join(settings.ALGORITHMS)}",
            "set ALGORITHMS to what the realm signs tokens with, or add a key of at least 2048 bits to the realm",
        )
    return None
