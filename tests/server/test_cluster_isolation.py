"""Restricted callers: series of other clusters change nothing, whatever names and IDs they share."""

import random

from hypothesis import given
from hypothesis import strategies as st

from aggregator.models.builder.build import build_topology
from aggregator.models.grant import Grant
from aggregator.refresh.snapshot import Snapshot, list_build_gaps
from aggregator.views.renderers import RENDERERS
from tests.fuzz.fuzz_settings import fuzz_examples
from tests.server.snapshot_provider import build_snapshot
from tests.server.tenant_telemetry import CLUSTER_KINDS, DEFAULT_KIND, SeriesByRow, TenantTelemetry, mix_series
from tests.support.catalog import CATALOG
from tests.support.samples import create_reader, decode_row_samples

OWN_GRANT = Grant(frozenset({"mine-*"}))


def build_restricted_snapshot(series: SeriesByRow) -> Snapshot:
    """Return what the tenant `mine` sees of a refresh with these series."""
    samples = {row: decode_row_samples(row, those) for row, those in series.items()}
    topology, stats = build_topology(create_reader(samples), CATALOG, default_cluster="mine-0")
    return build_snapshot(*list_build_gaps(stats), topology=topology).restrict(OWN_GRANT)


@fuzz_examples(75)
@given(seed=st.integers(0, 2**32))
def test_series_of_others_change_nothing(seed: int) -> None:
    """With and without the clusters of others, all views and gaps are equal, whichever series are missing."""
    rng = random.Random(seed)  # noqa: S311 - invented telemetry needs no secrecy
    mine = TenantTelemetry("mine", rng, (*CLUSTER_KINDS, DEFAULT_KIND)).series
    theirs = TenantTelemetry("theirs", rng, CLUSTER_KINDS).series
    alone, beside = build_restricted_snapshot(mine), build_restricted_snapshot(mix_series(rng, mine, theirs))
    assert beside.topology == alone.topology
    assert beside.gaps == alone.gaps
    assert all(beside.get_body(view) == alone.get_body(view) for view in RENDERERS)
