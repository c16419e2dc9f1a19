"""Record a fleet that is too large for a local Prometheus: python -m benchmarks.fleet_recording NODES FILE.

The simulated fleet itself answers the queries of the catalog, host by host (`demo.simulated_source`), so that only one
host and the compressed responses are in memory. A gateway with PROMETHEUS_ADDRESS='replay:FILE#speed=max' then shows
the cost of a refresh without the queries. Values change from refresh to refresh, so that no refresh gets equal data.
"""

import argparse
import contextlib
import hashlib
import tempfile
import time
from pathlib import Path

from aggregator.models.catalog.default_catalog import compose_default_catalog
from aggregator.querier.recording.file_format import RecordedSource, RecordingWriter
from benchmarks.fleet_prometheus import CONTAINERS_PER_POD, PODS_PER_NODE
from demo.cache import find_cache_folder
from demo.fleet import SimulatedFleet
from demo.recording import FIRST_REFRESH_SECONDS, record_refresh
from demo.simulated_source import SOURCE_NAME, create_large_fleet_source

STEP_SECONDS = 10
# The fastest level that still finds repetitions; a fleet of 20,000 nodes has a gigabyte of responses.
COMPRESSION_LEVEL = 3
_DEMO_FOLDER = Path(__file__).parents[1] / "demo"
_DIGEST_BYTES = 6


def record_fleet(nodes: int, file: Path, refreshes: int, pods_per_node: int = PODS_PER_NODE) -> None:
    """Record some refreshes of a fleet with this number of nodes."""
    fleet = SimulatedFleet.generate(nodes, pods_per_node, CONTAINERS_PER_POD, since_seconds=FIRST_REFRESH_SECONDS)
    source = create_large_fleet_source(fleet)
    with RecordingWriter(
        file.open("wb"),
        [RecordedSource(SOURCE_NAME)],
        FIRST_REFRESH_SECONDS,
        compression_level=COMPRESSION_LEVEL,
    ) as writer:
        for number in range(refreshes):
            start = time.monotonic()
            at_seconds = FIRST_REFRESH_SECONDS + number * STEP_SECONDS
            record_refresh(writer, source, at_seconds)
            elapsed_seconds = time.monotonic() - start
            megabytes = writer.written_bytes / 1e6
            print(f"refresh {number + 1} of {refreshes}: {megabytes:.1f} MB in total, {elapsed_seconds:.0f} s")


def obtain_recording(nodes: int, refreshes: int = 2) -> Path:
    """Return the recording of a fleet from the cache; record it first if necessary, in about 30 ms per node."""
    path = find_cache_folder() / f"fleet-{nodes}-{_compute_digest()}.recording"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            record_fleet(nodes, Path(work) / path.name, refreshes)
            # Another process may have been faster, with an equal file; the replacement is atomic.
            with contextlib.suppress(OSError):
                (Path(work) / path.name).replace(path)
    return path


def _compute_digest() -> str:
    """Return what a recording depends on: the queries, and the code of the simulated fleet."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for row in compose_default_catalog():
        digest.update(row.expression.text.encode())
    for source in sorted(_DEMO_FOLDER.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Write the requested recording."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_recording", description=__doc__)
    parser.add_argument("nodes", metavar="NODES", type=int)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--refreshes", metavar="N", type=int, default=2, help="default: 2")
    arguments = parser.parse_args()
    record_fleet(arguments.nodes, arguments.file, arguments.refreshes)


if __name__ == "__main__":
    main()
