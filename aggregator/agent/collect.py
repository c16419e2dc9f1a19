"""Collections: what the Engine and the host report at one time, within a deadline.

Requests that arrive while a collection runs share it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aggregator.agent.host import HostFacts
from aggregator.docker.engine import DockerEngine
from aggregator.docker.facts import ContainerDetails, ContainerEvent, EngineContainer, EngineFacts, Usage
from aggregator.docker.usage import compute_cpu_percent
from aggregator.errors import EngineError
from aggregator.observability.logs import get_logger

# Within this time the Engine must answer to count as running.
ENGINE_TIMEOUT_SECONDS = 2.0
# Health, restarts and exit codes are inspected again after this time, and after each event.
DETAILS_MAX_AGE_SECONDS = 60.0
# Between attempts to subscribe to events.
EVENTS_MIN_PAUSE_SECONDS, EVENTS_MAX_PAUSE_SECONDS = 1.0, 30.0
# Inspections that run at the same time: the Engine reads a container under a lock.
INSPECTION_CONCURRENCY = 8
_STOPPED_STATES = ("exited", "dead", "created")

_log = get_logger(__name__)


@dataclass(frozen=True)
class ContainerReading:
    """A container with its numbers. `usage` is None if it does not run, or if its numbers were late.

    `details` is None until it was inspected. `last_usage` is the last usage that was read while it ran.
    """

    container: EngineContainer
    usage: Usage | None
    details: ContainerDetails | None
    last_usage: Usage | None
    cpu_percent: float
    read_at_seconds: float | None


@dataclass(frozen=True)
class Collection:
    """The result of one collection. `engine` is None if the Engine did not answer, `host` if the host did not."""

    engine: EngineFacts | None
    containers: tuple[ContainerReading, ...]
    host: HostFacts | None
    duration_seconds: float


@dataclass
class _ContainerState:
    """What is remembered of a container between collections."""

    usage: Usage | None = None
    cpu_percent: float = 0.0
    details: ContainerDetails | None = None
    inspected_at: float = 0.0
    inspected_state: str = ""
    is_changed: bool = True


@dataclass
class CollectionCounters:
    """Failures since the start, and what only events report."""

    failures: Counter[str] = field(default_factory=Counter)
    oom_kills: Counter[str] = field(default_factory=Counter)


class Collector:
    """Collects from one Engine and its host.

    Its state is bounded by the containers that the Engine lists: what is remembered of others is dropped.
    """

    def __init__(
        self,
        engine: DockerEngine,
        timeout_seconds: float,
        read_host: Callable[[], HostFacts],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counters = CollectionCounters()
        self._engine = engine
        self._timeout_seconds = timeout_seconds
        self._read_host = read_host
        self._clock = clock
        self._sleep = sleep
        self._states: dict[str, _ContainerState] = {}
        self._running: asyncio.Task[Collection] | None = None
        self._host_reading: asyncio.Task[HostFacts] | None = None
        self._is_engine_up: bool | None = None
        self._is_host_failing = False

    async def collect(self) -> Collection:
        """Return the running collection, or a new one."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._collect(), name="collection")
        # A client that disconnects must not end the collection of the others.
        return await asyncio.shield(self._running)

    async def _collect(self) -> Collection:
        started = self._clock()
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        host_reading = asyncio.create_task(self._read_host_until(deadline))
        engine, containers = await self._read_engine_until(deadline)
        return Collection(engine, containers, await host_reading, self._clock() - started)

    async def _read_host_until(self, deadline: float) -> HostFacts | None:
        """Return the numbers of the host. A reading that hangs on a file system is not started a second time."""
        if self._host_reading is None or self._host_reading.done():
            self._host_reading = asyncio.create_task(asyncio.to_thread(self._read_host))
        try:
            async with asyncio.timeout_at(deadline):
                facts = await asyncio.shield(self._host_reading)
        except TimeoutError:
            self.counters.failures["host_timeout"] += 1
        except Exception as error:  # noqa: BLE001 - psutil raises many kinds, and only the host may be missing
            self.counters.failures["host"] += 1
            log_event = _log.debug if self._is_host_failing else _log.warning
            log_event("cannot read the host", reason=str(error) or type(error).__name__)
            self._is_host_failing = True
        else:
            self._is_host_failing = False
            return facts
        return None

    async def _read_engine_until(self, deadline: float) -> tuple[EngineFacts | None, tuple[ContainerReading, ...]]:
        engine_deadline = min(deadline, asyncio.get_running_loop().time() + ENGINE_TIMEOUT_SECONDS)
        try:
            async with asyncio.timeout_at(engine_deadline):
                facts = await self._engine.fetch_facts()
            async with asyncio.timeout_at(deadline):
                containers = await self._engine.list_containers()
        except (TimeoutError, EngineError) as error:
            reason = "engine_timeout" if isinstance(error, TimeoutError) else "engine"
            self.counters.failures[reason] += 1
            self._log_engine_state(None, str(error) or "no response in time")
            return None, ()
        self._log_engine_state(facts, "")
        self._forget_removed(containers)
        return facts, await self._read_containers(facts, containers, deadline)

    def _log_engine_state(self, facts: EngineFacts | None, reason: str) -> None:
        """Log when the Engine becomes available or unavailable."""
        is_up = facts is not None
        if is_up == self._is_engine_up:
            return
        self._is_engine_up = is_up
        if facts is None:
            _log.warning("engine unavailable", reason=reason)
        else:
            _log.info("engine available", engine=facts.engine, version=facts.version, api_version=facts.api_version)

    def _forget_removed(self, containers: list[EngineContainer]) -> None:
        listed = {container.id for container in containers}
        for container_id in self._states.keys() - listed:
            del self._states[container_id]
        for container_id in self.counters.oom_kills.keys() - listed:
            del self.counters.oom_kills[container_id]

    async def _read_containers(
        self, facts: EngineFacts, containers: list[EngineContainer], deadline: float
    ) -> tuple[ContainerReading, ...]:
        states = [self._states.setdefault(container.id, _ContainerState()) for container in containers]
        readings = [
            asyncio.create_task(self._read_usage(container))
            for container in containers
            if container.is_running and facts.has_container_usage
        ]
        inspections = asyncio.create_task(self._inspect_changed(containers, states))
        pending = {inspections, *readings}
        _done, late = await asyncio.wait(pending, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        for task in late:
            task.cancel()
            self.counters.failures["inspect_timeout" if task is inspections else "stats_timeout"] += 1
        usages = {task.result()[0]: task.result()[1:] for task in readings if task.done() and not task.cancelled()}
        return tuple(
            self._build_reading(container, state, usages.get(container.id))
            for container, state in zip(containers, states, strict=True)
        )

    async def _read_usage(self, container: EngineContainer) -> tuple[str, Usage | None, float]:
        try:
            return container.id, await self._engine.fetch_usage(container.id), time.time()
        except EngineError as error:
            # A container that was removed meanwhile is no failure.
            if error.status != 404:
                self.counters.failures["stats"] += 1
            return container.id, None, time.time()

    def _build_reading(
        self, container: EngineContainer, state: _ContainerState, result: tuple[Usage | None, float] | None
    ) -> ContainerReading:
        usage, read_at_seconds = result or (None, None)
        if usage is not None:
            state.cpu_percent = compute_cpu_percent(state.usage, usage)
            state.usage = usage
        elif not container.is_running:
            state.usage, state.cpu_percent = None, 0.0
        return ContainerReading(
            container,
            usage,
            state.details,
            state.usage,
            state.cpu_percent,
            read_at_seconds if usage is not None else None,
        )

    async def _inspect_changed(self, containers: list[EngineContainer], states: list[_ContainerState]) -> None:
        """Inspect the containers that are new, changed, or inspected long ago."""
        limit = asyncio.Semaphore(INSPECTION_CONCURRENCY)

        async def inspect(container: EngineContainer, state: _ContainerState) -> None:
            async with limit:
                state.is_changed = False
                try:
                    state.details = await self._engine.inspect(container.id)
                    state.inspected_at, state.inspected_state = self._clock(), container.state
                except EngineError as error:
                    state.is_changed = True
                    if error.status != 404:
                        self.counters.failures["inspect"] += 1

        due = [
            (container, state)
            for container, state in zip(containers, states, strict=True)
            if state.is_changed
            or state.inspected_state != container.state
            or (container.state not in _STOPPED_STATES and self._is_outdated(state))
        ]
        await asyncio.gather(*(inspect(container, state) for container, state in due))

    def _is_outdated(self, state: _ContainerState) -> bool:
        return self._clock() - state.inspected_at >= DETAILS_MAX_AGE_SECONDS

    async def watch_events(self) -> None:
        """Follow the events of the Engine until cancelled. After a gap, all containers count as changed."""
        pause_seconds = EVENTS_MIN_PAUSE_SECONDS
        while True:
            try:
                async for event in self._engine.watch_events():
                    pause_seconds = EVENTS_MIN_PAUSE_SECONDS
                    self.record_event(event)
            except EngineError as error:
                _log.debug("events unavailable", reason=str(error))
            for state in self._states.values():
                state.is_changed = True
            await self._sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, EVENTS_MAX_PAUSE_SECONDS)

    def record_event(self, event: ContainerEvent) -> None:
        """Inspect the container of an event in the next collection, and count it if memory ran out."""
        if event.action == "oom":
            self.counters.oom_kills[event.container_id] += 1
        if event.container_id in self._states:
            self._states[event.container_id].is_changed = True
