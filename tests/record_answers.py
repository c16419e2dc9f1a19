"""Writes tests/data/parity/NAME.answers.json from a real Prometheus, and tests/data/golden from those.

::

    python -m tests.record_answers            after a change of the catalog's queries
    python -m tests.record_answers --golden   after a change of the builder or a view; needs no Prometheus

Read the difference that git shows before it is committed: the files say what clients get.
"""

import argparse
import json
import sys

from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from demo.prometheus import ScrapedExposition, run_prometheus_with_data
from tests.support.catalog import CATALOG
from tests.support.parity_cases import (
    CASE_NAMES,
    DOCUMENT_AGE_SECONDS,
    GOLDEN_DIR,
    PARITY_DIR,
    Json,
    load_recorded_responses,
    read_exposition,
    read_scrape_time_seconds,
    render_golden_files,
)

QUERY_LIMITS = QueryLimits(query_timeout_seconds=10, max_response_bytes=2**20, max_connections=1)


def query_prometheus(name: str) -> dict[str, Json]:
    """Return what a real Prometheus that holds the case answers to each row; rows without a sample are left out."""
    at_seconds = read_scrape_time_seconds(name)
    with run_prometheus_with_data([ScrapedExposition(read_exposition(name), at_seconds)]) as url:
        client = PrometheusClient(UpstreamAddress(url), QUERY_LIMITS)
        by_row = {
            row.name: {
                "promql": row.expression.text,
                "answer": json.loads(client.query(row.expression.text, at_seconds + DOCUMENT_AGE_SECONDS).decompress()),
            }
            for row in CATALOG
        }
        client.close()
    return {name: entry for name, entry in by_row.items() if entry["answer"]["data"]["result"]}


def format_responses(by_row: dict[str, Json]) -> str:
    """Return the answers as text: a line for each series, in the order of their labels."""
    rows = []
    for name, entry in by_row.items():
        data = entry["answer"]["data"]
        series = sorted(json.dumps(one, ensure_ascii=False, sort_keys=True) for one in data["result"])
        listed = ",\n      ".join(series)
        rows.append(
            f'"{name}": {{\n'
            f'  "promql": {json.dumps(entry["promql"])},\n'
            f'  "answer": {{\n'
            f'    "status": "success",\n'
            f'    "data": {{"resultType": "vector", "result": [\n      {listed}\n    ]}}\n  }}\n}}'
        )
    return "{\n" + ",\n".join(rows) + "\n}\n"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(prog="python -m tests.record_answers", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--golden", action="store_true", help="only tests/data/golden, from the recorded answers")
    only_golden = parser.parse_args().golden
    for name in CASE_NAMES:
        if not only_golden:
            (PARITY_DIR / f"{name}.answers.json").write_text(format_responses(query_prometheus(name)), encoding="utf-8")
            load_recorded_responses.cache_clear()
        for file, text in render_golden_files(name).items():
            (GOLDEN_DIR / file).write_bytes(text)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
