"""What do tokens cost? Beside the same gateway without tokens, and beside itself while strangers knock."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import wrk
from benchmarks.cores import LOAD, SERVER, on_core
from benchmarks.figures import Figure, in_turn, medians, paired
from benchmarks.grpc import CALLS, load
from benchmarks.issuer import issuing
from benchmarks.processes import PROJECT, Program, gateway, running
from benchmarks.tokens import realm

QUESTION = "access"
# At most a tenth of the rate, for a token that is known and for a thousand strangers a second.
TO_OPEN = 0.9
STRANGERS_PER_SECOND = 1000
# Many short ones rather than few long ones: the speed of a machine that others share changes from second to second.
SECONDS = 1.0
TURNS_PER_ROUND = 8
# A caller over gRPC takes longer to get going.
GRPC_CALLS = CALLS // 2
GRPC_TURNS_PER_ROUND = 3


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Figure]:
    """Measure hot reads with a known token, over HTTP and gRPC."""
    wanted, core = realm(), on_core(SERVER)
    with (
        issuing(wanted) as issuer,
        running(gateway(prometheus_url, core=core)) as opened,
        running(gateway(prometheus_url, core=core, JWKS_URL=issuer.url), wanted.token) as guarded,
    ):
        contest = _Contest(wrk.obtain(), opened, guarded, wanted.token)
        figures = [*_over_http(contest, nodes, rounds), *_over_grpc(contest, nodes, rounds)]
        return [*figures, Figure(QUESTION, nodes, "fetches of keys meanwhile", len(issuer.fetches), "")]


@dataclass(frozen=True)
class _Contest:
    """The load generator, both gateways, and the token that every request bears, asked for or not."""

    load: wrk.Wrk
    opened: Program
    guarded: Program
    token: str

    def rate(self, program: Program) -> float:
        """Return how many requests a second a program answers."""
        return self.load.requests_per_second(program.url, SECONDS, self.token)

    def rate_among_strangers(self) -> float:
        """Return that of the guarded program while strangers ask, too."""
        arguments = [f"127.0.0.1:{self.guarded.ports.http}", str(STRANGERS_PER_SECOND), str(SECONDS + 1)]
        command = [*on_core(LOAD), sys.executable, "-m", "benchmarks.strangers", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, text=True) as strangers:
            assert strangers.stdin is not None
            assert strangers.stdout is not None
            if strangers.stdout.readline() != "ready\n":
                raise RuntimeError("the strangers did not get ready")
            print(file=strangers.stdin, flush=True)
            rate = self.rate(self.guarded)
            said, _ = strangers.communicate(timeout=60)
        if strangers.returncode != 0 or '"refused": 0' in said:
            raise RuntimeError(f"the strangers were not refused: {said}")
        return rate


def _over_http(contest: _Contest, nodes: int, rounds: int) -> list[Figure]:
    given = in_turn(
        {
            "open": lambda: contest.rate(contest.opened),
            "guarded": lambda: contest.rate(contest.guarded),
            "among strangers": contest.rate_among_strangers,
        },
        rounds * TURNS_PER_ROUND,
    )
    rates = medians(given)
    known = paired(given["guarded"], given["open"])
    bothered = paired(given["among strangers"], given["guarded"])
    return [
        Figure(QUESTION, nodes, "GET /, no tokens asked for", rates["open"], "requests/s"),
        Figure(QUESTION, nodes, "GET / with a known token", rates["guarded"], "requests/s"),
        Figure(QUESTION, nodes, "GET / with a known token / no tokens asked for", known, "×", at_least=TO_OPEN),
        Figure(QUESTION, nodes, "the same among 1,000 unknown keys/s", rates["among strangers"], "requests/s"),
        Figure(QUESTION, nodes, "among strangers / alone", bothered, "×", at_least=TO_OPEN),
    ]


def _over_grpc(contest: _Contest, nodes: int, rounds: int) -> list[Figure]:
    def rate(program: Program) -> Callable[[], float]:
        return lambda: load(program, GRPC_CALLS, contest.token)["calls_per_second"]

    given = in_turn({"open": rate(contest.opened), "guarded": rate(contest.guarded)}, rounds * GRPC_TURNS_PER_ROUND)
    rates = medians(given)
    known = paired(given["guarded"], given["open"])
    return [
        Figure(QUESTION, nodes, "ConnectToQuerier, no tokens asked for", rates["open"], "calls/s"),
        Figure(QUESTION, nodes, "ConnectToQuerier with a known token", rates["guarded"], "calls/s"),
        Figure(QUESTION, nodes, "with a known token / no tokens asked for", known, "×", at_least=TO_OPEN),
    ]
