"""Requests to an Engine: eight calls, each of which raises EngineError if it has no usable response.

aiodocker connects, and knows the requests that change a container. Reading is done with its session: it has no one-shot
statistics, and its objects hide the fields of a list.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import aiodocker
import aiohttp
import msgspec
from aiohttp.http import HttpProcessingError

from aggregator.docker import facts
from aggregator.docker.address import EngineAddress
from aggregator.docker.facts import ContainerDetails, ContainerEvent, EngineContainer, EngineFacts, Usage
from aggregator.errors import EngineError
from aggregator.util.client_errors import describe_client_error

# Changes of what only an inspection reports. The two events of each health check are not among them.
_EVENT_ACTIONS = ("create", "start", "restart", "die", "oom", "health_status", "rename", "update", "destroy")
# An event has all labels of its container.
MAX_EVENT_BYTES = 16 * 1024 * 1024


class DockerEngine:
    """The connection to one Engine. Create it on the event loop that uses it, and close it."""

    def __init__(self, address: EngineAddress, max_connections: int = 0) -> None:
        self._address = address
        # Statistics of all containers are requested at once: Engine 20.10 answers each at the next full second. The
        # limit, 0 for none, keeps file descriptors for everything else.
        self._connector: aiohttp.BaseConnector = (
            aiohttp.UnixConnector(address.socket_path, limit=max_connections)
            if address.socket_path
            else aiohttp.TCPConnector(limit=max_connections, ssl=address.build_ssl_context() or True)
        )
        # The host is not looked up when the connector has a socket.
        self._base_url = "http://engine" if address.socket_path else address.url
        self._docker = aiodocker.Docker(url=self._base_url, connector=self._connector)

    async def close(self) -> None:
        """Close all connections."""
        await self._docker.close()
        await self._connector.close()

    async def fetch_facts(self) -> EngineFacts:
        """Return the facts of the Engine."""
        version = await self._negotiate_version()
        return facts.read_engine(version, _require_object(await self._get_json(self._build_url("info"))))

    async def _negotiate_version(self) -> dict[str, Any]:
        """Use the API version of the Engine from now on: another Engine may have replaced it."""
        version = _require_object(await self._get_json(f"{self._base_url}/version"))
        api_version = version.get("ApiVersion")
        if not isinstance(api_version, str):
            raise EngineError("the response is not that of an Engine")
        self._docker.api_version = f"v{api_version}"
        return version

    async def list_containers(self) -> list[EngineContainer]:
        """Return all containers, the newest first, stopped ones as well."""
        items = await self._get_json(self._build_url("containers/json"), {"all": "1"})
        if not isinstance(items, list):
            raise EngineError("the list of containers is not a list")
        containers = [facts.read_container(item) for item in items if isinstance(item, dict) and item.get("Id")]
        # Docker sorts them. Podman does not.
        return sorted(containers, key=lambda container: -container.created_seconds)

    async def inspect(self, container_id: str) -> ContainerDetails:
        """Return the details of a container."""
        return facts.read_details(
            _require_object(await self._get_json(self._build_url(f"containers/{container_id}/json")))
        )

    async def fetch_usage(self, container_id: str) -> Usage | None:
        """Return the usage of a container, None if it does not run. The Engine returns one reading at once."""
        url = self._build_url(f"containers/{container_id}/stats")
        return facts.read_usage(_require_object(await self._get_json(url, {"stream": "false", "one-shot": "true"})))

    async def watch_events(self) -> AsyncGenerator[ContainerEvent, None]:
        """Yield changes of containers until the Engine ends the connection, without an error when it stops."""
        await self._negotiate_version()
        filters = json.dumps({"type": ["container"], "event": list(_EVENT_ACTIONS)})
        async with self._request(self._build_url("events"), {"filters": filters}) as response:
            while line := await response.content.readline(max_line_length=MAX_EVENT_BYTES):
                yield facts.read_event(_require_object(_decode(line)))

    async def act(self, action: str, name: str) -> None:
        """Perform one of the actions on a container."""
        await self._negotiate_version()
        container = self._docker.containers.container(quote(name, safe=""))
        with _convert_errors():
            await getattr(container, action)()

    def _build_url(self, path: str) -> str:
        return f"{self._base_url}/{self._docker.api_version}/{path}"

    async def _get_json(self, url: str, parameters: Mapping[str, str] | None = None) -> Any:
        async with self._request(url, parameters) as response:
            return _decode(await response.read())

    @contextlib.asynccontextmanager
    async def _request(
        self, url: str, parameters: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        with _convert_errors():
            async with self._docker.session.get(url, params=parameters, allow_redirects=False) as response:
                if response.status != 200:
                    message = _read_message(await response.read())
                    raise EngineError(message or f"HTTP {response.status}", response.status)
                yield response


@contextlib.contextmanager
def _convert_errors() -> Iterator[None]:
    """Convert the errors of aiodocker and aiohttp."""
    try:
        yield
    except aiodocker.DockerError as error:
        # aiodocker reports 900 for a connection that cannot be made.
        message = _read_message(str(error.message).encode()) or f"HTTP {error.status}"
        raise EngineError(message, error.status if error.status < 900 else None) from None
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        if isinstance(error, asyncio.TimeoutError):
            raise
        raise EngineError(describe_client_error(error)) from None


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise EngineError("the response is not JSON") from None


def _require_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EngineError("the response is not a JSON object")
    return value


def _read_message(body: bytes) -> str:
    """Return the text of an error response."""
    try:
        message = _require_object(_decode(body)).get("message")
    except EngineError:
        message = body.decode(errors="replace")
    return str(message)[:500] if message else ""
