"""The command `aggregator scrape`: the scrape server, or one merge of named URLs."""

import argparse
import asyncio
from collections.abc import Mapping
from ipaddress import ip_network
from urllib.parse import urlsplit

from aggregator.app import signals
from aggregator.cli.terminal import CommandOutput, open_stderr, open_stdout, pad_to_width, pluralize
from aggregator.errors import CertificateError, ComponentStoppedError, PortInUseError, RegistryError, SettingsError
from aggregator.exposition.page import PageLimits
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.scrape.fetch import PageFetcher
from aggregator.scrape.guard import AddressGuard
from aggregator.scrape.kubernetes_api import KubernetesError
from aggregator.scrape.once import MergedUrls, merge_urls
from aggregator.scrape.process import run_scrape_server
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import find_misspelled_variables, find_secrets, load_settings

# Who types an address on a command line may connect to it.
_ANY_NETWORK = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_ADDRESS_COLUMNS = 40


def configure_scrape_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Scrapes all agents when Prometheus scrapes it, and returns their metrics as one page. Registers nodes that "
        "report, and lists all targets for the service discovery of Prometheus. Exit code: 0 stopped by a signal, or "
        "everything scraped, 1 failed, 2 invalid settings."
    )
    parser.epilog = "docs/configuration.md lists all settings, docs/agents.md describes the scrape server."
    parser.add_argument("-p", "-port", "--port", metavar="PORT[,…]", help="SCRAPE_PORT: where to listen")
    parser.add_argument("-f", "--file", metavar="FILE", help="AGENTS_FILE: the list of agents")
    parser.add_argument(
        "--once", nargs="+", metavar="URL", help="print the merged pages of these URLs and a summary, and exit"
    )
    parser.set_defaults(run=run_scrape_command)


def run_scrape_command(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve, or merge named URLs once; return the exit code."""
    flags = {"SCRAPE_PORT": arguments.port, "AGENTS_FILE": arguments.file}
    variables = {**environ, **{name: value for name, value in flags.items() if value is not None}}
    try:
        settings = load_settings(variables, ScrapeSettings)
    except SettingsError as error:
        open_stderr().write_problems(error)
        return 2
    if arguments.once is not None:
        for url in arguments.once:
            if urlsplit(url).scheme not in ("http", "https"):
                open_stderr().write_line(f"--once: a URL must begin with http:// or https://, got {url}")
                return 2
        return _merge_once(arguments.once, settings, environ)
    _configure_logging(settings, variables)
    # Before the event loop has its own handlers, a signal ends the process at once with code 0.
    signals.exit_on_signal()
    try:
        run_scrape_server(settings)
    except (CertificateError, KubernetesError, PortInUseError, RegistryError) as error:
        open_stderr().write_line(str(error))
        return 1
    except ComponentStoppedError:
        # Already logged.
        return 1
    return 0


def _configure_logging(settings: ScrapeSettings, variables: Mapping[str, str]) -> None:
    logs.configure_logging(settings.LOG_LEVEL, settings.LOG_FORMAT, Redactor(find_secrets(settings, variables)))
    log = logs.get_logger(__name__)
    for variable, suggestion in find_misspelled_variables(variables, ScrapeSettings):
        log.warning("unknown variable", variable=variable, did_you_mean=suggestion)
    for warning in settings.find_warnings():
        log.warning("setting without effect", reason=warning)


def _merge_once(urls: list[str], settings: ScrapeSettings, environ: Mapping[str, str]) -> int:
    merged = asyncio.run(_merge_urls(urls, settings))
    output = open_stdout(environ)
    output.write_page(merged.body.decode())
    output.flush()
    _write_summary(merged, open_stderr())
    return 0 if all(outcome.error is None for outcome in merged.outcomes) else 1


async def _merge_urls(urls: list[str], settings: ScrapeSettings) -> MergedUrls:
    fetcher = PageFetcher(AddressGuard(_ANY_NETWORK), settings.MAX_PAGE_BYTES, settings.SCRAPE_CONCURRENCY)
    limits = PageLimits(settings.MAX_PAGE_BYTES, settings.MAX_PAGE_SAMPLES)
    return await merge_urls(urls, fetcher, limits, settings.SCRAPE_TIMEOUT)


def _write_summary(merged: MergedUrls, output: CommandOutput) -> None:
    for outcome in merged.outcomes:
        result = pluralize(outcome.sample_count, "sample")
        if outcome.error is not None:
            result = f"failed ({outcome.error.reason.value}): {outcome.error}"
        instance = pad_to_width(outcome.labels["instance"], _ADDRESS_COLUMNS)
        output.write_line(f"{instance}  {1000 * outcome.duration_seconds:6.0f} ms  {result}")
    for name in merged.type_conflicts:
        output.write_line(f"{name} has different types on different targets and is untyped here")
