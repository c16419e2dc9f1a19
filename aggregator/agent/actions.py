"""Actions on containers, through the Engine API and never through a shell."""

import asyncio

from aggregator.docker.engine import DockerEngine
from aggregator.errors import EngineError

# Stopping a container takes 10 seconds if its process ignores the signal, and longer if it is configured so.
ACTION_TIMEOUT_SECONDS = 60.0


async def perform_action(engine: DockerEngine, action: str, name: str) -> str | None:
    """Perform an action on a container; return what the `docker` command would print if it fails."""
    try:
        async with asyncio.timeout(ACTION_TIMEOUT_SECONDS):
            await engine.act(action, name)
    except EngineError as error:
        if error.status is None:
            return "Cannot connect to the Docker daemon. Is the docker daemon running?"
        return f"Error response from daemon: {error}"
    except TimeoutError:
        return f"Error response from daemon: no response within {ACTION_TIMEOUT_SECONDS:g} s"
    return None
