"""The HTTP API of a gateway, as the tools use it: over the network, or within the process of the gateway."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from aggregator.errors import AggregatorError

API_V1_PATH = "/api/v1"

ParameterValue = str | int | None
Parameters = Mapping[str, ParameterValue]


class ToolError(AggregatorError):
    """A tool has no answer; the text tells the model why, and what to change."""


@dataclass(frozen=True)
class ApiRequest:
    """A GET request, or with a body a POST request, below /api/v1. Parameters without a value are left out."""

    path: str
    parameters: Parameters = field(default_factory=dict)
    body: bytes | None = None

    @property
    def target(self) -> str:
        """The path with the query string."""
        given = {name: value for name, value in self.parameters.items() if value not in {None, ""}}
        return API_V1_PATH + self.path + (f"?{urlencode(given)}" if given else "")


class ApiResponse(NamedTuple):
    """A response: its status, whether it is of a complete topology, and its body."""

    status: int
    is_complete: bool
    body: bytes


class GatewayApi(Protocol):
    """Where the tools ask."""

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Return the response, whatever its status; raise ToolError if there is none."""


class ApiDocument(NamedTuple):
    """A JSON document of the API, and whether the topology that it describes is complete."""

    content: dict[str, Any]
    is_complete: bool


_REFUSALS = {
    401: "the gateway requires a valid token, in the variable TOKEN of aggregator mcp",
    403: "the token does not allow this; explain_missing_data needs one that shows all clusters",
}


class _Problem(msgspec.Struct):
    detail: str = ""


async def fetch_api_document(api: GatewayApi, request: ApiRequest) -> ApiDocument:
    """Return the document at a path; raise ToolError for any status but 200."""
    response = await api.send(request)
    if response.status != 200:
        raise ToolError(_REFUSALS.get(response.status) or _describe_problem(response))
    try:
        # On a thread: the document may have megabytes, and other requests share the event loop.
        content = await asyncio.to_thread(msgspec.json.decode, response.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ToolError(f"GET {API_V1_PATH}{request.path}: the response is not JSON; is it a gateway?") from None
    return ApiDocument(content, response.is_complete)


def _describe_problem(response: ApiResponse) -> str:
    try:
        detail = msgspec.json.decode(response.body, type=_Problem).detail
    except (msgspec.DecodeError, UnicodeDecodeError):
        detail = ""
    return detail or f"the gateway answered with HTTP {response.status}"
