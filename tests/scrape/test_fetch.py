"""One page from one target: bounded, and with a constant reason for each failure."""

import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from aggregator.scrape.fetch import FailureReason, FetchedPage, FetchRequest, PageFetcher, ScrapeError, unpack_gzip
from aggregator.scrape.guard import AddressGuard
from tests.support.certificate_authority import CertificateAuthority
from tests.support.scripted_server import (
    ResponseScript,
    ScriptedServer,
    build_closing_script,
    build_http_response,
    build_sending_script,
    drip_response,
    reset_connection,
    run_scripted_server,
    stall_response,
)

MAX_BYTES = 10_000
LOOPBACK = AddressGuard([ip_network("127.0.0.0/8")])


@asynccontextmanager
async def open_fetcher(guard: AddressGuard = LOOPBACK, tls: ssl.SSLContext | None = None) -> AsyncIterator[PageFetcher]:
    """Open a fetcher with small limits."""
    async with PageFetcher(guard, MAX_BYTES, 4, tls) as fetcher:
        yield fetcher


async def fetch(script: ResponseScript, seconds: float = 10.0) -> tuple[FetchedPage | ScrapeError, ScriptedServer]:
    """Fetch from a server with this script; return the page or the error, and the server."""
    with run_scripted_server(script) as server:
        async with open_fetcher() as fetcher:
            try:
                return await fetcher.fetch(FetchRequest(f"{server.url}/metrics?a=%2Fb"), seconds), server
            except ScrapeError as error:
                return error, server


async def get_reason(script: ResponseScript, seconds: float = 10.0) -> FailureReason:
    """Return why a fetch from a server with this script fails."""
    result, _ = await fetch(script, seconds)
    assert isinstance(result, ScrapeError), result
    return result.reason


async def test_a_page_is_fetched() -> None:
    """A page comes with its content type; the request has no cookies, and accepts text and gzip."""
    response = build_http_response(b"a 1\n", "200 OK", "Content-Type: text/plain", "Set-Cookie: a=b")
    page, server = await fetch(build_sending_script(response))
    assert page == FetchedPage(200, b"a 1\n", "text/plain")
    (request,) = server.requests
    assert request.path == "/metrics"
    assert request.parameters == {"a": ["/b"]}
    assert request.headers["accept-encoding"] == "gzip"
    assert "text/plain" in request.headers["accept"]


async def test_a_packed_page_is_unpacked() -> None:
    """A page that is packed with gzip is returned unpacked."""
    response = build_http_response(gzip.compress(b"a 1\n", mtime=0), "200 OK", "Content-Encoding: gzip")
    page, _ = await fetch(build_sending_script(response))
    assert isinstance(page, FetchedPage)
    assert page.body == b"a 1\n"


async def test_cookies_are_not_kept() -> None:
    """A cookie of one answer is not sent with the next request."""
    with run_scripted_server(build_sending_script(build_http_response(b"", "200 OK", "Set-Cookie: a=b"))) as server:
        async with open_fetcher() as fetcher:
            for _ in range(2):
                await fetcher.fetch(FetchRequest(server.url), 10)
    assert all("cookie" not in request.headers for request in server.requests)


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment would connect for us, past the guard; it is ignored."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    page, _ = await fetch(build_sending_script(build_http_response(b"a 1\n")))
    assert isinstance(page, FetchedPage)


async def test_redirects_are_not_followed() -> None:
    """A redirect, for example to cloud metadata, is the status of the target."""
    with run_scripted_server(build_sending_script(build_http_response(b"secret"))) as other:
        response = build_http_response(b"", "302 Found", f"Location: {other.url}/")
        assert await get_reason(build_sending_script(response)) is FailureReason.STATUS
        assert other.requests == []


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (build_http_response(b"a 1\n", "500 Error"), FailureReason.STATUS),
        (build_http_response(b"a" * (MAX_BYTES + 1)), FailureReason.TOO_LARGE),
        (
            build_http_response(gzip.compress(bytes(10**7), mtime=0), "200 OK", "Content-Encoding: gzip"),
            FailureReason.TOO_LARGE,
        ),
        (build_http_response(b"a 1\n", "200 OK", "Content-Encoding: gzip"), FailureReason.MALFORMED),
        (
            build_http_response(gzip.compress(b"a 1\n", mtime=0)[:-4], "200 OK", "Content-Encoding: gzip"),
            FailureReason.MALFORMED,
        ),
        (
            build_http_response(2 * gzip.compress(b"a 1\n", mtime=0), "200 OK", "Content-Encoding: gzip"),
            FailureReason.MALFORMED,
        ),
        (build_http_response(zlib.compress(b"a 1\n"), "200 OK", "Content-Encoding: deflate"), FailureReason.NOT_TEXT),
        (build_http_response(b"", "200 OK", f"X: {'a' * 9000}"), FailureReason.MALFORMED),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FailureReason.MALFORMED),
    ],
)
async def test_unusable_answers_have_reasons(response: bytes, reason: FailureReason) -> None:
    """An answer with another status, too large packed or unpacked, or invalid is not used."""
    assert await get_reason(build_closing_script(response)) is reason


@pytest.mark.parametrize("script", [stall_response, drip_response])
async def test_a_target_that_hangs_ends_at_the_deadline(script: ResponseScript) -> None:
    """A target that sends nothing, or one byte after another, has the reason `deadline`, and the time in the detail."""
    error, _ = await fetch(script, 0.2)
    assert isinstance(error, ScrapeError)
    assert (error.reason, str(error)) == (FailureReason.DEADLINE, "no complete answer within 0.2 s")


async def test_a_lost_connection_has_a_reason() -> None:
    """A target that dies within its answer is unreachable."""
    assert await get_reason(reset_connection) is FailureReason.UNREACHABLE
    cut = build_closing_script(build_http_response(b"a 1\n")[:-2])
    assert await get_reason(cut) is FailureReason.UNREACHABLE


async def get_reason_of_url(url: str, guard: AddressGuard = LOOPBACK, tls: ssl.SSLContext | None = None) -> str:
    """Return why this URL cannot be fetched."""
    async with open_fetcher(guard, tls) as fetcher:
        with pytest.raises(ScrapeError) as failure:
            await fetcher.fetch(FetchRequest(url), 10)
    return failure.value.reason


async def test_addresses_without_a_server_have_reasons() -> None:
    """Refused connections, unknown names and invalid addresses have reasons of their own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert await get_reason_of_url(f"http://127.0.0.1:{port}/") == "refused"
    assert await get_reason_of_url("http://name.invalid/") == "name"
    assert await get_reason_of_url("http:///x") == "invalid_address"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0"])  # noqa: S104 - refused
async def test_the_guard_decides_for_names_and_addresses(host: str) -> None:
    """A literal address, and a name that resolves to a refused address, are not connected."""
    with run_scripted_server(build_sending_script(build_http_response(b"secret"))) as server:
        assert await get_reason_of_url(f"http://{host}:{server.port}/", AddressGuard()) == "not_allowed"
        assert server.connections == 0


async def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """The guard decides at each connection: what was allowed once is refused when the address is not allowed any more.

    The name stays the same; the trusted endpoints change instead of the name server.
    """
    with run_scripted_server(build_closing_script(build_http_response(b"", "200 OK", "Connection: close"))) as server:
        guard = AddressGuard()
        async with open_fetcher(guard) as fetcher:
            guard.trust([(address, server.port) for address in map(ip_address, ("127.0.0.1", "::1"))])
            await fetcher.fetch(FetchRequest(f"http://localhost:{server.port}/"), 10)
            guard.trust([])
            with pytest.raises(ScrapeError) as failure:
                await fetcher.fetch(FetchRequest(f"http://localhost:{server.port}/"), 10)
    assert failure.value.reason is FailureReason.NOT_ALLOWED


async def test_certificates_are_verified(tmp_path: Path) -> None:
    """A target with a certificate of an unknown authority has the reason `tls`; with the right one it is scraped."""
    authority = CertificateAuthority()
    cert, key = authority.issue()
    (tmp_path / "server.pem").write_bytes(cert + key)
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(tmp_path / "server.pem")
    client_tls = ssl.create_default_context(cadata=authority.pem.decode())
    with run_scripted_server(build_sending_script(build_http_response(b"a 1\n")), tls=server_tls) as server:
        assert await get_reason_of_url(server.url) == "tls"
        async with open_fetcher(tls=client_tls) as fetcher:
            assert (await fetcher.fetch(FetchRequest(server.url), 10)).body == b"a 1\n"


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (gzip.compress(bytes(10**7), mtime=0), FailureReason.TOO_LARGE),
        (b"a 1\n", FailureReason.MALFORMED),
        (gzip.compress(b"a 1\n", mtime=0)[:-4], FailureReason.MALFORMED),
    ],
)
def test_pushed_data_is_unpacked_with_a_limit(packed: bytes, reason: FailureReason) -> None:
    """A pushed body that unpacks to more than the limit, or that is invalid, is refused."""
    with pytest.raises(ScrapeError) as failure:
        unpack_gzip(packed, MAX_BYTES)
    assert failure.value.reason is reason
    assert unpack_gzip(gzip.compress(b"a 1\n", mtime=0), MAX_BYTES) == b"a 1\n"
