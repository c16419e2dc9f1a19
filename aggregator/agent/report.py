"""Reports to masters, in the format of the Haven node agent. Each master is told independently of the others."""

import asyncio
import gzip
import json
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from aggregator import __version__
from aggregator.agent.collect import Collection, ContainerReading
from aggregator.agent.host import CpuLoadMeter, HostFacts
from aggregator.exposition.accept import TEXT_0_0_4
from aggregator.observability.logs import get_logger
from aggregator.util.client_errors import describe_client_error

# For one report, including the collection and the page.
REPORT_TIMEOUT_SECONDS = 10.0
# For the message to a master that this node stops.
FAREWELL_TIMEOUT_SECONDS = 2.0
# The interval varies by this part, so that nodes that started together do not report together.
JITTER = 0.1
# After the first failure, so that one lost report does not let the ttl of two intervals pass. Later ones wait for a
# whole interval: a master that starts again expects all nodes within their ttl.
RETRY_INTERVALS = 0.5
SECRET_HEADER = "X-Auth-Node"  # noqa: S105 - the name of a header
# Masters that send it understand more than reports.
VERSION_HEADER = "Aggregator-Version"
_LOOPBACK_INTERFACE = "lo"

_log = get_logger(__name__)


@dataclass(frozen=True)
class ReportSource:
    """Facts that are equal in all reports. `name` is NODE_NAME, "" for the name of the Engine.

    `address` is the host and port at which a master can reach the Engine or, if it has only a socket, the agent.
    `metrics_port` is None if the agent listens where the master cannot reach it.
    """

    name: str
    host_name: str
    address: str
    boot_id: str
    metrics_scheme: str
    metrics_port: int | None


@dataclass(frozen=True)
class Report:
    """A report that is ready to be sent."""

    name: str
    document: dict[str, Any]

    def encode(self) -> bytes:
        """Return the JSON of the report."""
        return json.dumps(self.document).encode()


def build_report(
    source: ReportSource, collection: Collection, cpu_load_percent: float, sequence: int, now: datetime | None = None
) -> Report:
    """Return the report of a collection. Without an Engine it has no containers, and the name of the host."""
    now = now or datetime.now(UTC)
    name = source.name or (collection.engine.name if collection.engine else "") or source.host_name
    labels = collection.engine.labels if collection.engine else ()
    document = {
        # Old masters parse nothing else than local time without a zone.
        "time": now.astimezone().replace(tzinfo=None).isoformat(timespec="microseconds"),
        "id": name,
        "name": name,
        "address": source.address,
        "containers": [_describe_container(reading) for reading in collection.containers],
        "labels": dict(_split_label(label) for label in labels),
        "system": _describe_system(collection.host, cpu_load_percent),
        # Masters that do not know these ignore them.
        "timeUtc": now.astimezone(UTC).isoformat(timespec="microseconds"),
        "bootId": source.boot_id,
        "sequence": sequence,
        "agent": f"aggregator/{__version__}",
    }
    if source.metrics_port is not None:
        document["metrics"] = {"scheme": source.metrics_scheme, "port": source.metrics_port, "path": "/metrics"}
    return Report(name, document)


def _describe_container(reading: ContainerReading) -> dict[str, Any]:
    container = reading.container
    labels = dict(container.labels) if container.labels is not None else None
    return {"id": container.id, "name": container.name, "image": container.image, "labels": labels}


def _split_label(label: str) -> tuple[str, str]:
    key, _, value = label.partition("=")
    return key, value


def _describe_system(host: HostFacts | None, cpu_load_percent: float) -> dict[str, Any]:
    if host is None:
        return {"cpuLoad": cpu_load_percent}
    return {
        "cpuLoad": cpu_load_percent,
        "memory": {
            "total": host.memory_total_bytes,
            "available": host.memory_available_bytes,
            "used": host.memory_used_bytes,
        },
        "disks": {each.mount_point: {"total": each.size_bytes, "used": each.used_bytes} for each in host.file_systems},
        "net": {
            each.name: {"bytesOut": each.transmit_bytes, "bytesIn": each.receive_bytes}
            for each in host.interfaces
            if each.name != _LOOPBACK_INTERFACE
        },
    }


@dataclass(frozen=True)
class ReportOptions:
    """How reports are sent; `render_page` returns the page that follows each report, None for no page."""

    interval_seconds: float
    secret: str | None = None
    ssl_context: ssl.SSLContext | None = None
    render_page: Callable[[Collection], bytes] | None = None
    # Replaced in tests.
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
    read_cpu_load: Callable[[], float] = field(default_factory=lambda: CpuLoadMeter().read_percent)

    @property
    def ttl_seconds(self) -> int:
        """For how long a report is valid: two intervals."""
        return max(1, round(2 * self.interval_seconds))


class ReportError(Exception):
    """A master did not accept a report; the text says why."""


class MasterReporter:
    """Sends reports to one master, at a base URL such as http://host:8761."""

    def __init__(
        self,
        master_url: str,
        source: ReportSource,
        collect: Callable[[], Awaitable[Collection]],
        options: ReportOptions,
        record_report: Callable[[bool], None] = lambda _is_successful: None,
    ) -> None:
        self.master = urlsplit(master_url).netloc
        self._master_url = master_url
        self._source = source
        self._collect = collect
        self._options = options
        self._record_report = record_report
        self._sequence = 0
        self._failures = 0
        # Under which the master knows this node, if it understands a farewell.
        self._registered_name: str | None = None
        self._read_cpu_load = options.read_cpu_load

    async def run(self) -> None:
        """Send reports until cancelled."""
        async with self._open_session() as session:
            while True:
                started = time.monotonic()
                await self.send_report(session)
                await self._options.sleep(max(0.0, self._compute_pause() - (time.monotonic() - started)))

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._options.ssl_context or True)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    def _compute_pause(self) -> float:
        """Return the time from the start of one report to the next."""
        intervals = RETRY_INTERVALS if self._failures == 1 else 1.0
        return self._options.interval_seconds * intervals * (1 - JITTER + 2 * JITTER * self._options.random())

    async def send_report(self, session: aiohttp.ClientSession) -> None:
        """Collect and send one report; log the first failure, and the first success after it."""
        self._sequence += 1
        try:
            async with asyncio.timeout(REPORT_TIMEOUT_SECONDS):
                await self._send(session)
        except (aiohttp.ClientError, OSError, ReportError) as error:
            self._failures += 1
            self._record_report(False)
            log_event = _log.warning if self._failures == 1 else _log.debug
            log_event("report failed", master=self.master, reason=describe_client_error(error))
            return
        self._record_report(True)
        if self._failures or self._sequence == 1:
            _log.info("report accepted", master=self.master)
        self._failures = 0

    async def _send(self, session: aiohttp.ClientSession) -> None:
        collection = await self._collect()
        report = build_report(self._source, collection, self._read_cpu_load(), self._sequence)
        body = report.encode()
        _log.debug("sending report", master=self.master, bytes=len(body), sequence=self._sequence)
        async with session.post(
            self._build_url("/discovery/nodes/", report.name),
            data=body,
            params={"ttl": str(self._options.ttl_seconds)},
            headers={"Content-Type": "application/json", **self._build_secret_header()},
            allow_redirects=False,
        ) as response:
            await self._check_response(response)
            self._registered_name = report.name if VERSION_HEADER in response.headers else None
        if self._options.render_page is not None:
            await self._push_page(session, report.name, self._options.render_page(collection))

    async def _push_page(self, session: aiohttp.ClientSession, name: str, page: bytes) -> None:
        async with session.put(
            self._build_url("/api/v1/registrations/", name) + "/page",
            data=gzip.compress(page, 6),
            params={"ttl": str(self._options.ttl_seconds)},
            headers={"Content-Type": TEXT_0_0_4, "Content-Encoding": "gzip", **self._build_secret_header()},
            allow_redirects=False,
        ) as response:
            if response.status not in (200, 204):
                raise ReportError(f"the master refused the page: HTTP {response.status}")

    async def _check_response(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 401:
            raise ReportError("the master requires authorization: set MASTER_SECRET to its secret")
        if response.status != 200:
            raise ReportError(f"HTTP {response.status}")

    def _build_url(self, prefix: str, name: str) -> str:
        return f"{self._master_url}{prefix}{quote(name, safe='')}"

    def _build_secret_header(self) -> dict[str, str]:
        return {SECRET_HEADER: self._options.secret} if self._options.secret else {}

    async def say_farewell(self) -> None:
        """Tell the master that this node stops, if it understands that. An old master forgets it after the ttl."""
        if self._registered_name is None:
            return
        try:
            async with asyncio.timeout(FAREWELL_TIMEOUT_SECONDS), self._open_session() as session:
                url = self._build_url("/discovery/nodes/", self._registered_name)
                async with session.delete(url, headers=self._build_secret_header(), allow_redirects=False) as response:
                    _log.debug("farewell sent", master=self.master, status=response.status)
        except (aiohttp.ClientError, OSError) as error:
            _log.debug("farewell failed", master=self.master, reason=describe_client_error(error))
