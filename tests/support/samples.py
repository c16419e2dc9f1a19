"""Samples for tests, decoded from JSON by the decoders of the rows."""

import json
from collections.abc import Iterable, Mapping, Sequence

from aggregator.models.builder.build import build_topology
from aggregator.models.builder.merge import BuildStats
from aggregator.models.catalog.promql import PromqlText
from aggregator.models.catalog.row import EntityKind, EntitySelector, Exporter, Row
from aggregator.models.sample import Sample, SampleReader
from aggregator.models.topology import Topology
from aggregator.querier.prometheus.decode import create_decoder
from tests.support.catalog import CATALOG

ROWS_BY_NAME: Mapping[str, Row] = {row.name: row for row in CATALOG}

Series = tuple[Mapping[str, str], str]


def create_row(promql: str, labels: tuple[str, ...] = ()) -> Row:
    """Return a row that is not in the catalog; its name is its PromQL."""
    selector = EntitySelector(EntityKind.SYSTEM, identities=((),))
    return Row(promql, PromqlText(promql, labels), selector, (), "", Exporter("test"))


def encode_response(series: Iterable[Series], **extra: Sequence[str]) -> bytes:
    """Return the response of Prometheus with these series; `extra` are top-level keys such as warnings and infos."""
    result = [{"metric": labels, "value": [1795208200.5, value]} for labels, value in series]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}, **extra}).encode()


def decode_row_samples(row_name: str, series: Iterable[Series]) -> list[Sample]:
    """Return the samples of a catalog row, decoded from a response with these series."""
    return create_decoder(ROWS_BY_NAME[row_name].expression.labels)(encode_response(series)).samples


def create_reader(samples_by_row: Mapping[str, Iterable[Sample]]) -> SampleReader:
    """Return a reader of these samples; other rows have none."""
    return lambda row_name: [*samples_by_row.get(row_name, ())]


def build_from_samples(samples_by_row: Mapping[str, Iterable[Sample]]) -> tuple[Topology, BuildStats]:
    """Build a topology from the samples of some catalog rows."""
    return build_topology(create_reader(samples_by_row), CATALOG)


def build_from_series(series_by_row: Mapping[str, Iterable[Series]]) -> tuple[Topology, BuildStats]:
    """Build a topology from the series of some catalog rows; the other rows have no samples."""
    return build_from_samples({name: decode_row_samples(name, series) for name, series in series_by_row.items()})
