"""How fast is a ready answer over HTTP? Beside a bare ASGI app with the same bytes on the same server."""

import time
from functools import partial
from pathlib import Path

from benchmarks import asking, wrk
from benchmarks.figures import Figure, in_turn, medians, paired
from benchmarks.hot import Contest, contest

QUESTION = "http"
TO_BARE = 0.8
# What a remembered token may cost, beside a gateway that asks for none.
TO_OPEN = 0.9
# Many short windows rather than few long ones: the speed of a machine that others share changes from second to second.
SECONDS = 1.0
TURNS_PER_ROUND = 6
# The Go service builds each answer anew, which takes seconds: a few requests, one after another, tell enough.
GO_REQUESTS = 5


def measure(prometheus_url: str, nodes: int, peer_path: Path, rounds: int) -> list[Figure]:
    """Measure hot `GET /` on one size of fleet."""
    load = wrk.obtain()
    with contest(prometheus_url, peer_path) as programs:
        return _measured(load, programs, nodes, rounds)


def _measured(load: wrk.Wrk, programs: Contest, nodes: int, rounds: int) -> list[Figure]:
    ask = load.requests_per_second
    given = in_turn(
        {
            "bare": partial(ask, programs.bare.url, SECONDS),
            "ours": partial(ask, programs.ours.url, SECONDS),
            "guarded": partial(ask, programs.guarded.url, SECONDS, programs.token),
        },
        rounds * TURNS_PER_ROUND,
    )
    rates = medians(given)
    size = f"{programs.body_bytes / 1e3:.0f} kB"
    return [
        Figure(QUESTION, nodes, f"a bare ASGI app, {size}", rates["bare"], "requests/s"),
        Figure(QUESTION, nodes, f"GET /, {size}", rates["ours"], "requests/s"),
        Figure(QUESTION, nodes, "GET / / bare", paired(given["ours"], given["bare"]), "×", at_least=TO_BARE),
        Figure(QUESTION, nodes, "GET / with KEY and a token", rates["guarded"], "requests/s"),
        Figure(QUESTION, nodes, "with KEY / bare", paired(given["guarded"], given["bare"]), "×", at_least=TO_BARE),
        Figure(QUESTION, nodes, "with KEY / without", paired(given["guarded"], given["ours"]), "×", at_least=TO_OPEN),
        Figure(QUESTION, nodes, "the Go service, GET /, one client", _go_rate(programs.go.url), "requests/s"),
    ]


def _go_rate(url: str) -> float:
    began = time.monotonic()
    for _ in range(GO_REQUESTS):
        asking.body(url)
    return GO_REQUESTS / (time.monotonic() - began)
