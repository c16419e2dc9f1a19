"""How fast is each view in each coding? Beside a bare ASGI app with the same bytes."""

import contextlib
import http.client
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from benchmarks import asking, wrk
from benchmarks.cores import SERVER, on_core
from benchmarks.figures import Figure, in_turn, medians, paired
from benchmarks.processes import Program, bare, gateway, running

QUESTION = "views"
TO_BARE = 0.8
SECONDS = 3.0


class Form(NamedTuple):
    """A document as a client asks for it: what it is called here, its path, and its coding ("" for none)."""

    name: str
    path: str
    coding: str = ""

    @property
    def file(self) -> str:
        """What the bare server calls it."""
        return f"{self.name}+{self.coding}" if self.coding else self.name


FORMS = tuple(
    Form(name, path, coding)
    for name, path in (("1.2.5", "/"), ("2025", "/?layout=2025"), ("v1", "/api/v1/topology"))
    for coding in ("", "gzip", "zstd")
)


def measure(prometheus_url: str, nodes: int, _peer_path: Path, rounds: int) -> list[Figure]:
    """Measure each form on one size of fleet."""
    load = wrk.obtain()
    with _contest(prometheus_url) as (ours, least):
        return [figure for form in FORMS for figure in _of_form(load, ours, least, form, nodes, rounds)] + [
            _unchanged(load, ours, nodes, rounds)
        ]


@contextlib.contextmanager
def _contest(prometheus_url: str) -> Iterator[tuple[Program, Program]]:
    """Run a gateway and a bare server with its bytes, on a core of their own, while the block runs."""
    core = on_core(SERVER)
    with (
        running(gateway(prometheus_url, core=core)) as ours,
        tempfile.TemporaryDirectory(prefix="aggregator-benchmarks-") as work,
    ):
        folder = Path(work)
        (folder / "http").write_bytes(asking.body(ours.url))
        (folder / "grpc").write_bytes(b"")
        for form in FORMS:
            (folder / f"{form.file}.http").write_bytes(asking.body(ours.url, form.path, coding=form.coding))
        with running(bare(folder, core)) as least:
            yield ours, least


def _of_form(load: wrk.Wrk, ours: Program, least: Program, form: Form, nodes: int, rounds: int) -> list[Figure]:
    headers = [f"Accept-Encoding: {form.coding}"] if form.coding else []
    ask: Callable[[str], float] = partial(load.requests_per_second, seconds=SECONDS, headers=headers)
    given = in_turn(
        {"bare": lambda: ask(f"{least.url}/{form.file}"), "ours": lambda: ask(f"{ours.url}{form.path}")}, rounds
    )
    size = len(asking.body(ours.url, form.path, coding=form.coding))
    what = f"{form.name}{f', {form.coding}' if form.coding else ''}, {size / 1e3:.0f} kB"
    return [
        Figure(QUESTION, nodes, what, medians(given)["ours"], "requests/s"),
        Figure(QUESTION, nodes, f"{what} / bare", paired(given["ours"], given["bare"]), "×", at_least=TO_BARE),
    ]


def _unchanged(load: wrk.Wrk, ours: Program, nodes: int, rounds: int) -> Figure:
    path = FORMS[0].path
    known = [f"If-None-Match: {_tag(ours.url, path)}"]
    rates = [load.requests_per_second(f"{ours.url}{path}", SECONDS, headers=known) for _ in range(rounds)]
    return Figure(QUESTION, nodes, "304 where nothing has changed", medians({"ours": rates})["ours"], "requests/s")


def _tag(url: str, path: str) -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=asking.PATIENCE_SECONDS)
    try:
        connection.request("HEAD", path)
        tag = connection.getresponse().headers["ETag"]
    finally:
        connection.close()
    if not tag:
        raise RuntimeError(f"HEAD {path}: no ETag")
    return tag
