"""Writes tests/data/parity/NAME.answers.json from a real Prometheus, and tests/data/golden from those.

::

    python -m tests.record_answers            after a change of the catalog's queries
    python -m tests.record_answers --golden   after a change of the builder or a view; needs no Prometheus

Read the difference that git shows before it is committed: the files say what clients get.
"""

import argparse
import json
import sys

from aggregator.models.catalog import CATALOG
from aggregator.querier.client import Address, Client, Limits
from demo.prometheus import Moment, holding
from tests.cases import AGE_SECONDS, GOLDEN, NAMES, PARITY, Json, exposition, golden, recorded, scraped_at_seconds

LIMITS = Limits(query_seconds=10, answer_bytes=2**20, connections=1)


def asked(name: str) -> dict[str, Json]:
    """Return what a real Prometheus that holds the case answers to each row; rows without a sample are left out."""
    at_seconds = scraped_at_seconds(name)
    with holding([Moment(exposition(name), at_seconds)]) as url:
        client = Client(Address(url), LIMITS)
        by_row = {
            row.name: {
                "promql": row.ask.text,
                "answer": json.loads(client.ask(row.ask.text, at_seconds + AGE_SECONDS)),
            }
            for row in CATALOG
        }
        client.close()
    return {name: said for name, said in by_row.items() if said["answer"]["data"]["result"]}


def text_of(by_row: dict[str, Json]) -> str:
    """Return the answers as text: a line for each series, in the order of their labels."""
    rows = []
    for name, said in by_row.items():
        data = said["answer"]["data"]
        series = sorted(json.dumps(one, ensure_ascii=False, sort_keys=True) for one in data["result"])
        listed = ",\n      ".join(series)
        rows.append(
            f'"{name}": {{\n'
            f'  "promql": {json.dumps(said["promql"])},\n'
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
    for name in NAMES:
        if not only_golden:
            (PARITY / f"{name}.answers.json").write_text(text_of(asked(name)), encoding="utf-8")
            recorded.cache_clear()
        for file, text in golden(name).items():
            (GOLDEN / file).write_bytes(text)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
