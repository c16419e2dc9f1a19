"""The gateway on a simulated fleet, in one command: python -m demo.

Started are, in this order, an exporter (a thread), Prometheus and the gateway (processes); they are stopped in reverse.
Where no Prometheus is to be had, the gateway reads a recording instead.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from demo import gateway, questions, signals
from demo.children import Child, ChildError, watch
from demo.exporter import exporting
from demo.fleet import Fleet
from demo.history import past
from demo.ports import PortError, Ports, choose
from demo.prometheus import Binaries, PrometheusMissingError, blocks, obtain, scrape_config, started
from demo.recording import PROJECT, SHIPPED

SCRAPE_SECONDS = 2
FIRST_SCRAPE_WITHIN_SECONDS = 30.0
TOPOLOGY_WITHIN_SECONDS = 60.0


def main() -> int:
    """Run the demo until it is told to stop; return the exit status."""
    try:
        chosen = choose(os.environ)
        signals.arm()
        run(chosen)
    except signals.StopRequest:
        say("stopped")
    # RuntimeError is a Prometheus that did not become ready; the others are what its tools end with.
    except (PortError, PrometheusMissingError, ChildError, RuntimeError, ValueError, CalledProcessError) as problem:
        print(f"demo: {problem}", file=sys.stderr, flush=True)
        return 1
    return 0


def run(chosen: Ports) -> None:
    """Start one part after the other, tell what to open, and watch until a part ends or a signal comes."""
    with contextlib.ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="aggregator-demo-")))
        upstream = live_fleet(parts, folder, obtain, os.environ) or recorded_fleet()
        with step("4/4 gateway, started and reading"):
            aggregator = start_gateway(parts, folder, upstream.address, chosen)
        say(invitation(chosen, upstream, has_key=bool(os.environ.get("KEY"))))
        # Runs first of all that is called at the end: from there on nothing may interrupt.
        parts.callback(signals.disarm)
        watch([aggregator, *upstream.children])


@dataclass(frozen=True)
class Upstream:
    """What the gateway reads: the address that it is given, and the processes behind it; none behind a recording."""

    address: str
    children: tuple[Child, ...] = ()


def live_fleet(
    parts: contextlib.ExitStack,
    folder: Path,
    obtained: Callable[[Callable[[str], None]], Binaries],
    environ: Mapping[str, str],
) -> Upstream | None:
    """Start a simulated fleet and a Prometheus that scrapes it; return None where no Prometheus is to be had."""
    try:
        with step("1/4 Prometheus, the program"):
            binaries = obtained(say)
    except PrometheusMissingError as missing:
        # Whoever names a folder wants that one.
        if environ.get("PROMETHEUS_HOME"):
            raise
        say(f"no Prometheus is to be had: {missing}")
        return None
    with step("2/4 simulated fleet"):
        fleet = Fleet.of(since_seconds=int(time.time()))
        target = parts.enter_context(exporting(fleet))
    with step("3/4 Prometheus, started and scraping"):
        url, prometheus = start_prometheus(parts, folder, binaries, fleet, target)
    return Upstream(url, (prometheus,))


def recorded_fleet() -> Upstream:
    """Fall back on the recording beside this file, and say so."""
    path = SHIPPED.relative_to(PROJECT)
    say(f"instead, what follows comes from a recording, {path}: two minutes of a small fleet, over and over again")
    return Upstream(f"replay:{path}")


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done, and then how long it took."""
    print(f"{title} ... ", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    say(f"{time.monotonic() - began:.1f} s")


def start_prometheus(
    parts: contextlib.ExitStack, folder: Path, binaries: Binaries, fleet: Fleet, target: str
) -> tuple[str, Child]:
    """Start Prometheus on a little history and the exporter; wait for the first scrape, so that the gateway sees all.

    That comes after some six seconds: Prometheus looks at its targets for the first time after five.
    """
    blocks(binaries, folder / "data", past(fleet, time.time()))
    config = scrape_config([target], interval_seconds=SCRAPE_SECONDS)
    server = parts.enter_context(started(folder, config, binaries=binaries))
    child = Child("Prometheus", server.process, server.log_path)
    child.wait_until(lambda: questions.has_fleet(server.url), "first scrape", FIRST_SCRAPE_WITHIN_SECONDS)
    return server.url, child


def start_gateway(parts: contextlib.ExitStack, folder: Path, address: str, chosen: Ports) -> Child:
    """Start the gateway and wait until it serves the topology."""
    environ = gateway.environment(os.environ, address, chosen)
    child = parts.enter_context(gateway.running(folder, environ))
    own_url = f"http://127.0.0.1:{chosen.http}"
    child.wait_until(lambda: questions.has_topology(own_url), "topology", TOPOLOGY_WITHIN_SECONDS)
    return child


def invitation(chosen: Ports, upstream: Upstream, *, has_key: bool) -> str:
    """Return what a person can open and try now."""
    token = " -H 'Authorization: Bearer TOKEN'" if has_key else ""
    source = (
        f"Prometheus   {upstream.address}"
        if upstream.children
        else "RECORDED     not live: no Prometheus was to be had"
    )
    return f"""
  topology     http://localhost:{chosen.http}/
  API          http://localhost:{chosen.http}/docs
  {source}

  curl -s{token} localhost:{chosen.http}/ | head -40
  .venv/bin/python -m aggregator show --url http://localhost:{chosen.http}
  .venv/bin/python -m aggregator.etim_client localhost:{chosen.grpc}

Ctrl-C stops all of it."""


def say(text: str) -> None:
    """Tell the person at the terminal, at once also where the output is a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
