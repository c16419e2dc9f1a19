"""What `protocol.py` and `server.py` rely on in uvicorn, which does not document it."""

import asyncio
import inspect
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
# Methods that are overridden or called, with the names of their parameters.
PROTOCOL_METHODS = {
    "__init__": ["self", "config", "server_state", "app_state", "_loop"],
    "_start_asgi_task": ["self", "cycle", "app"],
    "_unset_keepalive_if_required": ["self"],
    "connection_lost": ["self", "exc"],
    "connection_made": ["self", "transport"],
    "data_received": ["self", "data"],
    "on_header": ["self", "name", "value"],
    "on_headers_complete": ["self"],
    "on_message_complete": ["self"],
    "on_response_complete": ["self"],
    "pause_writing": ["self"],
    "resume_writing": ["self"],
    "send_400_response": ["self", "msg"],
    "timeout_keep_alive_handler": ["self"],
}
SERVER_METHODS = {
    "capture_signals": ["self"],
    "serve": ["self", "sockets"],
    "shutdown": ["self", "sockets"],
    "startup": ["self", "sockets"],
}
PROTOCOL_ATTRIBUTES = {
    *("cycle", "flow", "headers", "loop", "parser", "pipeline", "server_state", "timeout_keep_alive"),
    *("timeout_keep_alive_task", "transport"),
}
SERVER_ATTRIBUTES = {"config", "server_state", "should_exit", "started"}


def list_parameters(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters of a function."""
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", PROTOCOL_METHODS)
def test_methods_of_the_protocol(name: str) -> None:
    """The methods of the protocol that are overridden or called exist, with these parameters."""
    assert list_parameters(getattr(HttpToolsProtocol, name)) == PROTOCOL_METHODS[name]


@pytest.mark.parametrize("name", SERVER_METHODS)
def test_methods_of_the_server(name: str) -> None:
    """The methods of the server that are overridden or called exist, with these parameters."""
    assert list_parameters(getattr(uvicorn.Server, name)) == SERVER_METHODS[name]


async def test_attributes() -> None:
    """The attributes that are read or set exist."""

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        """Do nothing."""

    config = Config(app, log_config=None)
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    assert set(vars(protocol)) >= PROTOCOL_ATTRIBUTES
    assert set(vars(uvicorn.Server(config))) >= SERVER_ATTRIBUTES
    assert set(vars(ServerState())) >= {"connections", "total_requests"}
    cycle_source = inspect.getsource(RequestResponseCycle.__init__)
    assert "self.disconnected = " in cycle_source
    assert "self.message_event = " in cycle_source
    assert list_parameters(FlowControl.resume_reading) == ["self"]


def test_the_version_is_bounded() -> None:
    """A new minor version of uvicorn is not installed before these tests have run with it."""
    dependencies = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    (requirement,) = [each for each in dependencies if each.startswith("uvicorn")]
    assert ",<" in requirement
