"""The Kubernetes API: configuration, credentials and transport of kubernetes_asyncio, with bodies as raw JSON.

Its models of the API are not used: they need five times the memory and a hundred times the time of the JSON itself.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp.http import HttpProcessingError

from aggregator.errors import AggregatorError

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECT_SECONDS = 10.0
_UNAUTHORIZED = 401


class KubernetesError(AggregatorError):
    """A request to the Kubernetes API failed. `status` is that of HTTP, 0 without a response."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """Where the credentials are: in the service account of this pod, or in a kubeconfig file.

    `environment` names the API server of a pod. `kubeconfig` is None for the usual file of the user.
    """

    environment: Mapping[str, str]
    service_account: Path | None = SERVICE_ACCOUNT_DIRECTORY
    kubeconfig: str | None = None


class KubernetesApi:
    """Sends GET requests to the API server, and reads the token again when it is refused."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._client: Any = None

    async def __aenter__(self) -> Self:
        # The package costs 70 MiB and a second, so only a process that needs it imports it.
        from kubernetes_asyncio.client.api_client import ApiClient  # noqa: PLC0415
        from kubernetes_asyncio.client.configuration import Configuration  # noqa: PLC0415

        configuration = Configuration()
        await self._load_credentials(configuration)
        self._client = ApiClient(configuration)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._client.close()

    @asynccontextmanager
    async def get(
        self, path: str, query: Mapping[str, str], idle_seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield the response, whose body is not read yet; raise KubernetesError without one.

        An invalid body is a KubernetesError, too. `idle_seconds` is the longest time without a byte.
        """
        try:
            response = await self._send(path, query, idle_seconds)
            if response.status == _UNAUTHORIZED:
                response.close()
                await self._load_credentials(self._client.configuration)
                response = await self._send(path, query, idle_seconds)
            async with response:
                try:
                    if response.status != 200:
                        raise KubernetesError(f"HTTP status {response.status}", response.status)
                    yield response
                finally:
                    _abort(response)
        except (
            *(aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError),
            msgspec.MsgspecError,
        ) as error:
            raise KubernetesError(f"{type(error).__name__}: {error}") from error

    async def _send(self, path: str, query: Mapping[str, str], idle_seconds: float) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        with _map_config_errors():
            # The token of a service account is read from its file again after a minute.
            await self._client.update_params_for_auth(headers, [], ["BearerToken"])
        response: aiohttp.ClientResponse = await self._client.rest_client.GET(
            self._client.configuration.host + path,
            headers=headers,
            query_params=list(query.items()),
            _preload_content=False,
            _request_timeout=(_CONNECT_SECONDS, idle_seconds),
        )
        return response

    async def _load_credentials(self, configuration: Any) -> None:
        from kubernetes_asyncio.config import incluster_config, kube_config  # noqa: PLC0415

        directory = self._config.service_account
        with _map_config_errors():
            if directory is None:
                _check_kubeconfig(self._config.kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
                await kube_config.load_kube_config(
                    self._config.kubeconfig, client_configuration=configuration, persist_config=False
                )
            else:
                await asyncio.to_thread(
                    incluster_config.load_incluster_config,
                    configuration,
                    token_filename=str(directory / "token"),
                    cert_filename=str(directory / "ca.crt"),
                    environ=dict(self._config.environment),
                )


def _abort(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a response whose body was not read to its end, without waiting for the server.

    Closed as usual, TLS stays open until the server answers; the event loop may end before.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def _check_kubeconfig(paths: str) -> None:
    """Raise KubernetesError if none of the files exists: the library would complain about a key of an empty file."""
    if not any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path):
        raise KubernetesError(f"KUBECONFIG: {paths} does not exist")


@contextmanager
def _map_config_errors() -> Iterator[None]:
    from kubernetes_asyncio.config.config_exception import ConfigException  # noqa: PLC0415

    try:
        yield
    except (ConfigException, OSError) as error:
        raise KubernetesError(f"Kubernetes: the credentials cannot be read: {error}") from error
