"""The keys of issuers: fetched at the start, by age, and when a token names one that is not known.

One fetch at a time for each issuer. What was fetched last stays while the issuer is away; before the first
time, tokens cannot be judged. A token never decides where anything is fetched from.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aggregator.errors import AccessError, KeySetError, KeysMissingError, TokenRefusedError
from aggregator.logs import logger
from aggregator.server.keys import key_set
from aggregator.server.tokens import VerifyingKey, claimed_issuer

DISCOVERY = "/.well-known/openid-configuration"
# Requests that wait for one fetch; those beyond are answered at once.
MOST_WAITING = 1000
# Ids of keys that are logged, and characters of each.
MOST_TOLD = 20
MOST_TOLD_CHARACTERS = 100

Get = Callable[[str], Awaitable[bytes]]
Count = Callable[[str], None]

_log = logger(__name__)


@dataclass(frozen=True)
class Place:
    """Where an issuer's keys are: at a URL of their own, or where its discovery document says."""

    issuer: str | None
    jwks_url: str | None = None

    @property
    def name(self) -> str:
        """What the log calls it."""
        return self.issuer or self.jwks_url or ""


@dataclass(frozen=True)
class KeyPace:
    """When keys are fetched: by age, because of unknown ids, and again after the first failure."""

    refresh_seconds: float = 300.0
    cooldown_seconds: float = 30.0
    retry_seconds: float = 1.0
    clock: Callable[[], float] = time.monotonic


class Issuer:
    """The keys of one issuer."""

    def __init__(
        self, place: Place, algorithms: Sequence[str], get: Get, pace: KeyPace, count: Count = lambda _reason: None
    ) -> None:
        self.place = place
        self.keys: Mapping[str, VerifyingKey] | None = None
        # Called when the keys have changed.
        self.changed: Callable[[], None] = lambda: None
        self._body = b""
        self._algorithms = algorithms
        self._get = get
        self._pace = pace
        self._count = count
        self._failures = 0
        self._under_way: asyncio.Task[None] | None = None
        self._waiting = 0
        self._may_ask_at = float("-inf")

    async def run(self) -> None:
        """Fetch by age for ever; after a failure sooner, with pauses that grow."""
        while True:
            await self._join()
            await asyncio.sleep(self.pause_seconds)

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next fetch."""
        if not self._failures:
            return self._pace.retry_seconds if self.keys is None else self._pace.refresh_seconds
        growing = self._pace.retry_seconds * 2.0 ** min(self._failures - 1, 10)
        return min(growing, self._pace.cooldown_seconds, self._pace.refresh_seconds)

    async def look_again(self) -> None:
        """Fetch because of an id that is not known, or wait for the fetch under way; not more often than allowed."""
        if self._waiting >= MOST_WAITING:
            return
        if self._under_way is None:
            if self._pace.clock() < self._may_ask_at:
                return
            self._may_ask_at = self._pace.clock() + self._pace.cooldown_seconds
        self._waiting += 1
        try:
            await self._join()
        finally:
            self._waiting -= 1

    def may_look_again(self) -> bool:
        """Return whether `look_again` would do anything."""
        if self._waiting >= MOST_WAITING:
            return False
        return self._under_way is not None or self._pace.clock() >= self._may_ask_at

    async def _join(self) -> None:
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._fetch(), name="keys")
        # Shielded: a caller that goes away must not take the fetch of all others with it.
        await asyncio.shield(self._under_way)

    async def _fetch(self) -> None:
        try:
            await self._take(await self._get(self.place.jwks_url or await self._discovered()))
            self._failures = 0
        except KeySetError as failed:
            self._failed(failed.reason)
        except Exception:  # noqa: BLE001 - whatever broke, the last keys are still good
            _log.exception("fetching keys broke")
            self._failed("internal")
        finally:
            self._under_way = None

    async def _discovered(self) -> str:
        """Return where the issuer says that its keys are."""
        issuer = self.place.issuer or ""
        try:
            document = json.loads(await self._get(issuer.rstrip("/") + DISCOVERY))
        except (ValueError, RecursionError):
            raise KeySetError("not JSON") from None
        if not isinstance(document, dict) or document.get("issuer") != issuer:
            raise KeySetError("another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not _leads_as_safely(issuer, url):
            raise KeySetError("no place of keys")
        return url

    async def _take(self, body: bytes) -> None:
        if self.keys is None or body != self._body:
            # Thousands of keys take a while to read, on a thread: no request waits for it.
            keys = await asyncio.to_thread(key_set, body, self._algorithms, self.place.issuer)
            self.keys, self._body = keys, body
            self.changed()
            log = _log.info if keys else _log.warning
            log("keys fetched", issuer=self.place.name, number=len(keys), keys=_told(keys))
        elif self._failures:
            _log.info("keys fetched again", issuer=self.place.name)

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._count(reason)
        serving = "no token" if self.keys is None else "tokens of the keys of before"
        _log.warning("keys not fetched", issuer=self.place.name, reason=reason, serving=serving)


def _told(ids: Iterable[str]) -> list[str]:
    """Return the ids as a line of the log may hold them: few, and each short.

    Of a long one only its length: a part of what may be a secret is not recognized as one.
    """
    told = sorted(ids)[:MOST_TOLD]
    return [kid if len(kid) <= MOST_TOLD_CHARACTERS else f"({len(kid)} characters)" for kid in told]


def _leads_as_safely(issuer: str, url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_plain = parts.scheme == "http" and urlsplit(issuer).scheme == "http"
    return bool(parts.hostname) and (parts.scheme == "https" or is_plain) and url.isascii() and url.isprintable()


class IssuerKeys:
    """The keys of all issuers that were configured."""

    def __init__(self, issuers: Iterable[Issuer]) -> None:
        self._issuers = tuple(issuers)
        # How often the keys of any issuer have changed; asked for with each request that bears a token.
        self.generation = 0
        for issuer in self._issuers:
            issuer.changed = self._count_change

    def _count_change(self) -> None:
        self.generation += 1

    def find(self, kid: str | None, token: bytes) -> Sequence[VerifyingKey]:
        """Return the keys of this id, one an issuer at most.

        Another issuer may use the same id: a token that says it is from one of ours can only mean that one's, which
        may still have to be fetched.
        """
        if kid is None:
            return ()
        found = [key for issuer in self._issuers if issuer.keys and (key := issuer.keys.get(kid)) is not None]
        if found and len(self._issuers) > 1:
            claimed = claimed_issuer(token)
            if any(issuer.place.issuer == claimed for issuer in self._issuers):
                return [key for key in found if key.issuer == claimed]
        return found

    async def learn(self, kid: str | None, token: bytes) -> None:
        """Ask the issuer that the token says it is from, if it may be asked again by now."""
        for issuer in self._that_may_be_asked(kid, token):
            await issuer.look_again()

    def _that_may_be_asked(self, kid: str | None, token: bytes) -> Sequence[Issuer]:
        if kid is None:
            return ()
        # Claims are read only where that matters: strangers may knock often.
        ready = [issuer for issuer in self._issuers if issuer.may_look_again()]
        claimed = claimed_issuer(token) if ready else None
        return [issuer for issuer in ready if issuer.place.issuer in (None, claimed)]

    def why_unknown(self, token: bytes) -> AccessError:
        """Return a refusal, or that the token cannot be judged: its issuer's keys were never had."""
        without = [issuer for issuer in self._issuers if issuer.keys is None]
        claimed = claimed_issuer(token) if without else None
        for issuer in without:
            if issuer.place.issuer in (None, claimed):
                return KeysMissingError("keys missing", issuer.pause_seconds)
        return TokenRefusedError("unknown key")

    def why_hopeless(self, kid: str | None, token: bytes) -> AccessError | None:
        """Return why the token is refused if its key is not known and nobody may be asked for it by now."""
        # Mostly nobody can help, which these looks tell without the lists that follow: strangers may knock often.
        for issuer in self._issuers:
            if issuer.may_look_again() or (issuer.keys and kid in issuer.keys):
                if self.find(kid, token) or self._that_may_be_asked(kid, token):
                    return None
                break
        return self.why_unknown(token)

    def require(self) -> None:
        """Raise KeysMissingError while no issuer's keys were ever had."""
        if all(issuer.keys is None for issuer in self._issuers):
            raise KeysMissingError("no keys to check tokens with yet")

    async def run(self) -> None:
        """Keep all of them current for ever."""
        await asyncio.gather(*(issuer.run() for issuer in self._issuers))
