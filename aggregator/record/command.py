"""The command `aggregator record`: its arguments, the file, what it says at the end."""

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

from aggregator import logs, settings
from aggregator.errors import RecordingError, SettingsError
from aggregator.models.catalog import CATALOG
from aggregator.models.whose import NO_LABEL
from aggregator.record.progress import Progress, size_text
from aggregator.record.recorder import Beat, Recorder
from aggregator.recording import lines
from aggregator.recording.mask import Mask, together
from aggregator.recording.writer import Writer
from aggregator.secrets import Secrets
from aggregator.settings import Settings
from aggregator.settings.secrets import secrets_of
from aggregator.sources import Sources, gatherers_of, sources_of

_SALT_BYTES = 16

# Labels that hold the same; no row compares them, but people who mask one mean the other, too.
SAME = (
    ("nodename", "node"),
    ("nodename", "k8s_node_name"),
    ("k8s_cluster_uid", "icos_cluster_id"),
)
# The ICOS name of a host is the beginning of its cluster's uid, or of its machine id, and its name; an instance is
# a host's address and a port.
HELD_IN = (
    ("nodename", "icos_host_name"),
    ("k8s_cluster_uid", "icos_host_name"),
    ("icos_host_id", "icos_host_name"),
    ("net_host_name", "instance"),
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the command line."""
    made = commands.add_parser(
        "record",
        help="write what the upstreams answer into a file, to be replayed",
        description="Asks all that a refresh asks, with the settings of the environment and in the pace of "
        "REFRESH_INTERVAL, and writes the answers into one file. PROMETHEUS_ADDRESS=replay:FILE answers from it. "
        "The file holds no header, token or password; it does hold the names and values of the metrics: see --mask.",
    )
    made.add_argument("file", metavar="FILE", type=Path, help="the file to write")
    made.add_argument("--refreshes", metavar="N", type=_count, default=1, help="how often to ask; default: 1")
    made.add_argument(
        "--mask",
        metavar="LABEL[,LABEL…]",
        type=_labels,
        default=(),
        help="labels whose values become pseudonyms, and with them those that hold the same things under other names",
    )
    made.add_argument("--force", action="store_true", help="write over a file that is there")
    made.set_defaults(run=run)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 100_000):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 100000")
    return int(text)


def _labels(text: str) -> tuple[str, ...]:
    labels = tuple(label.strip() for label in text.split(","))
    if not all(labels):
        raise argparse.ArgumentTypeError("names of labels, with commas between")
    return labels


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Record; return 0 when all is written, 1 where it was not to be had, or not all of it, 2 on bad settings."""
    try:
        chosen = settings.read(environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    hidden = Secrets(secrets_of(chosen, environ))
    logs.configure("warning", chosen.LOG_FORMAT, hidden)
    try:
        with _stopped_by_signals():
            return _recorded(arguments, chosen, hidden)
    except (OSError, RecordingError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        sys.stderr.write(f"{arguments.file}: {reason}\n")
        return 1


def _recorded(arguments: argparse.Namespace, chosen: Settings, hidden: Secrets) -> int:
    sources = sources_of(chosen, hidden)
    if len(sources.upstreams) > lines.MOST_SOURCES:
        raise RecordingError(f"would have more than {lines.MOST_SOURCES} sources")
    mask = Mask(together(arguments.mask, telling()), secrets.token_bytes(_SALT_BYTES)) if arguments.mask else None
    gatherers = gatherers_of(chosen, sources)
    masked = {*(mask.labels if mask else ()), *(sources.tape.header.masked if sources.tape else ())}
    try:
        with Writer(_opened(arguments, chosen), _named(sources, mask), time.time(), sorted(masked)) as writer:
            recorder = Recorder(gatherers, writer, mask, hidden)
            tell = Progress(arguments.refreshes, sys.stderr)
            is_whole = recorder.record(arguments.refreshes, Beat(chosen.REFRESH_INTERVAL, sources.timeline), tell)
            return _told(arguments, recorder, is_whole=is_whole)
    finally:
        for gatherer in gatherers:
            gatherer.close()


def _named(sources: Sources, mask: Mask | None) -> list[lines.Source]:
    hidden = mask if mask is not None and "cluster" in mask.labels else None
    return [
        lines.Source(source.name, hidden.pseudonym(source.cluster) if hidden else source.cluster)
        for source, _ in sources.upstreams
    ]


def _opened(arguments: argparse.Namespace, chosen: Settings) -> BinaryIO:
    path: Path = arguments.file
    if not arguments.force and path.exists():
        raise RecordingError("is there already; --force writes over it")
    if chosen.replay is not None and path.exists() and path.samefile(chosen.replay.path):
        raise RecordingError("is the recording that is replayed")
    return path.open("wb" if arguments.force else "xb")


def telling() -> Iterator[tuple[str, str]]:
    """Yield which label is told by which other: those that rows compare tell each other, and some hold another."""
    for row in CATALOG:
        for way in row.whose.find:
            for label, known_by in zip(way.labels, way.known_by, strict=True):
                if known_by != NO_LABEL:
                    yield from ((label, known_by), (known_by, label))
        if row.whose.part_label:
            # The containers of one answer are found by their names in another, whatever label that is.
            part_labels = (each.whose.part_label for each in CATALOG if each.whose.part is row.whose.part)
            yield from ((row.whose.part_label, other) for other in part_labels if other)
    for label, other in SAME:
        yield from ((label, other), (other, label))
    yield from HELD_IN


def _told(arguments: argparse.Namespace, recorder: Recorder, *, is_whole: bool) -> int:
    """Say what became of it; return the exit code."""
    writer, counted = recorder.writer, recorder.counted
    sys.stdout.write(
        f"{arguments.file}: {writer.refreshes} of {arguments.refreshes} refreshes, {counted.answers} answers, "
        f"{counted.failures} queries failed, {size_text(writer.written_bytes)}\n"
    )
    if recorder.mask is not None:
        sys.stdout.write(f"masked: {', '.join(sorted(recorder.mask.labels))}\n")
        if unseen := sorted(set(arguments.mask) - recorder.mask.seen):
            sys.stderr.write(f"no answer has a label {', '.join(unseen)}\n")
    if not is_whole:
        sys.stderr.write(f"stopped before all was recorded; what {arguments.file} holds can be replayed\n")
    elif not counted.answers:
        sys.stderr.write(f"nothing was answered: {counted.first_failure}\n")
    return 0 if is_whole and counted.answers else 1


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
