"""The official MCP client with `aggregator mcp` over stdio, which asks a running gateway, and with its /mcp."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters

from demo.recording import SHIPPED_RECORDING
from tests.integration.gateway_process import (
    GATEWAY_COMMAND,
    UNREACHABLE_URL,
    build_environment,
    run_agent,
    run_gateway,
    run_to_completion,
    wait_until,
)
from tests.mcp.tool_calls import ToolCaller, call_tool
from tests.server.auth.signed_tokens import FakeRealm
from tests.support.http_client import send_request

STOP_TIMEOUT_SECONDS = 30.0


@pytest.fixture(scope="module")
def realm() -> FakeRealm:
    """A realm with a key of its own."""
    return FakeRealm()


@pytest.fixture(scope="module")
def gateway_url(realm: FakeRealm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway that shows the first refresh of the demo's recording and requires tokens."""
    settings = {
        "PROMETHEUS_ADDRESS": f"replay:{SHIPPED_RECORDING}",
        "REFRESH_INTERVAL": "200",
        "KEY": realm.key_setting,
        "LOG_LEVEL": "debug",
    }
    with run_gateway(tmp_path_factory.mktemp("gateway"), **settings) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        yield f"http://127.0.0.1:{gateway.http_port}"


def build_command(url: str, token: str = "") -> ToolCaller:
    """Return the tools of the command, which each client starts anew."""
    environment = build_environment({"TOKEN": token} if token else {})
    command, *arguments = [*GATEWAY_COMMAND, "mcp", "--url", url]
    return ToolCaller(StdioServerParameters(command=command, args=arguments, env=environment))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_tools_ask_the_gateway(gateway_url: str, realm: FakeRealm, mode: str) -> None:
    """Over stdio, the tools return what the gateway shows, with the token in TOKEN."""
    async with build_command(gateway_url, realm.issue_token()).connect(mode) as client:
        overview = await call_tool(client, "get_overview")
        found = await call_tool(client, "find_candidates", cpu_cores=1, limit=1, rejected_limit=0)
        mistake = await call_tool(client, "list_objects", kind="nodes", filter="memory>1")
    assert len(overview.document["clusters"]) == 5
    assert len(found.document["candidates"]) == 1
    assert "did you mean memory_bytes?" in mistake.error


@pytest.mark.parametrize("token", ["", "not.a.token"])
async def test_a_token_is_required(gateway_url: str, token: str) -> None:
    """Without a valid token, the error of a tool names the variable."""
    assert "TOKEN" in (await build_command(gateway_url, token).call("get_overview")).error


async def test_an_unreachable_gateway_is_an_error_of_the_tool() -> None:
    """While the gateway is down, the command runs, and tools say what cannot be reached."""
    assert (await build_command(UNREACHABLE_URL).call("get_overview")).error.startswith(f"{UNREACHABLE_URL}: ")


async def test_another_server_is_not_a_gateway(tmp_path: Path) -> None:
    """The response of a server that is no gateway is an error, not an answer."""
    with run_agent(tmp_path) as agent:
        result = await build_command(f"http://127.0.0.1:{agent.agent_port}").call("get_overview")
    assert "HTTP 404" in result.error


async def test_the_gateway_stops_after_messages(tmp_path: Path) -> None:
    """After messages at /mcp, SIGTERM stops the gateway with 0 and nothing but the usual lines in its log."""
    settings = {"PROMETHEUS_ADDRESS": f"replay:{SHIPPED_RECORDING}", "GRACE": "1"}
    with run_gateway(tmp_path, **settings) as gateway:
        wait_until(lambda: send_request(gateway.http_port, "/readyz").status == 200, "ready")
        await ToolCaller(f"http://127.0.0.1:{gateway.http_port}/mcp").call("get_overview")
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.wait_for_exit(STOP_TIMEOUT_SECONDS) == 0
        assert {line["level"] for line in gateway.read_log_entries()} <= {"info", "warning"}


def test_the_command_ends_with_its_client() -> None:
    """When the client closes standard input, the command ends with 0 and has written nothing."""
    command = [*GATEWAY_COMMAND, "mcp", "--url", UNREACHABLE_URL]
    done = subprocess.run(command, env=build_environment({}), input=b"", capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_url_is_required() -> None:
    """Without --url, the command ends with 2 and names it."""
    done = run_to_completion("mcp")
    assert done.returncode == 2
    assert "--url" in done.stderr


LIST_LIBRARIES_SCRIPT = """
import sys

import aggregator.app.lifecycle

print([name for name in ("httpx2", "mcp", "mcp_types") if name in sys.modules])
"""


def test_a_gateway_without_mcp_clients_does_not_import_the_library() -> None:
    """The library, which takes 20 MiB, is imported with the first message of a client."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_LIBRARIES_SCRIPT],
        env=build_environment({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"
