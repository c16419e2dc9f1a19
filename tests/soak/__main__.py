"""The soak test: random faults of everything that the program talks to, while clients and Prometheis use it.

Usage: python -m tests.soak --minutes 10 [--seed N] [--scenario gateway|hosts]. Each scenario takes the whole time. The
exit code is 1 if a check fails. The same seed gives the same faults and clients.
"""

import argparse
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from tests.soak.gateway_scenario import run_gateway_scenario
from tests.soak.hosts_scenario import run_hosts_scenario
from tests.soak.results import ScenarioSummary, print_summary

SCENARIOS: dict[str, Callable[[float, int], ScenarioSummary]] = {
    "gateway": run_gateway_scenario,
    "hosts": run_hosts_scenario,
}


def main(arguments: Sequence[str]) -> int:
    """Run the scenarios, print the results, and return the exit code."""
    options = build_parser().parse_args(arguments)
    # The processes of a scenario end with it, also after SIGTERM.
    signal.signal(signal.SIGTERM, _exit)
    names = [options.scenario] if options.scenario else list(SCENARIOS)
    return print_summary([SCENARIOS[name](60 * options.minutes, options.seed) for name in names])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="duration of each scenario (default: 10)")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="seed of faults and clients (default: random)"
    )
    parser.add_argument("--scenario", choices=list(SCENARIOS), help="run only this one (default: all)")
    return parser


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
