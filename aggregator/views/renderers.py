"""The views by name: pure functions from a topology and the current Unix time to the bytes of a published format."""

from collections.abc import Callable, Mapping

from aggregator.models.topology import Topology
from aggregator.views import etim, legacy_1_2_5, legacy_2025, v1_format, v1_protobuf

ViewRenderer = Callable[[Topology, float], bytes]


def _without_gone_nodes(render: ViewRenderer) -> ViewRenderer:
    """Return the renderer of a format that cannot say that a node is gone."""
    return lambda topology, now_seconds: render(topology.drop_absent_nodes(), now_seconds)


RENDERERS: Mapping[str, ViewRenderer] = {
    "1.2.5": _without_gone_nodes(legacy_1_2_5.render_legacy),
    "2025": _without_gone_nodes(legacy_2025.render_legacy_2025),
    etim.ETIM: _without_gone_nodes(etim.render_etim),
    v1_format.V1_JSON: v1_format.render_v1_json,
    v1_protobuf.V1_PROTOBUF: v1_protobuf.render_v1_protobuf,
    v1_protobuf.V1_CHUNKS: v1_protobuf.render_v1_chunks,
}

# Views whose documents contain no ages: their bytes depend on the topology alone, not on the time.
VIEWS_WITHOUT_AGES = frozenset({etim.ETIM, v1_format.V1_JSON, v1_protobuf.V1_PROTOBUF, v1_protobuf.V1_CHUNKS})
