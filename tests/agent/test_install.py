"""Installation as a service of systemd, below another root."""

import shutil
import stat
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from aggregator.agent.install import (
    SETTINGS_PATH,
    UNIT_PATH,
    InstallError,
    InstallTarget,
    install_service,
    register_agent,
    render_settings_file,
    render_unit,
    uninstall_service,
)


class Commands:
    """Collects commands instead of running them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run(self, command: Sequence[str]) -> None:
        """Collect a command."""
        self.lines.append(" ".join(command))


def test_install_and_uninstall(tmp_path: Path) -> None:
    """Installing writes the unit and its settings and starts it; uninstalling stops it and removes both."""
    commands = Commands()
    target = InstallTarget(tmp_path, commands.run)
    assert "is started" in install_service(target, {"AGENT_TOKEN": "t0ken"}, None)[-1]
    unit, settings = tmp_path / UNIT_PATH, tmp_path / SETTINGS_PATH
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert 'AGENT_TOKEN="t0ken"' in settings.read_text(encoding="utf-8")
    assert "t0ken" not in unit.read_text(encoding="utf-8")
    assert commands.lines == ["systemctl daemon-reload", "systemctl enable --now aggregator-agent.service"]
    uninstall_service(target)
    assert not unit.exists()
    assert not settings.exists()
    assert commands.lines[2:] == ["systemctl disable --now aggregator-agent.service", "systemctl daemon-reload"]


def test_a_unit_below_another_root_is_not_started(tmp_path: Path) -> None:
    """Without systemctl, or below another root, the last line names the command that starts the service."""
    *_written, last_line = install_service(InstallTarget(tmp_path), {}, None)
    assert last_line == (
        "aggregator-agent.service is not started; start it with: systemctl enable --now aggregator-agent.service"
    )


def test_an_existing_unit_is_kept(tmp_path: Path) -> None:
    """A second installation is refused, and so is uninstalling what is not installed."""
    target = InstallTarget(tmp_path, Commands().run)
    with pytest.raises(InstallError, match="does not exist"):
        uninstall_service(target)
    install_service(target, {}, None)
    with pytest.raises(InstallError, match="exists; uninstall it first"):
        install_service(target, {}, None)


def test_a_user_is_created_if_it_is_missing(tmp_path: Path) -> None:
    """A user that does not exist is created without a home and a shell; root is not."""
    commands = Commands()
    install_service(InstallTarget(tmp_path / "a", commands.run), {}, "nosuchuser1")
    assert commands.lines[0] == "useradd --system --no-create-home --shell /usr/sbin/nologin nosuchuser1"
    install_service(InstallTarget(tmp_path / "b", commands.run), {}, "root")
    assert sum(line.startswith("useradd") for line in commands.lines) == 1
    with pytest.raises(InstallError, match="not a valid user name"):
        install_service(InstallTarget(tmp_path / "c", commands.run), {}, "x;reboot")


def test_the_unit_is_hardened() -> None:
    """The service has a user of its own, no capabilities, and a read-only system."""
    lines = render_unit(None, has_docker_group=True).splitlines()
    expected = {"DynamicUser=yes", "SupplementaryGroups=docker", "NoNewPrivileges=yes", "ProtectSystem=strict"}
    assert expected | {"CapabilityBoundingSet=", "Restart=always"} <= set(lines)
    assert "User=root" in render_unit("root", has_docker_group=True).splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd-analyze finds nothing wrong with the unit."""
    (tmp_path / "aggregator-agent.service").write_text(render_unit(None, has_docker_group=False), encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "aggregator-agent.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "aggregator-agent" not in checked.stderr


def test_settings_are_quoted() -> None:
    """Values with quotes, backslashes and dollars are written so that systemd reads them unchanged."""
    assert render_settings_file({"B": 'a"b\\c$d', "A": "x y"}).splitlines()[1:] == ['A="x y"', 'B="a\\"b\\\\c\\$d"']


@pytest.fixture
async def aggregator() -> AsyncIterator[str]:
    """The address of an old aggregator that accepts port 5050."""

    async def add_agent(request: web.Request) -> web.Response:
        if request.headers.get("X-Auth-Node", "s3cret") != "s3cret":
            return web.Response(status=401, text="secret\n")
        if request.query["port"] != "5050":
            return web.Response(status=403, text="not allowed\n")
        return web.Response(text="Successfully added agent 127.0.0.1:5050\n")

    app = web.Application()
    app.router.add_post("/add-agent", add_agent)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_registration(aggregator: str) -> None:
    """`--add-to` registers the agent with its secret, and says why it was refused."""
    assert await register_agent(aggregator, 5050) == f"{aggregator}: Successfully added agent 127.0.0.1:5050"
    assert await register_agent(aggregator, 5050, "s3cret")
    with pytest.raises(InstallError, match="HTTP 401: secret"):
        await register_agent(aggregator, 5050, "other")
    with pytest.raises(InstallError, match="HTTP 403: not allowed"):
        await register_agent(aggregator, 1)
    with pytest.raises(InstallError, match="cannot register"):
        await register_agent("127.0.0.1:9", 5050)
