"""The cost of a refresh from recordings: python -m benchmarks.recording_refresh FILE… prints a table.

Each recording is replayed for two refreshes in a new process. The figures include decompressing and compressing the
responses as the gateway does; they exclude connections and waiting for Prometheus.
"""

import sys
from statistics import median

from aggregator.querier.recording.replay import RecordingReader, read_response_body
from benchmarks.cold_refresh import MAX_RESPONSE_BYTES
from benchmarks.processes import run_benchmark_module

ROUNDS = 3


def measure_recording_size(path: str) -> tuple[int, int]:
    """Return the samples of the first refresh of a recording, and the bytes of its responses."""
    samples = size_bytes = 0
    with RecordingReader(path) as reader:
        for answer, frame in reader.iterate_responses(0):
            body = read_response_body(answer, frame, MAX_RESPONSE_BYTES)
            samples += body.count(b'"metric":{')
            size_bytes += len(body)
    return samples, size_bytes


def main() -> None:
    """Print a Markdown table of medians."""
    print("| recording | samples | responses | CPU, cold refresh | CPU, next | duration, next | peak memory |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for path in sys.argv[1:]:
        samples, size_bytes = measure_recording_size(path)
        results = [run_benchmark_module("cold_refresh", f"replay:{path}#speed=max") for _ in range(ROUNDS)]
        cold, warm, wall, peak = (
            median(each[name] for each in results)
            for name in ("cpu_seconds", "next_cpu_seconds", "next_wall_seconds", "peak_mebibytes")
        )
        cost_per_sample = f"{1e6 * cold / samples:.1f} µs a sample"
        print(
            f"| {path} | {samples:,} | {size_bytes / 1e6:,.0f} MB | {cold:.2f} s, {cost_per_sample} "
            f"| {warm:.2f} s | {wall:.2f} s | {peak:,.0f} MiB |"
        )


if __name__ == "__main__":
    main()
