"""The fleets that the page is tested with: two nodes, 200 nodes, and 2,000 nodes with 30,000 pods.

`python -m tests.ui.fleets` obtains Chromium and records the large fleet if they are not in the cache.
"""

import contextlib
import hashlib
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from aggregator.models.catalog.default_catalog import compose_default_catalog
from benchmarks.fleet_recording import record_fleet
from demo.cache import find_cache_folder
from demo.debian_packages import PackageError
from demo.fleet import SimulatedFleet
from tools.code import ROOT
from tools.parts.chromium import obtain_chromium

SMALL_NODE_COUNT = 2
MEDIUM_NODE_COUNT = 200
LARGE_NODE_COUNT = 2_000
PODS_PER_NODE = 15
# Two, with other values in each: a replay alternates between them.
RECORDED_REFRESHES = 2
_DIGEST_BYTES = 6


def generate_small_fleet() -> SimulatedFleet:
    """Return two nodes of one cluster with eight pods, which have run for some time."""
    fleet = SimulatedFleet.generate(since_seconds=int(time.time()))
    return replace(fleet, hosts=fleet.hosts[:SMALL_NODE_COUNT], pod_count=4)


def generate_fleet() -> SimulatedFleet:
    """Return the smallest fleet with all kinds of clusters: ten nodes in five clusters, with 40 pods."""
    return SimulatedFleet.generate(10, 4, since_seconds=int(time.time()))


def obtain_recording(nodes: int) -> Path:
    """Return the recording of a fleet from the cache; record it first if necessary, in about 30 ms per node."""
    path = find_cache_folder() / f"page-fleet-{nodes}-{_compute_digest()}.recording"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            record_fleet(nodes, Path(work) / path.name, RECORDED_REFRESHES, PODS_PER_NODE)
            # Another process may have been faster, with an equal file; the replacement is atomic.
            with contextlib.suppress(OSError):
                (Path(work) / path.name).replace(path)
    return path


def _compute_digest() -> str:
    """Return what a recording depends on: the queries, and the code of the simulated fleet."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for row in compose_default_catalog():
        digest.update(row.expression.text.encode())
    for source in sorted((ROOT / "demo").glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Obtain what the tests need."""
    try:
        print(obtain_chromium(print).path)
        for nodes in (MEDIUM_NODE_COUNT, LARGE_NODE_COUNT):
            print(obtain_recording(nodes))
    except PackageError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
