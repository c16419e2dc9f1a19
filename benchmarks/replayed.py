"""What does a refresh cost on recordings, without the asking? python -m benchmarks.replayed FILE… prints a table.

Each recording is refreshed from twice, in a process that has done nothing before. What it costs to unpack an answer,
and to pack it again as the gateway does, is in it; connections, and waiting for a Prometheus, are not.
"""

import sys
from statistics import median

from aggregator.recording.tape import Tape, body_of
from benchmarks.cold import ANSWER_BYTES
from benchmarks.processes import said_by

ROUNDS = 3


def size_of(path: str) -> tuple[int, int]:
    """Return how many samples the first refresh of a recording has, and how many bytes its answers."""
    samples = size_bytes = 0
    with Tape(path) as tape:
        for answer, frame in tape.answers(0):
            body = body_of(answer, frame, ANSWER_BYTES)
            samples += body.count(b'"metric":{')
            size_bytes += len(body)
    return samples, size_bytes


def main() -> None:
    """Print a Markdown table of medians."""
    print("| recording | samples | answers | CPU of a cold refresh | of the next | wall of the next | peak memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for path in sys.argv[1:]:
        samples, size_bytes = size_of(path)
        said = [said_by("cold", f"replay:{path}#speed=max") for _ in range(ROUNDS)]
        cold, warm, wall, peak = (
            median(each[name] for each in said)
            for name in ("cpu_seconds", "next_cpu_seconds", "next_wall_seconds", "peak_mebibytes")
        )
        a_sample = f"{1e6 * cold / samples:.1f} µs a sample"
        print(
            f"| {path} | {samples:,} | {size_bytes / 1e6:,.0f} MB | {cold:.2f} s, {a_sample} "
            f"| {warm:.2f} s | {wall:.2f} s | {peak:,.0f} MiB |"
        )


if __name__ == "__main__":
    main()
