"""Discovers pods through the Kubernetes API: lists them once, then watches what changes."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from aggregator.observability.logs import get_logger
from aggregator.scrape.kubernetes_api import KubernetesApi, KubernetesError
from aggregator.scrape.pod_targets import PodObject, PodRules, PodTarget

PODS_PER_LIST_REQUEST = 250
# A pod has at most a few megabytes.
MAX_EVENT_BYTES = 16 * 1024 * 1024
_FORBIDDEN = 403
_GONE = 410

_log = get_logger(__name__)


class _ListMetadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _PodList(msgspec.Struct, frozen=True):
    metadata: _ListMetadata
    items: list[PodObject]


class _WatchEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _StatusObject(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class DiscoveryTimes:
    """How often pods are listed, and how long the API server may be silent. Times are in seconds.

    Lists are at least `list_interval` apart, and exactly that where watching is forbidden. Bookmarks arrive about once
    a minute, so a watch without a byte for `idle` is dead. `first_pause` is doubled with each failure, to `max_pause`.
    """

    list_interval: float = 10.0
    idle: float = 90.0
    first_pause: float = 1.0
    max_pause: float = 60.0
    watch: float = 300.0


class PodDiscovery:
    """The pods that are targets. While the API server does not answer, the last ones stay."""

    def __init__(
        self,
        api: KubernetesApi,
        rules: PodRules,
        namespaces: Iterable[str] = (),
        times: DiscoveryTimes | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        times = times or DiscoveryTimes()
        paths = [f"/api/v1/namespaces/{name}/pods" for name in namespaces] or ["/api/v1/pods"]
        self._watchers = [_PodWatcher(api, path, rules, times, self._forget_jobs) for path in paths]
        self._jobs: dict[str, tuple[PodTarget, ...]] | None = None
        self._on_change = on_change

    async def run(self) -> None:
        """Discover pods until the task is cancelled."""
        async with asyncio.TaskGroup() as group:
            for watcher in self._watchers:
                group.create_task(watcher.run())

    @property
    def is_complete(self) -> bool:
        """Whether all pods were listed once."""
        return all(watcher.last_contact is not None for watcher in self._watchers)

    @property
    def age_seconds(self) -> float | None:
        """The time since the API server was last heard of, None before all pods were listed."""
        contacts = [watcher.last_contact for watcher in self._watchers]
        known = [contact for contact in contacts if contact is not None]
        return time.monotonic() - min(known) if len(known) == len(contacts) else None

    def find_targets(self, job: str) -> tuple[PodTarget, ...]:
        """Return the targets of a job by namespace and name, () for an unknown job."""
        return self._get_jobs().get(job, ())

    def list_targets(self) -> list[PodTarget]:
        """Return the targets of all jobs."""
        return [target for targets in self._get_jobs().values() for target in targets]

    def _get_jobs(self) -> dict[str, tuple[PodTarget, ...]]:
        if self._jobs is None:
            jobs: defaultdict[str, list[PodTarget]] = defaultdict(list)
            for target in (target for watcher in self._watchers for target in watcher.targets.values()):
                jobs[target.job].append(target)
            self._jobs = {
                job: tuple(sorted(jobs[job], key=lambda target: (target.namespace, target.pod))) for job in sorted(jobs)
            }
        return self._jobs

    def _forget_jobs(self) -> None:
        self._jobs = None
        self._on_change()


class _PodWatcher:
    """Keeps the targets of one namespace, or of all."""

    def __init__(
        self, api: KubernetesApi, path: str, rules: PodRules, times: DiscoveryTimes, on_change: Callable[[], None]
    ) -> None:
        self._api = api
        self._path = path
        self._rules = rules
        self._times = times
        self._on_change = on_change
        self._resource_version = ""
        self._list_started: float | None = None
        self._list_decoder = msgspec.json.Decoder(_PodList)
        self._event_decoder = msgspec.json.Decoder(_WatchEvent)
        self._pod_decoder = msgspec.json.Decoder(PodObject)
        self.targets: dict[tuple[str, str], PodTarget] = {}
        self.last_contact: float | None = None
        # The reason of the last failure, "" while the API answers.
        self._failure = ""

    async def run(self) -> None:
        """List and watch for ever. Every failure is followed by a pause, in which the targets stay."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                if not self._resource_version:
                    await self._list()
                await self._watch()
            except KubernetesError as error:
                if error.status in (_FORBIDDEN, _GONE) and self._resource_version:
                    # Watching is forbidden, or the version is too old: list again.
                    self._resource_version = ""
                    continue
                self._log_failure(error)
                failures += 1
            else:
                # A watch ends every few minutes, with or without a reason.
                failures = 0 if time.monotonic() - started > self._times.first_pause else failures + 1
            if failures:
                pause = min(self._times.max_pause, self._times.first_pause * 2.0 ** min(failures - 1, 16))
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads requests

    async def _list(self) -> None:
        if self._list_started is not None:
            pause = self._list_started + self._times.list_interval - time.monotonic()
            spread = self._times.list_interval * random.uniform(0, 0.1)  # noqa: S311 - spreads requests
            await asyncio.sleep(max(0.0, pause) + spread)
        self._list_started = time.monotonic()
        targets: dict[tuple[str, str], PodTarget] = {}
        query = {"limit": str(PODS_PER_LIST_REQUEST)}
        while True:
            async with self._api.get(self._path, query, self._times.idle) as response:
                page = self._list_decoder.decode(await response.read())
            for pod in page.items:
                target = self._rules.build_target(pod)
                if target is not None:
                    targets[target.namespace, target.pod] = target
            if not page.metadata.continue_:
                break
            query["continue"] = page.metadata.continue_
        self._resource_version = page.metadata.resource_version
        self.targets = targets
        self._record_contact()
        self._on_change()

    async def _watch(self) -> None:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._resource_version,
            "timeoutSeconds": str(int(self._times.watch * random.uniform(1, 2))),  # noqa: S311 - spreads requests
        }
        async with self._api.get(self._path, query, self._times.idle) as response:
            self._record_contact()
            while line := await response.content.readline(max_line_length=MAX_EVENT_BYTES):
                self._apply(self._event_decoder.decode(line))
                self.last_contact = time.monotonic()

    def _record_contact(self) -> None:
        """Remember an answer of the API; log the first one, and the first one after a failure."""
        if self.last_contact is None or self._failure:
            _log.info("pods are current", path=self._path, targets=len(self.targets))
        self.last_contact, self._failure = time.monotonic(), ""

    def _log_failure(self, error: KubernetesError) -> None:
        """Log a failure, the same one only once."""
        log_event = _log.debug if str(error) == self._failure else _log.warning
        self._failure = str(error)
        advice = (
            {"advice": "allow the service account to get, list and watch pods"} if error.status == _FORBIDDEN else {}
        )
        log_event(
            "pods cannot be listed or watched, the last ones stay", path=self._path, reason=self._failure, **advice
        )

    def _apply(self, event: _WatchEvent) -> None:
        if event.type == "ERROR":
            status = msgspec.json.decode(event.object, type=_StatusObject)
            raise KubernetesError(status.message, status.code)
        pod = self._pod_decoder.decode(event.object)
        self._resource_version = pod.metadata.resource_version
        if event.type == "BOOKMARK":
            return
        key = (pod.metadata.namespace, pod.metadata.name)
        target = None if event.type == "DELETED" else self._rules.build_target(pod)
        if target == self.targets.get(key):
            return
        if target is None:
            del self.targets[key]
        else:
            self.targets[key] = target
        self._on_change()
