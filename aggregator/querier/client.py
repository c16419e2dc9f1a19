"""One exchange with Prometheus: a PromQL expression out, the bytes of its answer in, within bounds.

Built on prometheus-api-client; docs/decisions/0003-prometheus-api-client.md tells what its defaults
would do (no time limit, four requests for one refusal) and why an adapter of ours is mounted instead.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import requests.auth
from prometheus_api_client import PrometheusConnect

from aggregator import __version__
from aggregator.errors import NotListeningError, QueryError, RefusedError, UnreachableError
from aggregator.querier.access import NO_ACCESS, Access, Bearer, Files, Nobody, Session
from aggregator.querier.adapter import BoundedAdapter
from aggregator.querier.thanos import STORES_PATH, Dialect, lists_stores
from aggregator.querier.translation import FOREIGN, translated
from aggregator.secrets import Secrets

# A host that does not even answer to a connection is not going to.
CONNECT_SECONDS = 3.0
# The question who answers is asked in passing.
PROBE_SECONDS = 2.0


@dataclass(frozen=True)
class Address:
    """Where the upstream is: its base URL without credentials, and the credentials apart.

    `name` is what it is called, `cluster` the cluster of its series that do not tell theirs; "" for none.
    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    name: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Limits:
    """What one exchange may take: seconds for the query, seconds without a sign of life, bytes; and how many at once.

    An answer that keeps coming, however slowly, is ended by the deadline of the refresh (`querier.gather`).
    """

    query_seconds: float
    answer_bytes: int
    connections: int


@dataclass(frozen=True)
class Page:
    """What stands at a path: its bytes, and the headers that came with them, whatever their letters' case."""

    body: bytes
    headers: Mapping[str, str]


class Client:
    """Asks one Prometheus or Thanos, from several threads at once. None of `secrets` is in the text of an error."""

    def __init__(
        self,
        address: Address,
        limits: Limits,
        access: Access = NO_ACCESS,
        dialect: Dialect | None = None,
        secrets: Secrets | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.secrets = secrets or Secrets()
        self._limits = limits
        self._sleep = sleep
        self._dialect = dialect or Dialect()
        self._files = Files(access.tls_files)
        self._adapter = BoundedAdapter(limits.answer_bytes, limits.connections, self.secrets)
        self._session = _session(access)
        self._url = address.url
        self._credentials = _credentials(address, access, self.secrets)
        self._prometheus = PrometheusConnect(url=address.url, session=self._session, auth=self._credentials)
        # The constructor mounts a retrying adapter without limits: ours takes the place of every one.
        self._session.adapters.clear()
        self._session.mount("http://", self._adapter)
        self._session.mount("https://", self._adapter)

    def ask(self, promql: str, at_seconds: float) -> bytes:
        """Return the body of the answer to `promql` at one point in time; raise a QueryError if there is none.

        A refused connection is tried once more, after a short pause of random length. Nothing else is.
        """
        breaks = self._adapter.breaks
        try:
            return self._ask_once(promql, at_seconds, breaks)
        except NotListeningError:
            self._sleep(random.uniform(0.05, 0.15))  # noqa: S311 - spreads load, guards nothing
            return self._ask_once(promql, at_seconds, breaks)

    def look(self, path: str, parameters: Mapping[str, str] | None = None) -> Page:
        """Return what stands at a path of the upstream, beside its queries; raise a QueryError if nothing does."""
        seconds = min(self._limits.query_seconds, PROBE_SECONDS)
        try:
            answer = self._session.get(
                self._url + path, params=parameters, auth=self._credentials, timeout=(seconds, seconds)
            )
        except QueryError:
            raise
        except FOREIGN as error:
            raise translated(error, self.secrets) from error
        return Page(answer.content, answer.headers)

    def abort(self) -> None:
        """Break every open connection, so that whoever is in the middle of `ask` gives up at once."""
        self._adapter.abort()

    def close(self) -> None:
        """Let go of idle connections."""
        self._prometheus.close()

    def _ask_once(self, promql: str, at_seconds: float, breaks: int) -> bytes:
        if self._files.have_changed():
            # Connections that stand were made with the files of before.
            self._adapter.forget()
        seconds = self._limits.query_seconds
        params = {"time": f"{at_seconds:.3f}", "timeout": f"{seconds:g}s"}
        params.update(self._dialect.parameters(at_seconds, self._is_thanos))
        # All queries wait while the first finds out who answers: what was broken off then is not begun anew.
        if self._adapter.breaks != breaks:
            raise UnreachableError("broken off")
        try:
            # Prometheus gives up by itself after `timeout`; a second more lets its word of that arrive.
            body: bytes = self._prometheus.custom_query(
                promql, params=params, timeout=(min(seconds, CONNECT_SECONDS), seconds + 1)
            )
        except QueryError as error:
            self._doubt(error)
            raise
        except FOREIGN as error:
            self._dialect.doubt()
            raise translated(error, self.secrets) from error
        self._dialect.confirm()
        return body

    def _doubt(self, error: QueryError) -> None:
        # A query that was refused for what it asks tells nothing about who refused it.
        if not (isinstance(error, RefusedError) and error.status in (400, 422)):
            self._dialect.doubt()

    def _is_thanos(self) -> bool | None:
        """Return whether the upstream is Thanos, None if it does not tell."""
        try:
            return lists_stores(self.look(STORES_PATH).body)
        except RefusedError as error:
            return False if error.status in (400, 404, 405) else None
        except QueryError:
            # Whatever is wrong, the queries will tell.
            return None


def _session(access: Access) -> Session:
    session = Session()
    # On a fast link Prometheus' gzip takes longer than the bytes that it saves.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"aggregator/{__version__}"})
    session.headers.update(dict(access.headers))
    # Upstreams that have moved may say so once; more is a loop, and each query would run through it.
    session.max_redirects = 1
    if access.ca_file:
        session.verify = access.ca_file
    if access.certificate_file:
        session.cert = (access.certificate_file, access.key_file)
    return session


def _credentials(address: Address, access: Access, secrets: Secrets) -> requests.auth.AuthBase:
    if address.user is not None:
        # As bytes: text would have to be Latin-1.
        return requests.auth.HTTPBasicAuth(address.user.encode(), (address.password or "").encode())
    return Bearer(access, secrets) if access.token or access.token_file else Nobody()
