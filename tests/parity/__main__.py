"""Compare our gateway with the Go service on random fleets: `python -m tests.parity --peer PATH --fleets 300`."""

import argparse
import queue
import shlex
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity.random_fleets import generate_fleet
from tests.parity.services import ComparisonLane, ServiceError
from tests.parity.verdict import FleetVerdict, compare_fleet

MAX_PRINTED_BREAKS = 8


@dataclass
class ParityReport:
    """What all fleets showed so far; the lanes write it together."""

    total: int
    done: int = 0
    broken: dict[int, int] = field(default_factory=dict)
    documented: Counter[str] = field(default_factory=Counter)
    fields: Counter[str] = field(default_factory=Counter)
    go_answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, number: int, verdict: FleetVerdict) -> None:
        """Count one fleet and print its breaks."""
        with self._lock:
            self.done += 1
            self.documented += verdict.documented_counts
            self.fields += verdict.breaks_by_field
            self.go_answered[verdict.go_outcome] += 1
            if verdict.breaks:
                self.broken[number] = len(verdict.breaks)
            for text in verdict.breaks[:MAX_PRINTED_BREAKS]:
                print(f"BREAK fleet {number}: {text[:600]}")
            if len(verdict.breaks) > MAX_PRINTED_BREAKS:
                print(f"BREAK fleet {number}: and {len(verdict.breaks) - MAX_PRINTED_BREAKS} more")
            if self.done % 25 == 0 or self.done == self.total:
                print(f"{self.done} of {self.total} fleets, {len(self.broken)} with breaks", flush=True)

    def print_summary(self, seed: int, seconds: float) -> None:
        """Print the sums."""
        print(f"\nseed {seed}, {self.done} fleets in {seconds:.0f} s")
        tables = {"the Go service gave": self.go_answered, "documented differences": self.documented}
        for title, counted in {**tables, "breaks by field": self.fields}.items():
            print(f"{title}:")
            for name, count in counted.most_common():
                print(f"  {count:6}  {name}")
        print(f"breaks: {sum(self.broken.values())} in {len(self.broken)} fleets {sorted(self.broken)}")
        for failure in self.failures:
            print(f"not compared: {failure}")


def main() -> int:
    """Compare as many fleets as were asked for; return 1 if one shows a break or could not be compared."""
    options = _parse_options()
    if options.show is not None:
        print(generate_fleet(options.seed, options.show).format_exposition(), end="")
        return 0
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    fleet_numbers = options.only or range(options.fleets)
    for number in fleet_numbers:
        numbers.put(number)
    report, started = ParityReport(len(fleet_numbers)), time.monotonic()
    print(f"{len(fleet_numbers)} fleets of seed {options.seed} in {options.lanes} lanes", flush=True)
    with tempfile.TemporaryDirectory(prefix="aggregator-parity-") as folder:
        peer = [str(Path(options.peer).resolve())]
        lanes = [ComparisonLane(peer, shlex.split(options.gateway), Path(folder)) for _ in range(options.lanes)]
        threads = [threading.Thread(target=_run_lane, args=(lane, options.seed, numbers, report)) for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report.print_summary(options.seed, time.monotonic() - started)
    return 1 if report.broken or report.failures or report.done < report.total else 0


def _run_lane(lane: ComparisonLane, seed: int, numbers: "queue.SimpleQueue[int]", report: ParityReport) -> None:
    """Take fleets as long as there are any; start both services anew if one of them has gone."""
    while not numbers.empty():
        try:
            with lane.run_services() as (go, ours):
                while go.process.poll() is None and ours.process.poll() is None:
                    number = numbers.get_nowait()
                    try:
                        report.add(number, compare_fleet(lane, go, ours, generate_fleet(seed, number)))
                    except (ServiceError, OSError, RuntimeError) as error:
                        report.failures.append(f"fleet {number}: {error}")
        except queue.Empty:
            return
        except (ServiceError, OSError, RuntimeError) as error:
            report.failures.append(str(error))
            return


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--peer", required=True, help="the binary of the Go service")
    parser.add_argument("--gateway", default=f"{sys.executable} -m aggregator", help="the command that starts ours")
    parser.add_argument("--fleets", type=int, default=300, help="how many fleets")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other fleets")
    parser.add_argument("--lanes", type=int, default=4, help="how many fleets at a time")
    parser.add_argument("--only", type=int, nargs="*", help="compare these fleets alone, by number")
    parser.add_argument("--show", type=int, help="print the series of this fleet and end")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
