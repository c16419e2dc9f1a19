"""Requests to an Engine, on its socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web

from aggregator.docker.address import EngineAddress
from aggregator.docker.engine import DockerEngine
from aggregator.docker.facts import ContainerEvent
from aggregator.errors import EngineError
from tests.support.certificate_authority import CertificateAuthority
from tests.support.fake_engine import EXITED, PAUSED, RUNNING, FakeEngine, run_fake_engine


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    """A running Engine with recorded responses."""
    async with run_fake_engine(tmp_path) as (engine, _path):
        yield engine


@pytest.fixture
async def engine(fake: FakeEngine, tmp_path: Path) -> AsyncIterator[DockerEngine]:
    """A connection to it."""
    del fake
    engine = DockerEngine(EngineAddress(socket_path=str(tmp_path / "engine.sock")))
    yield engine
    await engine.close()


async def test_requests_use_the_version_of_the_engine(fake: FakeEngine, engine: DockerEngine) -> None:
    """Requests use the API version of the Engine, also after another Engine has replaced it."""
    assert (await engine.fetch_facts()).name == "dockerhost1"
    assert fake.requests == ["GET /version", "GET /v1.41/info"]
    fake.version["ApiVersion"] = "1.56"
    await engine.fetch_facts()
    assert fake.requests[-1] == "GET /v1.56/info"


async def test_statistics_are_one_shot(fake: FakeEngine, engine: DockerEngine) -> None:
    """Statistics are requested without a second reading, for which an Engine would wait."""
    await engine.fetch_facts()
    usage = await engine.fetch_usage(fake.find_id(RUNNING))
    assert usage is not None
    assert fake.requests[-1].endswith("/stats?stream=false&one-shot=true")
    assert await engine.fetch_usage(fake.find_id(EXITED)) is None


async def test_connections_can_be_limited(fake: FakeEngine, tmp_path: Path) -> None:
    """With one connection, requests wait for each other, and all are answered."""
    engine = DockerEngine(EngineAddress(socket_path=str(tmp_path / "engine.sock")), 1)
    await engine.fetch_facts()
    fake.hanging.add("stats")
    usages = [asyncio.create_task(engine.fetch_usage(fake.find_id(RUNNING))) for _ in range(3)]
    async with asyncio.timeout(10):
        await fake.wait_for_requests("stats", 1)
        fake.released.set()
        assert None not in await asyncio.gather(*usages)
    await engine.close()


async def test_containers_and_details(fake: FakeEngine, engine: DockerEngine) -> None:
    """All containers are listed, and each can be inspected."""
    await engine.fetch_facts()
    containers = await engine.list_containers()
    assert fake.requests[-1] == "GET /v1.41/containers/json?all=1"
    assert [(await engine.inspect(each.id)).health for each in containers] == ["none", "none", "healthy"]


async def test_containers_of_podman_are_sorted(fake: FakeEngine, engine: DockerEngine) -> None:
    """The newest container is first, also if the Engine lists them in another order."""
    for age, item in enumerate(fake.containers):
        item["Created"] = 1000 - age
    fake.containers.reverse()
    await engine.fetch_facts()
    assert [each.name for each in await engine.list_containers()] == [EXITED, PAUSED, RUNNING]


async def test_an_unknown_container_is_an_error_with_the_text_of_the_engine(engine: DockerEngine) -> None:
    """The error of a request has status and message of the response."""
    for call in (engine.fetch_usage, engine.inspect):
        await engine.fetch_facts()
        with pytest.raises(EngineError, match=r"^No such container: nope$") as raised:
            await call("nope")
        assert raised.value.status == 404


@pytest.mark.parametrize("action", ["start", "stop", "pause", "unpause", "restart", "kill"])
async def test_actions(fake: FakeEngine, engine: DockerEngine, action: str) -> None:
    """An action is a POST request for the container."""
    await engine.act(action, RUNNING)
    assert fake.requests[-1].startswith(f"POST /v1.41/containers/{RUNNING}/{action}")
    with pytest.raises(EngineError, match=r"^No such container: nope$"):
        await engine.act(action, "nope")


async def test_a_container_with_long_labels_has_events(fake: FakeEngine, engine: DockerEngine) -> None:
    """An event of a megabyte is read, and one of twenty is an error, after which the agent subscribes again."""
    for size_mb in (1, 20):
        labels = {"ID": "a", "Attributes": {"label": "x" * size_mb * 2**20}}
        fake.events.put_nowait({"Type": "container", "Action": "die", "Actor": labels})
    async with aclosing(engine.watch_events()) as events:
        assert await anext(events) == ContainerEvent("a", "die")
        with pytest.raises(EngineError):
            await anext(events)


async def test_events_end_with_the_connection(fake: FakeEngine, engine: DockerEngine) -> None:
    """Events are yielded until the Engine ends the connection; the result of a health check is left out."""
    fake.events.put_nowait({"Type": "container", "Action": "die", "Actor": {"ID": "a"}})
    fake.events.put_nowait({"Type": "container", "Action": "health_status: healthy", "Actor": {"ID": "b"}})
    fake.events.put_nowait(None)
    async with aclosing(engine.watch_events()) as events:
        assert [event async for event in events] == [ContainerEvent("a", "die"), ContainerEvent("b", "health_status")]


async def test_nobody_listens(tmp_path: Path) -> None:
    """A socket that does not exist is an error without a status."""
    engine = DockerEngine(EngineAddress(socket_path=str(tmp_path / "none.sock")))
    with pytest.raises(EngineError, match=r"^cannot connect: No such file or directory$") as raised:
        await engine.fetch_facts()
    assert raised.value.status is None
    await engine.close()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"ApiVersion": 1}', b'{"Api', b"\xff"])
async def test_another_server_is_an_error(tmp_path: Path, body: bytes) -> None:
    """What is no response of an Engine is an error."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    path = str(tmp_path / "other.sock")
    await web.UnixSite(runner, path).start()
    engine = DockerEngine(EngineAddress(socket_path=path))
    with pytest.raises(EngineError, match="response is not"):
        await engine.fetch_facts()
    await engine.close()
    await runner.cleanup()


async def test_an_engine_with_tls(tmp_path: Path) -> None:
    """A host and port with a folder of certificates is asked over TLS, with the client certificate in the folder."""
    authority = CertificateAuthority()
    client_folder = tmp_path / "client"
    client_folder.mkdir()
    for name, contents in zip(("cert.pem", "key.pem"), authority.issue("client"), strict=True):
        (client_folder / name).write_bytes(contents)
    (client_folder / "ca.pem").write_bytes(authority.pem)
    for name, contents in zip(("cert.pem", "key.pem"), authority.issue("engine"), strict=True):
        (tmp_path / name).write_bytes(contents)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_folder / "ca.pem"))
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", FakeEngine().handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    host_and_port = f"127.0.0.1:{runner.addresses[0][1]}"
    engine = DockerEngine(EngineAddress(host_and_port=host_and_port, cert_path=str(client_folder)))
    assert (await engine.fetch_facts()).name == "dockerhost1"
    await engine.close()
    await runner.cleanup()


async def test_requests_run_at_the_same_time(fake: FakeEngine, engine: DockerEngine) -> None:
    """The number of connections has no limit: 300 statistics are requested at once."""
    fake.hanging.add("stats")
    await engine.fetch_facts()
    container_id = fake.find_id(RUNNING)
    tasks = [asyncio.create_task(engine.fetch_usage(container_id)) for _ in range(300)]
    await fake.wait_for_requests("/stats", 300)
    fake.released.set()
    assert all(await asyncio.gather(*tasks))
