"""The process of the agent: builds its parts from the settings, serves and reports until a stop signal."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from aggregator import __version__
from aggregator.agent import host
from aggregator.agent.access import TokenCheck
from aggregator.agent.app import AgentServices, create_agent_app
from aggregator.agent.collect import Collection, Collector
from aggregator.agent.page import PageWriter
from aggregator.agent.process_metrics import ProcessMetrics
from aggregator.agent.report import MasterReporter, ReportOptions, ReportSource, build_report
from aggregator.app.signals import create_stop_event, ignore_signals
from aggregator.app.supervision import wait_until_stopped
from aggregator.docker.engine import DockerEngine
from aggregator.errors import ComponentStoppedError
from aggregator.observability.logs import get_logger
from aggregator.registry.tokens import derive_scrape_key, digest_token
from aggregator.server.http.server import HttpServer, HttpServerOptions, open_listener
from aggregator.settings.agent import AgentSettings
from aggregator.settings.types import is_loopback
from aggregator.util.runtime import compute_max_connections, raise_descriptor_limit, tune_malloc

# An agent has few clients: scrape servers, and a person who looks.
MAX_CONNECTIONS = 256
# The time that requests have to finish after a stop signal.
GRACE_SECONDS = 5.0
_BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"

_log = get_logger(__name__)


def run_agent(settings: AgentSettings) -> None:
    """Serve until a stop signal arrives.

    Raises PortInUseError if the server cannot listen, ComponentStoppedError if a component exits unexpectedly.
    """
    tune_malloc()
    # Not uvloop as in the gateway: it saves no time for so few requests, and takes 2 MiB.
    with asyncio.Runner() as runner:
        runner.run(_serve_until_stopped(settings))


def render_once(settings: AgentSettings, document: str) -> bytes:
    """Return a `page`, the `get-data` or a `report`, from one collection, without serving or sending."""
    with asyncio.Runner() as runner:
        return runner.run(_render_once(settings, document))


async def _render_once(settings: AgentSettings, document: str) -> bytes:
    async with _open_engine(settings) as engine:
        services = build_services(settings, engine)
        if document == "page":
            return await services.render_page()
        if document == "get-data":
            return await services.render_legacy_data()
        source = _build_report_source(
            settings, settings.AGENT_PORT, settings.master_urls[0] if settings.MASTER else None
        )
        return build_report(source, await services.collector.collect(), 0.0, 1).encode() + b"\n"


async def _serve_until_stopped(settings: AgentSettings) -> None:
    stop = create_stop_event()
    listener = open_listener("AGENT", settings.AGENT_HOST, settings.AGENT_PORT)
    async with _open_engine(settings) as engine:
        services = build_services(settings, engine)
        server = _build_server(settings, services, listener)
        reporters = _build_reporters(settings, services, listener.getsockname()[1])
        await server.start()
        tasks = [asyncio.create_task(services.collector.watch_events(), name="events")]
        tasks += [asyncio.create_task(reporter.run(), name=f"reports to {reporter.master}") for reporter in reporters]
        failed_names = await wait_until_stopped(stop, [*tasks, *server.tasks])
        _log.info("stopping", grace_seconds=GRACE_SECONDS)
        services.state.is_stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.gather(server.stop(), *(reporter.say_farewell() for reporter in reporters))
    _log.info("stopped")
    ignore_signals()
    if failed_names:
        raise ComponentStoppedError(", ".join(failed_names))


@contextlib.asynccontextmanager
async def _open_engine(settings: AgentSettings) -> AsyncIterator[DockerEngine]:
    descriptor_limit = raise_descriptor_limit()
    max_connections = 0 if descriptor_limit is None else compute_max_connections(descriptor_limit)
    engine = DockerEngine(settings.engine_address, max_connections)
    try:
        yield engine
    finally:
        await engine.close()


def build_services(settings: AgentSettings, engine: DockerEngine) -> AgentServices:
    """Return the parts that requests and reports share."""
    return AgentServices(
        engine=engine,
        collector=Collector(engine, settings.COLLECT_TIMEOUT, host.read_host),
        page_writer=PageWriter(
            settings.CONTAINER_LABELS,
            host.read_system_name(),
            settings.NODE_NAME or "",
            includes_host=settings.HOST_METRICS == "on",
        ),
        metrics=ProcessMetrics(),
        tokens=TokenCheck(_list_accepted_tokens(settings)),
        host_name=settings.NODE_NAME or host.get_host_name(),
        actions=settings.AGENT_ACTIONS,
        is_text_verbatim=settings.LEGACY_TEXT == "verbatim",
    )


def _list_accepted_tokens(settings: AgentSettings) -> list[str]:
    """Return AGENT_TOKEN, and the key that a scrape server derives from the token of this node."""
    if settings.AGENT_TOKEN is None:
        return []
    tokens = [settings.AGENT_TOKEN.get_secret_value()]
    if settings.MASTER_SECRET is not None:
        tokens.append(derive_scrape_key(digest_token(settings.MASTER_SECRET.get_secret_value())))
    return tokens


def _build_server(settings: AgentSettings, services: AgentServices, listener: socket.socket) -> HttpServer:
    reloader = None
    if settings.agent_tls is not None:
        from aggregator.server.tls import CertificateReloader  # noqa: PLC0415 - its library takes 8 MiB

        reloader = CertificateReloader("http", settings.agent_tls)
    options = HttpServerOptions(max_connections=MAX_CONNECTIONS, reloader=reloader)
    _log.info(
        "listening",
        server="agent",
        host=settings.AGENT_HOST,
        port=listener.getsockname()[1],
        tokens=services.tokens.is_required,
        tls=reloader is not None,
        client_certificates=settings.AGENT_TLS_CLIENT_CA is not None,
        engine=str(settings.engine_address),
        version=__version__,
    )
    return HttpServer(create_agent_app(services), listener, GRACE_SECONDS, options)


def _build_reporters(settings: AgentSettings, services: AgentServices, port: int) -> list[MasterReporter]:
    ssl_context = ssl.create_default_context(cafile=settings.REPORT_CA_FILE) if settings.REPORT_CA_FILE else None
    secret = settings.MASTER_SECRET.get_secret_value() if settings.MASTER_SECRET else None

    def render_page(collection: Collection) -> bytes:
        return services.page_writer.write(collection, services.collector.counters, services.metrics.read())

    def build_reporter(url: str) -> MasterReporter:
        options = ReportOptions(
            settings.REPORT_INTERVAL, secret, ssl_context, render_page if settings.PUSH_PAGE == "on" else None
        )
        master, source = urlsplit(url).netloc, _build_report_source(settings, port, url)
        if source.metrics_port is None and settings.PUSH_PAGE == "off":
            _log.info(
                "agent cannot be scraped",
                master=master,
                reason="other machines cannot connect to the loopback interface",
                advice="set AGENT_HOST, or PUSH_PAGE=on",
            )
        return MasterReporter(
            url,
            source,
            services.collector.collect,
            options,
            lambda is_successful: services.metrics.record_report(master, is_successful=is_successful),
        )

    return [build_reporter(url) for url in settings.master_urls]


def _build_report_source(settings: AgentSettings, port: int, master_url: str | None) -> ReportSource:
    """Return the facts for a master. One on another machine cannot scrape an agent that listens on loopback."""
    is_reachable = not is_loopback(settings.AGENT_HOST) or is_loopback(urlsplit(master_url or "").hostname or "")
    address = settings.engine_address.host_and_port or f"{settings.AGENT_HOST}:{port}"
    return ReportSource(
        name=settings.NODE_NAME or "",
        host_name=host.get_host_name(),
        address=address,
        boot_id=_read_boot_id(),
        metrics_scheme="https" if settings.agent_tls else "http",
        metrics_port=port if is_reachable else None,
    )


def _read_boot_id() -> str:
    """Return what changes with each start of the host, so that a master can tell a restart from a counter overflow."""
    try:
        return Path(_BOOT_ID_PATH).read_text(encoding="ascii").strip()
    except OSError:
        return ""
