"""Examination of a running scrape server: which of its targets fail, and which nodes are offline."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from aggregator import __version__
from aggregator.cli.doctor.report import DoctorReport, Finding
from aggregator.cli.gateway import FetchError, fetch_document
from aggregator.cli.terminal import format_duration, pluralize

TARGETS_PATH = "/api/v1/targets"
REGISTRATIONS_PATH = "/api/v1/registrations"
MAX_NAMED = 5

ADVICE_BY_REASON: Mapping[str, str] = {
    "deadline": "check the load of the hosts and the network; raise scrape_timeout in Prometheus if they need longer",
    "refused": "start the agent, and check its port; an agent listens on 127.0.0.1 unless AGENT_HOST says otherwise",
    "unreachable": "check the network and the firewall between the scrape server and the hosts",
    "name": "write a name into the list of agents that the scrape server can resolve, or an IP address",
    "not_allowed": "set SCRAPE_ALLOW if the address is right; the scrape server does not connect to itself",
    "tls": "set AGENTS_CA_FILE to the CA of the agents, and check the names in their certificates",
    "status": "read the detail: for 401 set AGENTS_TOKEN, or add a token for the node; redirects are not followed",
    "not_text": "check that the port belongs to an agent or an exporter",
    "malformed": "check that the port belongs to an agent or an exporter",
    "too_large": "raise MAX_PAGE_BYTES or MAX_PAGE_SAMPLES, or let the target expose less",
    "expired": "check that the agent runs, and that its ttl is longer than its interval",
    "invalid_address": "write host, host:port or [IPv6]:port into the list of agents",
}
_OTHER_ADVICE = "read the detail, and the log of the scrape server"

_Document = TypeVar("_Document")


class _Target(msgspec.Struct):
    name: str
    up: bool | None = None
    reason: str | None = None
    detail: str | None = None


class _Targets(msgspec.Struct):
    targets: tuple[_Target, ...]


class _Registration(msgspec.Struct, rename="camel"):
    name: str
    online: bool
    last_report_seconds: float


class _Registrations(msgspec.Struct):
    registrations: tuple[_Registration, ...]


def examine_scrape_server(url: str, token: str) -> DoctorReport:
    """Return the report about the targets and nodes of a scrape server."""
    try:
        targets = _fetch(url, TARGETS_PATH, token, _Targets).targets
        nodes = _fetch(url, REGISTRATIONS_PATH, token, _Registrations).registrations
    except FetchError as error:
        problem = Finding("no-scrape-server", str(error), "check that the URL is that of a scrape server, and TOKEN")
        return DoctorReport(__version__, ok=False, scrape_server=url, problems=(problem,))
    problems = (*_check_targets(targets), *_check_nodes(nodes, time.time()))
    return DoctorReport(__version__, ok=not problems, scrape_server=url, problems=problems)


def _fetch(url: str, path: str, token: str, document_type: type[_Document]) -> _Document:
    try:
        return msgspec.json.decode(fetch_document(url, path, token).body, type=document_type)
    except FetchError as error:
        raise FetchError(f"GET {path}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FetchError(f"GET {path}: the response is not that of a scrape server") from None


def _check_targets(targets: tuple[_Target, ...]) -> Iterator[Finding]:
    """Yield a finding for each reason of failures, most frequent first, or that nothing was ever scraped."""
    if not targets:
        advice = "let agents report to it, write them into the list of agents, or let them add themselves"
        yield Finding("no-targets", "the scrape server knows no target", advice)
    elif all(target.up is None for target in targets):
        message = f"none of {pluralize(len(targets), 'target')} was scraped: nobody scrapes the scrape server"
        yield Finding("never-scraped", message, "add it to the scrape targets of Prometheus: docs/agents.md")
    failed = defaultdict(list)
    for target in targets:
        if target.up is False:
            failed[target.reason or "unknown"].append(target)
    for reason, group in sorted(failed.items(), key=lambda item: -len(item[1])):
        yield Finding(
            "targets-failing",
            f"{len(group)} of {pluralize(len(targets), 'target')} failed with the reason {reason}",
            ADVICE_BY_REASON.get(reason, _OTHER_ADVICE),
            details=_list_details([f"{target.name}: {target.detail}" for target in group]),
        )


def _check_nodes(nodes: tuple[_Registration, ...], now_seconds: float) -> Iterator[Finding]:
    offline = [node for node in nodes if not node.online]
    if offline:
        ages = {node.name: format_duration(max(0.0, now_seconds - node.last_report_seconds)) for node in offline}
        yield Finding(
            "nodes-offline",
            f"{len(offline)} of {pluralize(len(nodes), 'registered node')} offline",
            "start the agents of these hosts, or remove the nodes with DELETE /api/v1/registrations/NAME",
            details=_list_details([f"{name}: last report {age} ago" for name, age in ages.items()]),
        )


def _list_details(lines: list[str]) -> tuple[str, ...]:
    more = len(lines) - MAX_NAMED
    return (*lines[:MAX_NAMED], *([f"and {more} more"] if more > 0 else []))
