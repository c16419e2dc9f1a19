"""Hand-made samples, made as the program makes them: from the JSON of an answer, by the row's own decoder."""

import json
from collections.abc import Iterable, Mapping, Sequence

from aggregator.models.build import build
from aggregator.models.catalog import CATALOG
from aggregator.models.row import Row
from aggregator.models.tally import Tally
from aggregator.models.topology import Topology
from aggregator.querier.decode import Sample

ROWS: Mapping[str, Row] = {row.name: row for row in CATALOG}

Series = tuple[Mapping[str, str], str]


def body(series: Iterable[Series], **beside: Sequence[str]) -> bytes:
    """Return what Prometheus would answer: labels and value of each series; `beside` are warnings and infos."""
    result = [{"metric": labels, "value": [1795208200.5, value]} for labels, value in series]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}, **beside}).encode()


def samples(row_name: str, series: Iterable[Series]) -> list[Sample]:
    """Return the samples that a row of the catalog would see."""
    return ROWS[row_name].query.decode(body(series)).samples


def built(series_by_row: Mapping[str, Iterable[Series]]) -> tuple[Topology, Tally]:
    """Return what the builder makes of the series of some rows; the other rows answer with nothing."""
    return build({name: samples(name, series) for name, series in series_by_row.items()}, CATALOG)
