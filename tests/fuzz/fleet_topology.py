"""Topologies built without a Prometheus, from a simulated source."""

from aggregator.models.builder.build import build_topology
from aggregator.models.sample import Sample
from aggregator.models.topology import Topology
from aggregator.querier.source import RefreshBudget, RowSamples, Source
from demo.exposition import ExpositionSnapshot, Series
from demo.simulated_source import SimulatedSource
from tests.parity.fleet_telemetry import FleetTelemetry
from tests.support.catalog import CATALOG

AT_SECONDS = 1_795_208_160.0
# The growth of every series per second.
GROWTH_PER_SECOND = 0.5


class TelemetrySnapshot(ExpositionSnapshot):
    """The series of a random fleet."""

    def __init__(self, telemetry: FleetTelemetry) -> None:
        super().__init__(AT_SECONDS, "", lambda _before: "")
        self._telemetry = telemetry

    def find_series(self, metric: str, before_seconds: float = 0.0) -> list[Series]:
        """Return the series of a metric as they were `before_seconds` ago."""
        return [
            Series(
                {"__name__": metric, **dict(series.labels)}, series.parse_value() - GROWTH_PER_SECOND * before_seconds
            )
            for series in self._telemetry.find_series(metric)
        ]


def create_telemetry_source(telemetry: FleetTelemetry) -> Source:
    """Return a source with these series."""
    return SimulatedSource(lambda _at_seconds: [TelemetrySnapshot(telemetry)])


def build_source_topology(source: Source, at_seconds: float = AT_SECONDS) -> Topology:
    """Build the topology of a source."""
    results = source.collect(CATALOG, at_seconds, RefreshBudget(600.0))

    def read_samples(row_name: str) -> list[Sample]:
        (row,) = (row for row in CATALOG if row.name == row_name)
        answer = results.wait_for_row(row).outcome
        assert isinstance(answer, RowSamples)
        return answer.samples

    return build_topology(read_samples, CATALOG)[0]
