"""Actions on containers."""

from pathlib import Path

import pytest

from aggregator.agent.actions import perform_action
from aggregator.docker.address import EngineAddress
from aggregator.docker.engine import DockerEngine
from aggregator.docker.facts import ACTIONS


@pytest.mark.parametrize("action", ACTIONS)
async def test_without_an_engine_the_text_is_that_of_docker(tmp_path: Path, action: str) -> None:
    """While the Engine is away, an action returns what the `docker` command prints."""
    engine = DockerEngine(EngineAddress(socket_path=str(tmp_path / "none.sock")))
    problem = await perform_action(engine, action, "web")
    assert problem == "Cannot connect to the Docker daemon. Is the docker daemon running?"
    await engine.close()
