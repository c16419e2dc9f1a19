"""From the topology to the bytes of each published format: pure, one file a format, its names known only there."""

from collections.abc import Callable, Mapping

from aggregator.models.topology import Topology
from aggregator.views import etim, legacy, legacy_2025, v1, v1_chunks

BY_NAME: Mapping[str, Callable[[Topology, float], bytes]] = {
    "1.2.5": legacy.render,
    "2025": legacy_2025.render,
    "etim": etim.render,
    v1.JSON: v1.render_json,
    v1.PROTOBUF: v1.render_protobuf,
    v1_chunks.CHUNKS: v1_chunks.render,
}
