"""Gateways and bare servers that hold the same ready bytes, on a core of their own: what http and grpc measure."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import asking, tokens
from benchmarks.cores import SERVER, on_core
from benchmarks.processes import Program, bare, gateway, peer, running


@dataclass(frozen=True)
class Contest:
    """The programs, idle but for what they are asked; `token` opens `guarded`."""

    ours: Program
    guarded: Program
    bare: Program
    go: Program
    token: str
    body_bytes: int
    message_bytes: int


@contextlib.contextmanager
def contest(prometheus_url: str, peer_path: Path) -> Iterator[Contest]:
    """Run all four while the block runs; the gateways have refreshed once and will not again."""
    realm, core = tokens.realm(), on_core(SERVER)
    with contextlib.ExitStack() as programs:
        ours = programs.enter_context(running(gateway(prometheus_url, core=core)))
        guarded = programs.enter_context(running(gateway(prometheus_url, core=core, KEY=realm.key), realm.token))
        folder = Path(programs.enter_context(tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-")))
        body, message = asking.body(ours.url), asking.message(ours.target)
        (folder / "http").write_bytes(body)
        (folder / "grpc").write_bytes(message)
        least = programs.enter_context(running(bare(folder, core)))
        if asking.body(least.url) != body or asking.message(least.target) != message:
            raise RuntimeError("the bare server's bytes are not the gateway's")
        go = programs.enter_context(running(peer(peer_path, prometheus_url)))
        yield Contest(ours, guarded, least, go, realm.token, len(body), len(message))
