"""POST /mcp: the tools for language models over Streamable HTTP, with the official client and with plain requests."""

import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp, Receive, Scope, Send

from aggregator.observability.instrumentation import Instrumentation
from aggregator.observability.metrics import OwnMetrics
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.http.json_body import MAX_BODY_BYTES
from aggregator.server.http.mcp import FORBIDDEN_ORIGIN_MESSAGE, ManagerFactory, McpApp
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.mcp.tool_calls import ToolCaller, call_tool
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerOptions, ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.http_client import ClientResponse, send_raw, send_request

# Longer than anything here takes on a busy machine.
WAIT_TIMEOUT_SECONDS = 20.0
ORIGIN = "https://chat.example"
JSON_HEADERS = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
POLICY = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=icos-other; user=icos-cluster-a; admin=*")))


@asynccontextmanager
async def open_transport(port: int, token: str) -> AsyncIterator[Any]:
    """Connect to /mcp with a token."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http_client,
        streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http_client) as streams,
    ):
        yield streams


@pytest.fixture(scope="module")
def tenants(public_key: str) -> Iterator[ServerPorts]:
    """Servers whose guard grants clusters by role."""
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), POLICY)
    with run_servers(FakeSnapshotProvider(), guard) as ports:
        yield ports


def post_message(port: int, message: object, *headers: tuple[str, str]) -> ClientResponse:
    """Send one message, as a client without a session."""
    return send_request(port, "/mcp", "POST", [*JSON_HEADERS, *headers], json.dumps(message).encode())


def build_call(tool: str, **arguments: Any) -> dict[str, Any]:
    """Return the message that calls a tool."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_clients_call_tools(ports: ServerPorts, mode: str) -> None:
    """The official client connects with the handshake of older protocol versions, and without it, and calls a tool."""
    async with ToolCaller(f"http://127.0.0.1:{ports.http}/mcp").connect(mode) as client:
        assert len((await client.list_tools()).tools) > 5
        result = await call_tool(client, "get_object", kind="node", cluster="icos-cluster-a", object="k8s-master")
    assert result.document["architecture"] == "x86_64"


async def test_clients_send_a_token(guarded: ServerPorts, realm: FakeRealm) -> None:
    """Where tokens are required, a client with a token calls tools."""
    tools = ToolCaller(open_transport(guarded.http, realm.issue_token()))
    assert (await tools.call("search", query="k8s-master")).document["totalCount"] == 1


async def test_the_client_without_a_token_is_refused(guarded: ServerPorts) -> None:
    """Where tokens are required, a client without one cannot connect."""
    with pytest.RaisesGroup(MCPError, flatten_subgroups=True):
        async with ToolCaller(f"http://127.0.0.1:{guarded.http}/mcp").connect():
            pass


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_no_message_is_read_without_a_token(guarded: ServerPorts, method: str) -> None:
    """Without a token every method gets the 401 of all other paths."""
    answer = send_request(guarded.http, "/mcp", method, JSON_HEADERS, b"{}")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aggregator"'


async def test_tools_see_the_clusters_of_the_caller(tenants: ServerPorts, realm: FakeRealm) -> None:
    """A restricted caller gets its clusters, an administrator all, from the same tools."""
    found = {}
    for role in ("user", "tenant", "admin"):
        token = realm.issue_token(realm_access={"roles": [role]})
        result = await ToolCaller(open_transport(tenants.http, token)).call("get_overview")
        found[role] = [row["name"] for row in result.document["clusters"]]
    assert found == {"user": ["icos-cluster-a"], "tenant": [], "admin": ["icos-cluster-a"]}


async def test_the_quality_needs_all_clusters(tenants: ServerPorts, realm: FakeRealm) -> None:
    """explain_missing_data is refused for a caller who sees some clusters, as /api/v1/quality is."""
    token = realm.issue_token(realm_access={"roles": ["user"]})
    result = await ToolCaller(open_transport(tenants.http, token)).call("explain_missing_data")
    assert "all clusters" in result.error


def test_a_call_needs_no_session(ports: ServerPorts) -> None:
    """The first message may be a call, so that any replica can answer; the response is JSON that is not stored."""
    answer = post_message(ports.http, build_call("search", query="k8s-worker"))
    assert answer.status == 200
    assert "k8s-worker" in answer.json()["result"]["content"][0]["text"]
    assert answer.headers["Mcp-Session-Id"] is None
    headers = {name: answer.headers[name] for name in ("Content-Type", "Cache-Control", "X-Content-Type-Options")}
    assert headers == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"])
def test_other_methods_are_refused(ports: ServerPorts, method: str) -> None:
    """There are no streams and no sessions, and the topology is at every other path."""
    answer = send_request(ports.http, "/mcp", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/mcp/", "/MCP", "/mcp/x"])
def test_similar_paths_return_the_topology(ports: ServerPorts, path: str) -> None:
    """Only the exact path is reserved."""
    assert "cluster" in send_request(ports.http, path).json()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON_HEADERS, 400),
        (b"\xff", JSON_HEADERS, 400),
        (b"[" * 60_000, JSON_HEADERS, 400),
        (b"[]", JSON_HEADERS, 400),
        (b"{}", JSON_HEADERS[1:], 400),
        (b"{}", JSON_HEADERS[:1], 406),
        (b" " * (MAX_BODY_BYTES + 1), JSON_HEADERS, 413),
    ],
)
def test_invalid_messages_are_refused(
    ports: ServerPorts, body: bytes, headers: list[tuple[str, str]], status: int
) -> None:
    """A body that is no message, of another type or too large gets 4xx."""
    assert send_request(ports.http, "/mcp", "POST", headers, body).status == status


def test_pages_of_other_sites_are_refused(ports: ServerPorts) -> None:
    """A script of any page, also one whose host name leads to the gateway, sends its origin and gets 403."""
    for origin in (ORIGIN, f"http://127.0.0.1:{ports.http}", "null"):
        answer = post_message(ports.http, build_call("get_overview"), ("Origin", origin))
        assert (answer.status, answer.json()) == (403, {"error": FORBIDDEN_ORIGIN_MESSAGE})


@pytest.mark.parametrize("allowed", [ORIGIN, "*"])
def test_listed_origins_may_call_tools(allowed: str) -> None:
    """CORS_ORIGINS lists the pages that may use tools; a preflight request allows what MCP clients send."""
    with run_servers(FakeSnapshotProvider(), None, options=ServerOptions(cors_origins=(allowed,))) as listed:
        assert post_message(listed.http, build_call("get_overview"), ("Origin", ORIGIN)).status == 200
        names = "authorization, content-type, mcp-method, mcp-name, mcp-protocol-version"
        preflight = [
            ("Origin", ORIGIN),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", names),
        ]
        assert send_request(listed.http, "/mcp", "OPTIONS", preflight).status == 200


def test_a_client_that_leaves_is_no_defect(ports: ServerPorts, capsys: pytest.CaptureFixture[str]) -> None:
    """A body that ends early is dropped without a traceback, and the next client is served."""
    with socket.create_connection(("127.0.0.1", ports.http)) as connection:
        connection.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert post_message(ports.http, build_call("get_overview")).status == 200
    assert send_raw(ports.http, b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").startswith(
        b"HTTP/1.1 400"
    )
    assert "Traceback" not in capsys.readouterr().out


def test_requests_are_counted() -> None:
    """The requests of MCP clients have a handler of their own in the metrics of the gateway."""
    own_metrics = OwnMetrics()
    options = ServerOptions(instrumentation=Instrumentation(own_metrics))
    with run_servers(FakeSnapshotProvider(), None, options=options) as counted:
        post_message(counted.http, build_call("get_overview"))
    labels = {"handler": "mcp", "method": "POST", "code": "200"}
    assert own_metrics.registry.get_sample_value("http_requests_total", labels) == 1


class FailingManager(StreamableHTTPSessionManager):
    """A manager that fails before it starts, or when the test says."""

    def __init__(self, *, can_start: bool) -> None:
        super().__init__(Server("test"), json_response=True, stateless=True)
        self.can_start = can_start
        self.must_fail = asyncio.Event()
        self.has_ended = asyncio.Event()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run the manager, in a task that its failure cancels."""
        if not self.can_start:
            raise OSError("cannot start")
        try:
            async with super().run(), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fail())
                yield
        finally:
            self.has_ended.set()

    async def _fail(self) -> None:
        await self.must_fail.wait()
        raise OSError("defect")


@asynccontextmanager
async def open_client(build_manager: ManagerFactory) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Return a function that sends a message to an application of its own, and returns the status."""

    async def answer(_scope: Scope, _receive: Receive, _send: Send) -> None:
        """The tools are not called."""

    app = McpApp(answer, (), build_manager)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway") as client:

        async def send() -> int:
            response = await client.post("/mcp", headers=dict(JSON_HEADERS), content=body)
            return response.status_code

        yield send


def test_a_start_that_fails_is_repeated() -> None:
    """If the libraries cannot be loaded for one message, that message fails, and the next one is answered."""
    attempts = []

    def build_manager(api: ASGIApp) -> StreamableHTTPSessionManager:
        attempts.append(api)
        if len(attempts) == 1:
            raise ImportError("no memory")
        return StreamableHTTPSessionManager(Server("test"), json_response=True, stateless=True)

    async def scenario() -> None:
        async with open_client(build_manager) as send:
            with pytest.raises(ImportError, match="no memory"):
                await send()
            assert [await send() for _ in range(2)] == [200, 200]

    asyncio.run(scenario())
    assert len(attempts) == 2


def test_a_manager_that_cannot_start_fails_its_messages_only() -> None:
    """All messages that wait for a manager get the error with which it starts; the next message has another one."""
    managers = [FailingManager(can_start=can_start) for can_start in (False, True)]

    async def scenario() -> None:
        async with open_client(lambda _api: managers.pop(0)) as send, asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            results = await asyncio.gather(send(), send(), return_exceptions=True)
            assert [str(result) for result in results] == ["cannot start", "cannot start"]
            assert await send() == 200

    asyncio.run(scenario())


def test_a_manager_that_fails_later_is_replaced() -> None:
    """If what handles messages ends, the event loop logs why, and the next message starts it again."""
    first, second = managers = [FailingManager(can_start=True) for _ in range(2)]
    reported = list[object]()

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context["exception"]))
        async with open_client(lambda _api: managers.pop(0)) as send, asyncio.timeout(WAIT_TIMEOUT_SECONDS):
            assert await send() == 200
            first.must_fail.set()
            await first.has_ended.wait()
            assert await send() == 200
        gc.collect()

    asyncio.run(scenario())
    assert not managers
    assert second.has_ended.is_set()
    assert [type(error) for error in reported] == [ExceptionGroup]
