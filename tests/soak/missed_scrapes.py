"""Finds scrapes that healthy targets have missed, in the series `up` of both Prometheis."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.soak.hosts_setup import SCRAPE_INTERVAL_SECONDS, HostsSetup
from tests.soak.parts import OutageLog
from tests.support.http_client import send_request

# A scrape ends within the interval; its sample is stored a moment later.
SETTLE_SECONDS = 2.0 * SCRAPE_INTERVAL_SECONDS
# The scrape server gives the answer of a scrape before to the other Prometheus: SCRAPE_REUSE, and its duration.
REUSE_SECONDS = 1.0 + SCRAPE_INTERVAL_SECONDS
# A scrape is late by this part of the interval at most.
TOLERANCE = 0.5

# The label `via`, and the label that names the target.
TargetKey = tuple[str, str]
UpSample = tuple[float, float]


@dataclass(frozen=True)
class WatchedTarget:
    """A target that Prometheus scrapes in one way, and what may make it miss a scrape."""

    key: TargetKey
    outages: Sequence[OutageLog]
    look_back_seconds: float = 0.0

    def is_excused(self, at_seconds: float) -> bool:
        """Return whether a scrape at this time may be missed."""
        start, end = at_seconds - self.look_back_seconds, at_seconds + SCRAPE_INTERVAL_SECONDS
        return any(log.overlaps(start, end) for log in self.outages)


def list_watched_targets(setup: HostsSetup) -> list[WatchedTarget]:
    """Return all targets in all ways. The failure of another target, of an Engine or of Kubernetes excuses nothing."""
    server = setup.scrape_server.outages
    targets = []
    for agent in setup.agents:
        own = agent.process.outages
        targets += [
            WatchedTarget(("page", agent.node), [own, server], REUSE_SECONDS),
            WatchedTarget(("all", agent.address), [own, server], REUSE_SECONDS),
            WatchedTarget(("sd-self", agent.address), [own, server], REUSE_SECONDS),
            # Prometheus scrapes it itself.
            WatchedTarget(("sd-agents", agent.address), [own]),
        ]
    for pod in setup.pods:
        own = pod.process.outages
        targets += [
            WatchedTarget(("all", pod.address), [own, server, setup.pods_unknown], REUSE_SECONDS),
            WatchedTarget((f"job-{pod.job}", pod.name), [own, server, setup.pods_unknown], REUSE_SECONDS),
            WatchedTarget(("sd-pods", pod.address), [own]),
        ]
    return targets


def get_target_key(labels: Mapping[str, str]) -> TargetKey:
    """Return the key of a series."""
    via = labels.get("via", "")
    return via, labels.get("hostname" if via == "page" else "instance", "")


def query_up(prometheus_url: str, start: float, end: float) -> dict[TargetKey, list[UpSample]]:
    """Return the samples of `up` after `start` until `end`, by target."""
    port = int(prometheus_url.rpartition(":")[2])
    # Prometheus takes whole milliseconds.
    path = f"/api/v1/query?query={quote(f'up[{round(1000 * (end - start))}ms]')}&time={end:.3f}"
    samples: dict[TargetKey, list[UpSample]] = {}
    result: list[dict[str, Any]] = json.loads(send_request(port, path).body)["data"]["result"]
    for series in result:
        values = [(float(at), float(value)) for at, value in series["values"]]
        samples.setdefault(get_target_key(series["metric"]), []).extend(values)
    return {key: sorted(values) for key, values in samples.items()}


@dataclass
class ScrapeChecker:
    """Checks the scrapes of one Prometheus in steps; `checked` and `missed` count scrapes of healthy targets."""

    prometheus_url: str
    targets: Sequence[WatchedTarget]
    checked_until: float
    checked: int = 0
    missed: int = 0
    _last_scrapes: dict[TargetKey, float] = field(default_factory=dict)

    def check_until(self, end: float) -> Iterator[str]:
        """Check the scrapes that began since the last step; yield a description of each missed one."""
        samples = query_up(self.prometheus_url, self.checked_until, end)
        for target in self.targets:
            last = self._last_scrapes.get(target.key, self.checked_until)
            failed, last = find_failed_scrapes(samples.get(target.key, []), last, end)
            self._last_scrapes[target.key] = last
            missed = [at for at in failed if not target.is_excused(at)]
            self.checked += len(samples.get(target.key, [])) - len(failed) + len(missed)
            self.missed += len(missed)
            yield from (f"{' '.join(target.key)} missed a scrape at {at:.1f}" for at in missed)
        self.checked_until = end


def find_failed_scrapes(samples: Sequence[UpSample], last: float, end: float) -> tuple[list[float], float]:
    """Return the times at which scrapes after `last` failed or are missing, and the time of the last scrape."""
    failed = []
    for at, value in samples:
        failed += _list_missing(last, at)
        if value != 1:
            failed.append(at)
        last = at
    missing = _list_missing(last, end)
    return failed + missing, missing[-1] if missing else last


def _list_missing(last: float, until: float) -> list[float]:
    """Return the times between two scrapes at which there should have been others."""
    count = math.ceil((until - last) / SCRAPE_INTERVAL_SECONDS - 1 - TOLERANCE)
    return [last + number * SCRAPE_INTERVAL_SECONDS for number in range(1, count + 1)]
