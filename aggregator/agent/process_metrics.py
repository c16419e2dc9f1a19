"""What the agent counts about itself."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class ProcessFacts:
    """The agent at one time: requests by handler, code and method, and reports by master and result."""

    requests: Mapping[tuple[str, str, str], int]
    reports: Mapping[tuple[str, str], int]
    cpu_seconds: float
    resident_bytes: int
    open_descriptors: int
    started_seconds: float


class ProcessMetrics:
    """Counts requests and reports. The labels have few values, so that it stays small."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._reports: Counter[tuple[str, str]] = Counter()

    def record_request(self, handler: str, method: str, status: int) -> None:
        """Count a request."""
        self._requests[handler, str(status), method] += 1

    def record_report(self, master: str, *, is_successful: bool) -> None:
        """Count a report to a master."""
        self._reports[master, "success" if is_successful else "failure"] += 1

    def read(self) -> ProcessFacts:
        """Return the current numbers."""
        with self._process.oneshot():
            times = self._process.cpu_times()
            return ProcessFacts(
                dict(self._requests),
                dict(self._reports),
                times.user + times.system,
                self._process.memory_info().rss,
                self._process.num_fds(),
                self._process.create_time(),
            )
