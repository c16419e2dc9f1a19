"""The command `aggregator mcp`: offers the topology of a running gateway to a language model, over stdio."""

import argparse
import asyncio
from collections.abc import Mapping

from aggregator.cli.gateway import FetchError, add_url_argument, send_request
from aggregator.mcp.api import ApiRequest, ApiResponse, ToolError
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor


def configure_mcp_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Offers the topology of a running gateway to a language model, as tools of the Model Context Protocol over "
        "standard input and output. MCP clients start this command themselves. The environment variable TOKEN contains "
        "the token, if the gateway requires one. Exit code: 0 when the client ends, 2 invalid arguments, 130 after "
        "Ctrl-C."
    )
    add_url_argument(parser)
    parser.set_defaults(run=run_mcp)


def run_mcp(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until the client closes standard input."""
    token = environ.get("TOKEN", "").strip()
    logs.configure_logging("warning", None, Redactor([token]))
    asyncio.run(_serve(HttpGatewayApi(arguments.url, token)))
    return 0


async def _serve(api: "HttpGatewayApi") -> None:
    from mcp.server.stdio import stdio_server  # noqa: PLC0415 - not for --help: it takes 0.8 s

    from aggregator.mcp.server import build_mcp_server  # noqa: PLC0415 - see above

    server = build_mcp_server(lambda _request: api)
    async with stdio_server() as (read_stream, write_stream):
        await server.run(read_stream, write_stream, server.create_initialization_options())


class HttpGatewayApi:
    """The API of a running gateway."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Return the response, whatever its status; raise ToolError if none arrives."""
        try:
            response = await asyncio.to_thread(send_request, self._url, request.target, self._token, request.body)
        except FetchError as error:
            raise ToolError(f"{self._url}: {error}") from None
        is_complete = response.headers.get("X-Topology-Complete") != "false"
        return ApiResponse(response.status, is_complete, response.body)
