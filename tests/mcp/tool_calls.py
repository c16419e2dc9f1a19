"""Calls of tools with the official client, and what they return."""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp_types import TextContent


class ToolResult(NamedTuple):
    """The notes and the document of an answer, or the text of an error."""

    notes: list[str]
    document: dict[str, Any]
    error: str = ""


class ToolCaller:
    """Calls tools of a server in this process, of a URL, of a command or over a transport, each with a new client."""

    def __init__(self, server: Server[Any] | str | StdioServerParameters | AbstractAsyncContextManager[Any]) -> None:
        self._server = server

    def connect(self, mode: str = "auto") -> Client:
        """Return a client; `mode` "legacy" uses the handshake of protocol versions before 2026-07-28."""
        return Client(self._server, mode=mode)

    async def call(self, name: str, **arguments: Any) -> ToolResult:
        """Return the result of a tool."""
        async with self.connect() as client:
            return await call_tool(client, name, **arguments)


async def call_tool(client: Client, name: str, **arguments: Any) -> ToolResult:
    """Return the result of a tool."""
    result = await client.call_tool(name, arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    if result.is_error:
        return ToolResult([], {}, content.text)
    *notes, document = content.text.split("\n")
    return ToolResult(notes, json.loads(document))
