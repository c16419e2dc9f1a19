"""A Docker Engine that answers with recorded responses, on a Unix socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

RECORDINGS = Path(__file__).parents[1] / "data" / "docker"
ENGINE_20_10 = RECORDINGS / "engine_20_10"
# Of the recorded containers.
RUNNING, PAUSED, EXITED = "httpd--john", "idle", "ended"


def read_recording(name: str, folder: Path = ENGINE_20_10) -> Any:
    """Return a recorded response."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@dataclass
class FakeEngine:
    """The state of the Engine; tests change it while it runs.

    `hanging` are the last parts of paths that get no response, `failing` those that get 500.
    """

    folder: Path = ENGINE_20_10
    hanging: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    events: "asyncio.Queue[dict[str, Any] | None]" = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.version: dict[str, Any] = read_recording("version", self.folder)
        self.info: dict[str, Any] = read_recording("info", self.folder)
        self.containers: list[dict[str, Any]] = read_recording("containers", self.folder)
        self.inspections: dict[str, Any] = read_recording("inspections", self.folder)
        self.statistics: dict[str, Any] = read_recording("statistics", self.folder)
        self.released = asyncio.Event()
        self._arrived = asyncio.Event()

    def find_id(self, name: str) -> str:
        """Return the ID of a container."""
        return str(next(item["Id"] for item in self.containers if item["Names"] == [f"/{name}"]))

    def count_requests(self, part: str) -> int:
        """Return the number of requests whose path contains a text."""
        return sum(part in request for request in self.requests)

    async def wait_for_requests(self, part: str, count: int) -> None:
        """Return when so many requests have arrived."""
        while self.count_requests(part) < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        self.requests.append(f"{request.method} {request.path_qs}")
        self._arrived.set()
        path = request.path
        last_part = path.rpartition("/")[2]
        if last_part in self.hanging:
            await self.released.wait()
        if last_part in self.failing:
            return web.json_response({"message": "it fails"}, status=500)
        if path == "/version":
            return web.json_response(self.version)
        if not path.startswith(f"/v{self.version['ApiVersion']}/"):
            return web.json_response({"message": f"client version of {path} is not supported"}, status=400)
        if last_part == "info":
            return web.json_response(self.info)
        if last_part == "events":
            return await self._send_events(request)
        return self._handle_container(request, path.split("/")[3], last_part)

    def _handle_container(self, request: web.Request, container_id: str, last_part: str) -> web.Response:
        if container_id == "json":
            return web.json_response(self.containers)
        if request.method == "POST":
            known = {*self.inspections, *(item["Names"][0][1:] for item in self.containers)}
            if container_id not in known:
                return web.json_response({"message": f"No such container: {container_id}"}, status=404)
            return web.Response(status=204)
        found = {"json": self.inspections, "stats": self.statistics}[last_part].get(container_id)
        if found is None:
            return web.json_response({"message": f"No such container: {container_id}"}, status=404)
        return web.json_response(found)

    async def _send_events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response


@asynccontextmanager
async def run_fake_engine(folder: Path, engine: FakeEngine | None = None) -> AsyncIterator[tuple[FakeEngine, str]]:
    """Run an Engine with its socket in a folder; return it and the path of the socket."""
    engine = engine or FakeEngine()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", engine.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    path = str(folder / "engine.sock")
    # A client does not notice that the queue of a Unix socket is full.
    await web.UnixSite(runner, path, backlog=1024).start()
    try:
        yield engine, path
    finally:
        engine.released.set()
        engine.events.put_nowait(None)
        await runner.cleanup()
