"""How fast is a ready answer over gRPC? Beside a bare handler with the same bytes on the same server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.cores import LOAD, on_core
from benchmarks.figures import Figure, in_turn, paired
from benchmarks.hot import Contest, contest
from benchmarks.processes import Program, said_by

QUESTION = "grpc"
TO_BARE = 0.8
CALLERS = 32
CALLS = 6_000
# A large answer is slower to carry: fewer calls take as long.
CALLS_BYTES = 400_000_000


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Figure]:
    """Measure hot ConnectToQuerier on one size of fleet."""
    with contest(prometheus_url, peer_path) as programs:
        return _measured(programs, nodes, rounds)


def _measured(programs: Contest, nodes: int, rounds: int) -> list[Figure]:
    calls = min(CALLS, CALLS_BYTES // programs.message_bytes)
    contestants: dict[str, Callable[[], dict[str, float]]] = {
        "bare": lambda: load(programs.bare, calls),
        "ours": lambda: load(programs.ours, calls),
        "guarded": lambda: load(programs.guarded, calls, programs.token),
    }
    given = in_turn(contestants, rounds)
    rates = {name: [load["calls_per_second"] for load in loads] for name, loads in given.items()}
    costs = {name: [load["cpu_microseconds"] for load in loads] for name, loads in given.items()}
    size = f"{programs.message_bytes / 1e3:.0f} kB"

    def figure(what: str, value: float, unit: str, at_least: float | None = None) -> Figure:
        return Figure(QUESTION, nodes, what, value, unit, at_least=at_least)

    return [
        figure(f"a bare handler, {size}", median(rates["bare"]), "calls/s"),
        figure(f"ConnectToQuerier, {size}", median(rates["ours"]), "calls/s"),
        figure("ConnectToQuerier / bare", paired(rates["ours"], rates["bare"]), "×", TO_BARE),
        figure("with KEY and a token", median(rates["guarded"]), "calls/s"),
        figure("with KEY / bare", paired(rates["guarded"], rates["bare"]), "×", TO_BARE),
        figure("server CPU of a call, bare", median(costs["bare"]), "µs"),
        figure("server CPU of a call, ConnectToQuerier", median(costs["ours"]), "µs"),
        figure("server CPU of a call, with KEY and a token", median(costs["guarded"]), "µs"),
    ]


def load(program: Program, calls: int, token: str = "", method: Sequence[str] = ()) -> dict[str, float]:
    """Return the rate of calls and what each cost the server; the client may be what is slower.

    `method` is the path of another method than ConnectToQuerier, and its request in hexadecimal.
    """
    used = program.cpu_seconds()
    arguments = [program.target, str(calls), str(CALLERS), token, *method]
    said: dict[str, Any] = said_by("callers", *arguments, core=on_core(LOAD))
    per_call = 1e6 * (program.cpu_seconds() - used) / said["calls"]
    return {"calls_per_second": said["calls_per_second"], "cpu_microseconds": per_call}
