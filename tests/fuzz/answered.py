"""From series to a topology, without a Prometheus: the demo's PromQL answers the catalog's queries."""

import math
from collections.abc import Iterator

from aggregator.models.catalog import CATALOG
from aggregator.models.topology import Topology
from demo.answers import number_text
from demo.promql import Evaluate, compiled
from demo.scene import Read, Scene
from tests import samples
from tests.parity.telemetry import Telemetry

AT_SECONDS = 1_795_208_160.0
# How much everything has grown in a second.
GROWTH = 0.5

_QUERIES = {row.name: compiled(row.ask.text) for row in CATALOG}


class Told(Scene):
    """The series of a random fleet: any text in their labels, any number as their value."""

    def __init__(self, telemetry: Telemetry) -> None:
        super().__init__(AT_SECONDS, "", lambda _before: "")
        self._telemetry = telemetry

    def series(self, metric: str, before_seconds: float = 0.0) -> Read:
        """Return labels and value of each series of a metric, as they were some time before."""
        return [
            ({"__name__": metric, **dict(one.labels)}, one.number() - GROWTH * before_seconds)
            for one in self._telemetry.of(metric)
        ]


def topology_of(scene: Scene) -> Topology:
    """Return what the builder makes of a scene's answers."""
    return samples.built({name: _answered(evaluate, scene) for name, evaluate in _QUERIES.items()})[0]


def _answered(evaluate: Evaluate, scene: Scene) -> Iterator[samples.Series]:
    found = evaluate(scene)
    assert isinstance(found, list)
    return ((series.labels, _text(series.value)) for series in found)


def _text(value: float) -> str:
    if math.isfinite(value):
        return number_text(value)
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else '+'}Inf"
