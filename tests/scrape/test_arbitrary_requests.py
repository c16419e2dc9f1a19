"""Whatever clients send, the scrape server answers, and never with its own failure."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from tests.scrape.running_app import RunningScrapeApp, run_scrape_app

REQUESTS = 400
SEGMENTS = [
    *(
        "",
        "metrics",
        "scrape",
        "sd",
        "agents",
        "pods",
        "discovery",
        "nodes",
        "a",
        "agent",
        "ui",
        "api",
        "v1",
        "targets",
    ),
    *("registrations", "page", "add-agent", "command", "start", "swarm_token_discovery", "containers", "healthz"),
    *("..", ".", "%2e%2e", "%00", "%ff", "%F0%9F%98%80", "%3Fjob=x", "%253Fjob%253Dx", "x" * 500, "a;b", "--", "{}"),
]
PARAMETERS = [
    *("job=x", "job", "job=%ff", "layout=2023", "layout=", "port=5050", "port=x@evil", "port=%00", "ttl=30", "ttl=-1"),
    *(
        "ttl=1e309",
        "ttl=nan",
        "agents",
        "all",
        "nodes",
        "target=a",
        "target=%ff",
        "plain=true",
        "honor=true",
        "via=self",
    ),
    *("timeout=-1", "timeout=x", "&&", "=", "%", "a=%zz"),
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"a":',
    b"a 1\n",
    b"[" * 5000,
    b'{"system":{"disks":[1]},"labels":3}',
]
HEADERS = [
    {},
    {"Authorization": "Bearer x"},
    {"Authorization": "Basic ???"},
    {"X-Auth-Node": "x"},
    {"X-Prometheus-Scrape-Timeout-Seconds": "x"},
    {"X-Prometheus-Scrape-Timeout-Seconds": "-5"},
    {"Content-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text;version=99"},
    {"Host": "a b"},
]


def iter_requests() -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """Yield method, target, body and header of random requests, the same in every run."""
    choices = random.Random(7)  # noqa: S311 - a test
    for _ in range(REQUESTS):
        path = "/".join(["", *choices.choices(SEGMENTS, k=choices.randint(1, 5))])
        query = "&".join(choices.choices(PARAMETERS, k=choices.randint(0, 3)))
        method = choices.choice(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
        body = choices.choice(BODIES) if method in ("POST", "PUT", "PATCH", "DELETE") else None
        yield method, f"{path}?{query}" if query else path, body, choices.choice(HEADERS)


async def send_all(app: RunningScrapeApp) -> list[str]:
    """Send all requests; return those that fail in the server."""
    failed = []
    for method, target, body, headers in iter_requests():
        try:
            reply = await app.request(method, target, body, headers)
        except aiohttp.ClientError as error:
            failed.append(f"{method} {target}: {error}")
            continue
        if reply.status >= 500 and reply.status != 502:
            failed.append(f"{method} {target} {headers} {body!r}: {reply.status}")
    return failed


async def test_no_request_is_a_failure_of_the_server(tmp_path: Path) -> None:
    """Paths, parameters, header fields and bodies of any kind get an answer that is no error of the server."""
    async with run_scrape_app(tmp_path, AGENT_COMMANDS="on", SCRAPE_TOKEN="x") as app:
        assert await send_all(app) == []
        assert await app.get("/healthz") == "OK\n"


async def test_no_request_is_a_failure_of_an_open_server(tmp_path: Path) -> None:
    """The same holds for a server without tokens."""
    async with run_scrape_app(tmp_path) as app, asyncio.timeout(120):
        assert await send_all(app) == []
