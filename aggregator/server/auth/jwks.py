"""The keys that verify tokens: one static key, or key sets of issuers, found by OpenID Connect discovery.

Keys are fetched at startup, by age, and for an unknown key ID, at most one fetch at a time for each issuer. The last
keys are kept while an issuer is unavailable; before the first ones, tokens cannot be verified. A token never decides
which URL is fetched.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from aggregator.errors import (
    FileError,
    HttpError,
    HttpErrorKind,
    KeySetError,
    KeysUnavailableError,
)
from aggregator.observability.logs import get_logger
from aggregator.server.auth.jwt import (
    PublicKey,
    VerifyingKey,
    build_verifying_key,
    format_claim,
    read_unverified_issuer,
)
from aggregator.settings.auth import MIN_RSA_KEY_BITS
from aggregator.util.files import read_bounded_file
from aggregator.util.http_client import HttpClient

# Larger keys only make verification slow.
MAX_RSA_KEY_BITS = 16_384

_CURVES_BY_JWK_NAME: Mapping[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


DISCOVERY_PATH = "/.well-known/openid-configuration"

MAX_DOCUMENT_BYTES = 2**20

FETCH_TIMEOUT_SECONDS = 5.0

# Requests that wait for one fetch. Further ones are rejected at once.
MAX_WAITING_REQUESTS = 1000

MAX_LOGGED_KEY_IDS = 20

MAX_LOGGED_KEY_ID_CHARACTERS = 100

UrlFetcher = Callable[[str], Awaitable[bytes]]

_log = get_logger(__name__)


class KeySource(Protocol):
    """Where the guard finds keys."""

    @property
    def generation(self) -> int:
        """A number that increases when the keys change, so that cached decisions become invalid."""

    def find_keys(self, kid: str | None, token: bytes) -> Sequence[VerifyingKey]:
        """Return the keys that may verify a token with this key ID."""

    async def fetch_unknown_key(self, kid: str | None, token: bytes) -> None:
        """Fetch an unknown key, if a fetch is allowed; raise KeysUnavailableError if its issuer has no keys."""

    def ensure_keys_available(self) -> None:
        """Raise KeysUnavailableError if no token can be verified."""

    async def run(self) -> None:
        """Keep the keys current, until cancelled."""


class StaticKeySource:
    """The RSA key of the setting KEY; it verifies tokens with any key ID."""

    generation = 0

    def __init__(self, public_key_pem: str, algorithms: Iterable[str]) -> None:
        key = load_pem_public_key(public_key_pem.encode())
        if not isinstance(key, rsa.RSAPublicKey):
            raise KeySetError("not an RSA key")
        self._keys = (build_verifying_key(key, algorithms),)

    def find_keys(self, _kid: str | None, _token: bytes) -> Sequence[VerifyingKey]:
        """Return the key."""
        return self._keys

    async def fetch_unknown_key(self, kid: str | None, token: bytes) -> None:
        """Do nothing."""

    def ensure_keys_available(self) -> None:
        """Do nothing: the key is always available."""

    async def run(self) -> None:
        """Do nothing until cancelled: the key does not change."""
        await asyncio.Event().wait()


@dataclass(frozen=True)
class KeySet:
    """The usable keys of a JSON Web Key Set by key ID, and the IDs that belong to several different keys."""

    keys: Mapping[str, VerifyingKey]
    ambiguous_ids: frozenset[str] = frozenset()


def parse_key_set(body: bytes, algorithms: Sequence[str], issuer: str | None) -> KeySet:
    """Return the keys of a JSON Web Key Set that can verify tokens with these algorithms.

    Keys of other types and uses, short keys and keys without an ID are ignored. Entries with the same ID and the same
    key are one key for the algorithms of all of them; an ID of different keys is not used. Raises KeySetError if the
    body is not a key set.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetError("not JSON") from None
    jwks = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(jwks, list):
        raise KeySetError("not a key set")
    keys_by_id: dict[str, VerifyingKey] = {}
    ambiguous_ids: set[str] = set()
    for jwk in jwks:
        key = _parse_jwk(jwk, algorithms, issuer) if isinstance(jwk, dict) else None
        if key is not None:
            known = keys_by_id.setdefault(jwk["kid"], key)
            if known.public_numbers != key.public_numbers:
                ambiguous_ids.add(jwk["kid"])
            else:
                keys_by_id[jwk["kid"]] = replace(known, by_algorithm={**known.by_algorithm, **key.by_algorithm})
    usable_keys = {kid: key for kid, key in keys_by_id.items() if kid not in ambiguous_ids}
    return KeySet(usable_keys, frozenset(ambiguous_ids))


def _parse_jwk(jwk: Mapping[str, Any], algorithms: Sequence[str], issuer: str | None) -> VerifyingKey | None:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid or jwk.get("use", "sig") != "sig":
        return None
    try:
        key = _build_public_key(jwk)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    if key is None:
        return None
    # A key that names its algorithm is valid for that algorithm only.
    verifying_key = build_verifying_key(key, [name for name in algorithms if jwk.get("alg", name) == name], issuer)
    return verifying_key if verifying_key.by_algorithm else None


def _build_public_key(jwk: Mapping[str, Any]) -> PublicKey | None:
    if jwk.get("kty") == "RSA":
        modulus, exponent = _decode_base64url_integer(jwk["n"]), _decode_base64url_integer(jwk["e"])
        is_size_allowed = MIN_RSA_KEY_BITS <= modulus.bit_length() <= MAX_RSA_KEY_BITS and exponent.bit_length() <= 64
        return rsa.RSAPublicNumbers(exponent, modulus).public_key() if is_size_allowed else None
    if jwk.get("kty") == "EC":
        numbers = ec.EllipticCurvePublicNumbers(
            _decode_base64url_integer(jwk["x"]), _decode_base64url_integer(jwk["y"]), _CURVES_BY_JWK_NAME[jwk["crv"]]()
        )
        return numbers.public_key()
    return None


def _decode_base64url_integer(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@dataclass(frozen=True)
class DocumentFetcher:
    """Fetches the documents of issuers; `ca_file` holds the CA certificates, None means those of the system."""

    ca_file: str | None = None
    timeout_seconds: float = FETCH_TIMEOUT_SECONDS

    async def fetch(self, url: str) -> bytes:
        """Return the body of a response with status 200; raise KeySetError for others."""
        context = await asyncio.to_thread(self._create_ssl_context) if url.startswith("https:") else None
        client = HttpClient(
            deadline_seconds=self.timeout_seconds, max_response_bytes=MAX_DOCUMENT_BYTES, ssl_context=context
        )
        try:
            # The client does not limit the time of the lookup of a host name.
            async with asyncio.timeout(self.timeout_seconds):
                response = await asyncio.to_thread(client.get, url, {"Accept": "application/json"})
        except TimeoutError:
            raise KeySetError(HttpErrorKind.TIMEOUT.value) from None
        except HttpError as error:
            raise KeySetError(error.kind.value) from None
        finally:
            # Ends the thread if this task was cancelled.
            client.abort()
        if 300 <= response.status < 400:
            raise KeySetError("redirect")
        if response.status != 200:
            raise KeySetError(f"HTTP status {response.status}")
        return response.body

    def _create_ssl_context(self) -> ssl.SSLContext:
        """Return the context for one fetch: the file is read each time, because it may have changed."""
        if self.ca_file is None:
            return ssl.create_default_context()
        try:
            # Text outside of the certificates may hold any characters.
            return ssl.create_default_context(cadata=read_bounded_file(self.ca_file).decode("ascii", "ignore"))
        except (FileError, ssl.SSLError):
            raise KeySetError("no valid certificates in ISSUER_CA_FILE") from None


@dataclass(frozen=True)
class JwksEndpoint:
    """Where the key set of an issuer is: at `jwks_url`, or where its discovery document says."""

    issuer: str | None
    jwks_url: str | None = None

    @property
    def name(self) -> str:
        """The name of the endpoint in logs."""
        return self.issuer or self.jwks_url or ""


@dataclass(frozen=True)
class KeyRefreshPolicy:
    """When keys are fetched: by age, for unknown key IDs at most once per cooldown, and again after a failure."""

    refresh_seconds: float = 300.0
    cooldown_seconds: float = 30.0
    retry_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic


class IssuerKeyCache:
    """The keys of one issuer; `keys` is None until they have been fetched once."""

    def __init__(
        self,
        endpoint: JwksEndpoint,
        algorithms: Sequence[str],
        fetch_url: UrlFetcher,
        refresh_policy: KeyRefreshPolicy,
        count_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self.keys: Mapping[str, VerifyingKey] | None = None
        # Called when the keys have changed.
        self.on_change: Callable[[], None] = lambda: None
        self._last_body = b""
        self._algorithms = algorithms
        self._fetch_url = fetch_url
        self._refresh_policy = refresh_policy
        self._count_failure = count_failure
        self._consecutive_failures = 0
        self._fetch_task: asyncio.Task[None] | None = None
        self._waiting_requests = 0
        self._next_refetch_seconds = float("-inf")

    async def run(self) -> None:
        """Refetch the keys periodically until cancelled."""
        while True:
            await self._await_fetch()
            await asyncio.sleep(self.fetch_delay_seconds)

    @property
    def fetch_delay_seconds(self) -> float:
        """The pause before the next fetch; it grows with each failure."""
        if not self._consecutive_failures:
            return self._refresh_policy.retry_seconds if self.keys is None else self._refresh_policy.refresh_seconds
        backoff_seconds = self._refresh_policy.retry_seconds * 2.0 ** min(self._consecutive_failures - 1, 10)
        return min(backoff_seconds, self._refresh_policy.cooldown_seconds, self._refresh_policy.refresh_seconds)

    async def refetch(self) -> None:
        """Fetch the keys for an unknown key ID, or join the fetch in progress, if `can_refetch` allows it."""
        if not self.can_refetch():
            return
        if self._fetch_task is None:
            self._next_refetch_seconds = self._refresh_policy.clock() + self._refresh_policy.cooldown_seconds
        self._waiting_requests += 1
        try:
            await self._await_fetch()
        finally:
            self._waiting_requests -= 1

    def can_refetch(self) -> bool:
        """Return whether `refetch` would do anything."""
        if self._waiting_requests >= MAX_WAITING_REQUESTS:
            return False
        return self._fetch_task is not None or self._refresh_policy.clock() >= self._next_refetch_seconds

    async def _await_fetch(self) -> None:
        if self._fetch_task is None:
            self._fetch_task = asyncio.create_task(self._fetch(), name="keys")
        # Shielded: a caller that is cancelled must not cancel the fetch of all others.
        await asyncio.shield(self._fetch_task)

    async def _fetch(self) -> None:
        try:
            await self._store_keys(await self.fetch_key_set())
            self._consecutive_failures = 0
        except KeySetError as error:
            self._record_failure(error.reason, **error.details)
        except Exception:  # noqa: BLE001 - after any error the last keys are still valid
            _log.exception("unexpected error while fetching keys", issuer=self.endpoint.name)
            self._record_failure("internal error")
        finally:
            self._fetch_task = None

    async def fetch_key_set(self) -> bytes:
        """Return the key set that the issuer publishes now; raise KeySetError if it cannot be fetched."""
        return await self._fetch_url(self.endpoint.jwks_url or await self._discover_jwks_url())

    async def _discover_jwks_url(self) -> str:
        """Return the URL of the key set from the discovery document of the issuer."""
        issuer = self.endpoint.issuer or ""
        try:
            document = json.loads(await self._fetch_url(issuer.rstrip("/") + DISCOVERY_PATH))
        except (ValueError, RecursionError):
            raise KeySetError("not JSON") from None
        issuer_in_document = document.get("issuer") if isinstance(document, dict) else None
        if issuer_in_document != issuer:
            raise KeySetError("different issuer", issuer_in_document=format_claim(issuer_in_document))
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not _is_jwks_url_allowed(issuer, url):
            raise KeySetError("no key set URL")
        return url

    async def _store_keys(self, body: bytes) -> None:
        if self.keys is None or body != self._last_body:
            # Parsing thousands of keys takes a while, and requests must not wait for it.
            key_set = await asyncio.to_thread(parse_key_set, body, self._algorithms, self.endpoint.issuer)
            self.keys, self._last_body = key_set.keys, body
            self.on_change()
            self._log_key_set(key_set)
        elif self._consecutive_failures:
            _log.info("key fetch recovered", issuer=self.endpoint.name)

    def _log_key_set(self, key_set: KeySet) -> None:
        keys = key_set.keys
        log = _log.info if keys else _log.warning
        log("keys fetched", issuer=self.endpoint.name, count=len(keys), key_ids=_format_key_ids(keys))
        if key_set.ambiguous_ids:
            _log.warning(
                "key IDs ignored",
                issuer=self.endpoint.name,
                reason="each belongs to several different keys",
                key_ids=_format_key_ids(key_set.ambiguous_ids),
            )

    def _record_failure(self, reason: str, **details: str) -> None:
        self._consecutive_failures += 1
        self._count_failure()
        consequence = "no tokens can be verified" if self.keys is None else "the last keys remain in use"
        _log.warning("keys not fetched", issuer=self.endpoint.name, reason=reason, **details, consequence=consequence)


def _format_key_ids(key_ids: Iterable[str]) -> list[str]:
    """Return the first key IDs for a log line.

    Of a long one only the length: redaction does not recognize a part of a secret.
    """
    sorted_ids = sorted(key_ids)[:MAX_LOGGED_KEY_IDS]
    return [kid if len(kid) <= MAX_LOGGED_KEY_ID_CHARACTERS else f"({len(kid)} characters)" for kid in sorted_ids]


def _is_jwks_url_allowed(issuer: str, url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_allowed_http = parts.scheme == "http" and urlsplit(issuer).scheme == "http"
    return bool(parts.hostname) and (parts.scheme == "https" or is_allowed_http) and url.isascii() and url.isprintable()


class JwksKeySource:
    """The keys of all configured issuers."""

    def __init__(self, issuers: Iterable[IssuerKeyCache]) -> None:
        self._issuers = tuple(issuers)
        # Increases when the keys of any issuer change.
        self.generation = 0
        for issuer in self._issuers:
            issuer.on_change = self._increment_generation

    def _increment_generation(self) -> None:
        self.generation += 1

    def find_keys(self, kid: str | None, token: bytes) -> Sequence[VerifyingKey]:
        """Return the keys with this ID, at most one per issuer.

        Several issuers may use the same ID. A token that names a configured issuer gets only the key of that one,
        which may not be fetched yet.
        """
        if kid is None:
            return ()
        matching_keys = [key for issuer in self._issuers if issuer.keys and (key := issuer.keys.get(kid)) is not None]
        if matching_keys and len(self._issuers) > 1:
            claimed_issuer = read_unverified_issuer(token)
            if any(issuer.endpoint.issuer == claimed_issuer for issuer in self._issuers):
                return [key for key in matching_keys if key.issuer == claimed_issuer]
        return matching_keys

    async def fetch_unknown_key(self, kid: str | None, token: bytes) -> None:
        """Fetch the keys of the issuer that the token names, unless they were fetched a moment ago.

        Raises KeysUnavailableError if the keys of this issuer have never been fetched.
        """
        # Claims are decoded only if that matters: invalid tokens may be frequent.
        refetchable = [issuer for issuer in self._issuers if kid is not None and issuer.can_refetch()]
        if not refetchable and all(issuer.keys is not None for issuer in self._issuers):
            return
        claimed_issuer = read_unverified_issuer(token)
        for issuer in refetchable:
            if issuer.endpoint.issuer in (None, claimed_issuer):
                await issuer.refetch()
        for issuer in self._issuers:
            if issuer.keys is None and issuer.endpoint.issuer in (None, claimed_issuer):
                raise KeysUnavailableError("keys missing", issuer.fetch_delay_seconds)

    def ensure_keys_available(self) -> None:
        """Raise KeysUnavailableError if no keys of any issuer have been fetched yet."""
        if all(issuer.keys is None for issuer in self._issuers):
            raise KeysUnavailableError("no keys to verify tokens yet")

    async def run(self) -> None:
        """Keep the keys of all issuers current, until cancelled."""
        await asyncio.gather(*(issuer.run() for issuer in self._issuers))
