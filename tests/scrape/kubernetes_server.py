"""A Kubernetes API server with pods, whose behaviour tests change while it runs."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from aggregator.scrape.kubernetes_api import KubernetesConfig

JsonObject = dict[str, Any]
JOB_LABEL = "metrics-aggregator.apawel.me/job-name"


def make_pod(
    name: str, namespace: str = "ns1", ip: str = "10.0.0.1", phase: str = "Running", **labels: str
) -> JsonObject:
    """Return a pod with labels of the aggregator: `job_name="j"` is the label `…/job-name`."""
    own_labels = {f"metrics-aggregator.apawel.me/{label.replace('_', '-')}": value for label, value in labels.items()}
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": {"app": "x", **own_labels}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}]},
    }


@dataclass
class KubernetesServer:
    """The pods, the faults, and the received requests. Versions of resources count the changes."""

    url: str = ""
    pods: dict[tuple[str, str], JsonObject] = field(default_factory=dict)
    version: int = 100
    token: str | None = None
    list_status: int = 200
    watch_status: int = 200
    lists: list[dict[str, str]] = field(default_factory=list)
    watches: list[dict[str, str]] = field(default_factory=list)
    refused_tokens: list[str] = field(default_factory=list)
    page_size: int | None = None
    on_request: asyncio.Event = field(default_factory=asyncio.Event)
    _history: list[tuple[int, bytes]] = field(default_factory=list)
    _streams: list[asyncio.Queue[bytes | None]] = field(default_factory=list)

    def set_pod(self, pod: JsonObject) -> None:
        """Add or replace a pod, and tell the watchers."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        kind = "MODIFIED" if key in self.pods else "ADDED"
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        self.pods[key] = pod
        self.send({"type": kind, "object": pod})

    def delete_pod(self, name: str, namespace: str = "ns1") -> None:
        """Remove a pod, and tell the watchers."""
        pod = self.pods.pop((namespace, name))
        self.version += 1
        self.send(
            {
                "type": "DELETED",
                "object": {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(self.version)}},
            }
        )

    def send(self, event: JsonObject) -> None:
        """Send an event to all watchers, also to those that continue at an earlier version later."""
        data = json.dumps(event).encode() + b"\n"
        if event["type"] not in ("ERROR", "BOOKMARK"):
            self._history.append((self.version, data))
        self.send_bytes(data)

    def send_bytes(self, data: bytes | None) -> None:
        """Send bytes to all watchers; None ends their responses."""
        for stream in self._streams:
            stream.put_nowait(data)
        if data is None:
            self._streams.clear()

    def send_error(self, code: int) -> None:
        """Send an ERROR event to all watchers, as the API server does for a version that is too old."""
        self.send({"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "too old resource version"}})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a list or watch of pods."""
        self.on_request.set()
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused_tokens.append(request.headers.get("Authorization", ""))
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        namespace = request.match_info.get("namespace")
        if "watch" in request.query:
            self.watches.append(dict(request.query))
            if self.watch_status != 200:
                return web.json_response({"kind": "Status", "code": self.watch_status}, status=self.watch_status)
            return await self._stream(request)
        self.lists.append(dict(request.query))
        if self.list_status != 200:
            return web.json_response({"kind": "Status", "code": self.list_status}, status=self.list_status)
        items = [pod for pod in self.pods.values() if namespace in (None, pod["metadata"]["namespace"])]
        start = int(request.query.get("continue", "0"))
        end = start + self.page_size if self.page_size else len(items)
        metadata = {"resourceVersion": str(self.version), "continue": str(end) if end < len(items) else ""}
        return web.json_response({"kind": "PodList", "metadata": metadata, "items": items[start:end]})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        for version, event in self._history:
            if version > int(request.query["resourceVersion"]):
                stream.put_nowait(event)
        self._streams.append(stream)
        self.on_request.set()
        while (data := await stream.get()) is not None:
            await response.write(data)
        return response

    @property
    def is_watched(self) -> bool:
        """Whether a watch is open."""
        return bool(self._streams)

    async def wait_until_watched(self) -> None:
        """Wait until a watch is open."""
        while not self._streams:
            self.on_request.clear()
            await self.on_request.wait()


@contextlib.asynccontextmanager
async def run_kubernetes_server(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[KubernetesServer]:
    """Run a server on 127.0.0.1."""
    server = KubernetesServer()
    application = web.Application()
    application.router.add_get("/api/v1/pods", server.handle)
    application.router.add_get("/api/v1/namespaces/{namespace}/pods", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.send_bytes(None)
        await runner.cleanup()


def write_kubeconfig(path: Path, url: str) -> KubernetesConfig:
    """Write a kubeconfig file for a server and return the configuration that uses it."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
            }
        ),
        encoding="utf-8",
    )
    return KubernetesConfig({}, service_account=None, kubeconfig=str(path))
