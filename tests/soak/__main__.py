"""Refreshes without pause, clients of every manner, faults at random: python -m tests.soak --minutes 10 [--seed N].

It ends with 1 if anything was not as it should be. The same seed gives the same faults and the same clients.
"""

import argparse
import random
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.prometheus import Moment, holding
from tests.faults.stage import Stage, stage
from tests.faults.table import CAP_BYTES, EVERY
from tests.integration.process import until
from tests.integration.telemetry import fleet
from tests.server.exchange import ask
from tests.soak import judgement
from tests.soak.clients import OVER_GRPC, OVER_HTTP, Told, busy

NODES = 200
# Prometheus shows a sample for five minutes.
APART_SECONDS = 200
TELL_SECONDS = 5.0
WARM_UP_SHARE, LONGEST_WARM_UP_SECONDS = 0.25, 60.0
# Long enough that no fault makes the last topology too old, so that every answer has to be 200.
SETTINGS = {
    "REFRESH_INTERVAL": "0.05",
    "MAX_STALE": "120",
    "REFRESH_TIMEOUT": "2",
    "QUERY_TIMEOUT": "2",
    "MAX_ANSWER_BYTES": str(CAP_BYTES),
}


@dataclass
class Weather:
    """The faults that come and go: the present one, and how many there were."""

    now: str = "none"
    count: int = 0
    over: threading.Event = field(default_factory=threading.Event)


def main(arguments: Sequence[str]) -> int:
    """Soak, print what came of it, and return the exit code."""
    chosen = parser().parse_args(arguments)
    seconds = 60 * chosen.minutes
    print(
        f"soak: {chosen.minutes:g} minutes, {len(OVER_HTTP)} HTTP and {len(OVER_GRPC)} gRPC clients, SEED={chosen.seed}"
    )
    begin = time.time()
    moments = [
        Moment(fleet(NODES), begin + APART_SECONDS * number) for number in range(int(seconds / APART_SECONDS) + 2)
    ]
    with (
        holding(moments) as url,
        tempfile.TemporaryDirectory(prefix="aggregator-soak-") as folder,
        stage(url, Path(folder), **SETTINGS) as on,
    ):
        descriptors = on.descriptors()
        told, memory, faults = soaked(on, seconds, chosen.seed)
        until(lambda: _complete(on, told), "complete at the end", 30)
        refreshes = len(on.proxy.times)
        measured = [
            judgement.growth(memory),
            judgement.Measured(
                "descriptors: end over start", on.descriptors() - descriptors, judgement.SPARE_DESCRIPTORS
            ),
            judgement.Measured("times that one query was asked in a refresh", on.proxy.most_often(), 2),
            judgement.Measured(
                "log lines a refresh", on.gateway.log.count("\n") / refreshes, judgement.LINES_A_REFRESH
            ),
        ]
        measured += judgement.uncounted(ask(on.gateway.http, "/metrics").body.decode(), told)
    return summary(told, measured, f"{refreshes} refreshes, {faults} faults")


def soaked(on: Stage, seconds: float, seed: int) -> tuple[Told, list[float], int]:
    """Let clients and faults do their worst; return what clients were told, memory after the warm-up, the faults."""
    memory: list[float] = []
    warm_up = min(WARM_UP_SHARE * seconds, LONGEST_WARM_UP_SECONDS)
    with busy(on.gateway, NODES, seed) as told, _faults(on, seed) as weather:
        begin = time.monotonic()
        next_word = TELL_SECONDS
        while (elapsed := time.monotonic() - begin) < seconds:
            if elapsed > warm_up:
                memory.append(on.resident_mebibytes())
            if elapsed > next_word:
                next_word += TELL_SECONDS
                _tell(on, told, weather, elapsed)
            if on.gateway.process.poll() is not None:
                told.note("gateway", "ended", f"it ended with {on.gateway.process.returncode}")
                break
            told.over.wait(0.25)
    return told, memory, weather.count


def _complete(on: Stage, told: Told) -> bool:
    """Ask once more, count it as what every client asks is counted, and return whether nothing was missing."""
    answer = ask(on.gateway.http)
    told.answer("HTTP, at the end", answer)
    return answer.headers["X-Topology-Complete"] == "true"


@contextmanager
def _faults(on: Stage, seed: int) -> Iterator[Weather]:
    """Let faults come and go while the block runs."""
    weather, dice = Weather(), random.Random(seed)  # noqa: S311 - it is to be repeated

    def run() -> None:
        while not weather.over.wait(dice.uniform(0, 4)):
            fault = dice.choice(EVERY)
            weather.now, weather.count = fault.name, weather.count + 1
            with on.proxy.doing(fault.does, fault.concerns):
                weather.over.wait(dice.uniform(0.2, 4))
            weather.now = "none"

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield weather
    finally:
        weather.over.set()
        thread.join()


def _tell(on: Stage, told: Told, weather: Weather, elapsed: float) -> None:
    print(
        f"{elapsed:6.0f} s  {len(on.proxy.times):5} refreshes  {sum(told.outcomes.values()):7} answers  "
        f"{on.resident_mebibytes():4.0f} MiB  {on.descriptors():3} descriptors  fault: {weather.now}",
        flush=True,
    )


def summary(told: Told, measured: Sequence[judgement.Measured], title: str) -> int:
    """Print what came of it; return 1 if something was not as it should be."""
    print(f"\n{title}")
    for (kind, outcome), count in sorted(told.outcomes.items()):
        print(f"  {kind:<20} {outcome:<20} {count:>8}")
    print(*measured, sep="\n")
    for problem in told.problems:
        print(f"  PROBLEM {problem}")
    is_well = not told.problems and all(one.holds for one in measured)
    print("well" if is_well else "NOT WELL")
    return 0 if is_well else 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    made.add_argument("--minutes", type=float, default=10.0, help="how long")
    made.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="repeats a run")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
