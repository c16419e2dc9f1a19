"""The MCP server: offers the tools, checks their arguments, and turns answers and errors into results.

Importing this module takes 0.8 s and 28 MiB, so that only processes that serve MCP import it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ToolDefinition

from aggregator import __version__
from aggregator.mcp.api import GatewayApi, ToolError
from aggregator.mcp.tools import TOOLS, Tool
from aggregator.observability.logs import get_logger

INSTRUCTIONS = (
    "The live topology of a multi-cluster system: clusters, nodes, pods and containers with their state, capacity, "
    "usage and location, from metrics in Prometheus. Everything is read only. Start with get_overview and "
    "list_problems. An answer is one line of JSON, after notes in plain text: read the notes, because they say what is "
    "cut or incomplete. A field without a value is unknown, not zero."
)

INTERNAL_ERROR_TEXT = "the tool failed because of a defect; the log has the details"

_TOOLS_BY_NAME = {tool.name: tool for tool in TOOLS}
_ANNOTATIONS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

_log = get_logger(__name__)

_Context = ServerRequestContext[Any, Any]


def build_mcp_server(select_api: Callable[[Any], GatewayApi]) -> Server[Any]:
    """Return the server. `select_api` returns where to ask for an HTTP request of a client, None for stdio."""
    definitions = [_define_tool(tool) for tool in TOOLS]

    async def list_tools(_context: _Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=definitions)

    async def call_tool(context: _Context, params: CallToolRequestParams) -> CallToolResult:
        tool = _TOOLS_BY_NAME.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"unknown tool {params.name[:80]!r}; tools: {', '.join(_TOOLS_BY_NAME)}")
        _log.debug("tool called", tool=tool.name)
        try:
            answer = await _convert_arguments(tool, params.arguments or {}).answer(select_api(context.request))
            return _build_result(await asyncio.to_thread(answer.render))
        except ToolError as error:
            return _build_result(str(error), is_error=True)
        except Exception:  # noqa: BLE001 - the library would send the text of the exception
            _log.exception("tool failed", tool=tool.name)
            return _build_result(INTERNAL_ERROR_TEXT, is_error=True)

    return Server(
        "aggregator",
        version=__version__,
        title="Aggregator",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _define_tool(tool: type[Tool]) -> ToolDefinition:
    _, schemas = msgspec.json.schema_components([tool], ref_template="#/$defs/{name}")
    schema = schemas.pop(tool.__name__)
    for each in (schema, *schemas.values()):
        # The title is the name of a class, and the description of the arguments is that of the tool.
        each.pop("title", None)
    description = schema.pop("description")
    return ToolDefinition(
        name=tool.name,
        description=description,
        input_schema={**schema, "$defs": schemas} if schemas else schema,
        annotations=_ANNOTATIONS,
    )


def _convert_arguments(tool: type[Tool], arguments: dict[str, Any]) -> Tool:
    """Return the arguments of a call; raise ToolError if they are invalid. Models write numbers as text, too."""
    try:
        # JSON can contain half of a surrogate pair, which no request can.
        msgspec.json.encode(arguments)
        return msgspec.convert(arguments, tool, strict=False)
    except UnicodeEncodeError:
        raise ToolError(f"{tool.name}: the arguments must be valid Unicode") from None
    except msgspec.ValidationError as error:
        names = ", ".join(tool.__struct_fields__)
        raise ToolError(f"{tool.name}: {error}; arguments: {names}") from None


def _build_result(text: str, *, is_error: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=is_error)
