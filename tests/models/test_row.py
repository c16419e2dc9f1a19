"""What a row of the catalog may say, and that the catalog says only such things."""

import pytest

from aggregator.models.build import reading_order
from aggregator.models.catalog import CATALOG
from aggregator.models.describe import page
from aggregator.models.exporters import Exporter
from aggregator.models.row import BECOMES, FILLED_BY_THE_BUILDER, Fill, Match, Owner, Part, Row, Whose, match
from aggregator.models.values import word
from aggregator.querier.promql import present

ASK = present("m", ("a", "b"))


def row(whose: Whose, *fills: Fill) -> Row:
    """Return a row that asks for the labels a and b."""
    return Row("r", ASK, whose, fills, "a note", Exporter("an exporter"))


@pytest.mark.parametrize(
    ("whose", "fill", "problem"),
    [
        (Whose(Owner.NODE), Fill("name", word, "a"), "neither finds nor makes its owner"),
        (Whose(Owner.NODE, (match("c"),)), Fill("name", word, "a"), "reads c, which its PromQL drops"),
        (Whose(Owner.NODE, (match("a"),)), Fill("name", word, "c"), "reads c, which its PromQL drops"),
        (Whose(Owner.NODE, (match("a"),)), Fill("labels", word, "a", key="c"), "reads c, which its PromQL drops"),
        (Whose(Owner.NODE, makes=(("c",),)), Fill("name", word, "a"), "reads c, which its PromQL drops"),
        (Whose(Owner.NODE, (match("a"),)), Fill("key", word, "a"), "Node.key is the builder's to fill"),
        (Whose(Owner.NODE, (match("a"),)), Fill("labels", word, "a"), "just if it is a mapping"),
        (Whose(Owner.NODE, (match("a"),)), Fill("name", word, "a", key="b"), "just if it is a mapping"),
        (Whose(Owner.NODE, (match("a"),)), Fill("nmae", word, "a"), "Node has no field nmae"),
        (Whose(Owner.NODE, (match("a"),), part=Part.DEVICE, part_label="b"), Fill("speed", word), "no field speed"),
        (Whose(Owner.NODE, (match("a"),), part=Part.DEVICE), Fill("path", word, "a"), "a part needs the label"),
        (Whose(Owner.NODE, (match("a"),), part_label="b"), Fill("name", word, "a"), "a part needs the label"),
    ],
)
def test_a_row_that_cannot_work_is_refused(whose: Whose, fill: Fill, problem: str) -> None:
    """A mistake in the catalog is found when the program starts, by the row's name."""
    with pytest.raises(ValueError, match=f"catalog row r: .*{problem}"):
        row(whose, fill)


def test_a_match_says_where_names_differ() -> None:
    """`a=b` is the sample's label a and the owner's b; a plain name is both."""
    assert match("a", "b=c") == Match(("a", "b"), ("a", "c"))


def test_names_of_rows_differ() -> None:
    """A row is found by its name in logs, metrics and answers."""
    names = [row.name for row in CATALOG]
    assert len(set(names)) == len(names)


def test_every_row_is_read_once() -> None:
    """The stages of the builder read each row of the catalog, and none twice."""
    read = [row.name for row in reading_order(CATALOG)]
    assert sorted(read) == sorted(row.name for row in CATALOG)


@pytest.mark.parametrize("kind", BECOMES)
def test_every_field_of_the_topology_is_filled(kind: Owner | Part) -> None:
    """No field of the topology is there for nothing: a row fills it, or the builder does."""
    filled = {
        fill.field
        for row in CATALOG
        if (row.whose.part or row.whose.owner) is kind
        or (kind is Owner.CLUSTER and row.whose.owner is Owner.ORCHESTRATOR)
        for fill in row.fills
    }
    assert not set(BECOMES[kind].__struct_fields__) - filled - FILLED_BY_THE_BUILDER[kind]


def test_the_page_tells_of_every_row() -> None:
    """The printed catalog has a section for each row, with its PromQL, its exporter and where it lands."""
    text = page()
    for row in CATALOG:
        section = text.split(f"## {row.name}\n")[1].split("\n## ")[0]
        assert row.ask.text in section
        assert f"* shown by {row.exporter}\n" in section
        assert section.count("* fills") == len(row.fills)


@pytest.mark.parametrize(
    "metric",
    [
        *("timestamp(up)", "tlum_orch_info", "node_uname_info", "SCA_score", "vulnerabilities"),
        *("node_cpu_frequency_max_hertz", "node_thermal_zone_temp", "scaph_host_energy_microjoules_total"),
        *('kube_node_status_capacity{resource="cpu"}', 'kube_node_status_capacity{resource="memory"}'),
        *("node_memory_MemFree_bytes", "node_network_info", "node_network_up", "node_network_address_info"),
        *("node_network_speed_bytes", "node_mounted", "kube_pod_info", "kube_pod_status_phase == 1"),
        *("kube_pod_container_info", "container_cpu_utilization_ratio", "tlum_ocm_agent_info"),
    ],
)
def test_what_the_go_service_asks_is_asked(metric: str) -> None:
    """Every metric of the 21 queries of the Go service is in the catalog."""
    assert any(metric in row.ask.text for row in CATALOG)
