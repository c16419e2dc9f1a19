"""The dashboards: valid for Grafana's models, complete, and without a panel that stays empty."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.builders.text import Panel as Text
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as DashboardModel

from demo.prometheus import obtain_prometheus
from tests.monitoring.dashboard_check import MonitoredFleet, run_monitored_fleet
from tests.monitoring.dashboard_queries import fill_variables, list_panel_queries, parse_label_values
from tests.monitoring.exposed import collect_exposed_metrics
from tests.monitoring.older_dashboards import OlderDashboard, load_older_dashboards
from tests.monitoring.rules import find_metric_names
from tests.support.http_client import send_request
from tools.monitoring.dashboards.all_dashboards import DASHBOARDS
from tools.monitoring.dashboards.parts import Choice, Dashboard, Panel, Query, Row, Telemetry, Variable

GRAFANA_DIR = Path(__file__).parents[2] / "deploy" / "monitoring" / "grafana"
DASHBOARD_FILES = sorted((GRAFANA_DIR / "dashboards").glob("*.json"))
COLUMNS = 24
# The dashboards of the older monitoring stack: service, Apache, probes, PostgreSQL, hosts.
OLDER_DASHBOARDS = load_older_dashboards()
OLDER_UIDS = {dashboard.uid for dashboard in OLDER_DASHBOARDS}

each_file = pytest.mark.parametrize("path", DASHBOARD_FILES, ids=lambda path: path.stem)
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def load(path: Path) -> dict[str, Any]:
    """Return a dashboard."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def list_data_sources() -> list[dict[str, Any]]:
    """Return the provisioned data sources."""
    text = (GRAFANA_DIR / "provisioning" / "datasources" / "aggregator.yaml").read_text(encoding="utf-8")
    sources: list[dict[str, Any]] = yaml.safe_load(text)["datasources"]
    return sources


def find_members(document: Any, name: str) -> Iterator[Any]:
    """Yield all members of a name in a document."""
    if isinstance(document, dict):
        yield from (value for key, value in document.items() if key == name)
        for value in document.values():
            yield from find_members(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from find_members(value, name)


def list_variable_selectors(dashboard: Dashboard) -> list[str]:
    """Return the selectors whose labels are the values of the variables."""
    return [parse_label_values(each)[0] for each in dashboard.variables if isinstance(each, Variable)]


def list_expressions(dashboard: Dashboard) -> list[str]:
    """Return all expressions of panels and variables, with any values of the variables."""
    values = {each.name: "x" for each in dashboard.variables}
    expressions = [each.expression for telemetry in Telemetry for each in list_panel_queries(dashboard, telemetry)]
    return [fill_variables(each, values) for each in (*expressions, *list_variable_selectors(dashboard))]


@each_file
def test_the_models_of_grafana_have_every_member(path: Path) -> None:
    """A dashboard that is read into the models of the SDK and written again is the same."""
    register_default_plugins()
    document = load(path)
    assert json.loads(json.dumps(DashboardModel.from_json(document), cls=JSONEncoder)) == document


@each_file
def test_panels_do_not_overlap(path: Path) -> None:
    """Panels have unique IDs, lie within the width of a dashboard and do not overlap."""
    panels = load(path)["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)
    positions = [panel["gridPos"] for panel in panels]
    assert all(each["x"] + each["w"] <= COLUMNS for each in positions)
    for one, other in itertools.combinations(positions, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


@each_file
def test_every_data_source_is_provisioned(path: Path) -> None:
    """Panels and variables use the selected Prometheus or a data source that is provisioned."""
    provisioned = {source["uid"] for source in list_data_sources()}
    used = [source["uid"] for source in find_members(load(path), "datasource")]
    assert used
    assert set(used) <= {"${datasource}", *provisioned}
    (selected,) = (each for each in load(path)["templating"]["list"] if each["name"] == "datasource")
    assert selected["current"]["value"] in provisioned


def test_the_data_source_has_the_uid_that_grafana_derives() -> None:
    """The UID of Prometheus is what Grafana derives from its name, so that older dashboards find it."""
    source = list_data_sources()[0]
    assert source["name"] == "Prometheus Data Source"
    assert source["uid"] == "P" + hashlib.sha256(source["name"].encode()).hexdigest()[:16].upper()


def test_the_dashboards_of_the_older_stack_have_a_successor() -> None:
    """Each dashboard has its own UID, and those of the older stack are among them."""
    uids = [load(path)["uid"] for path in DASHBOARD_FILES]
    assert len(set(uids)) == len(uids)
    assert set(uids) >= OLDER_UIDS
    assert {path.stem for path in DASHBOARD_FILES} == set(DASHBOARDS)


@each_dashboard
def test_expressions_name_metrics_that_exist(dashboard: Dashboard) -> None:
    """Every metric in an expression is one that our processes or the usual exporters expose."""
    names = {name for expression in list_expressions(dashboard) for name in find_metric_names(expression)}
    assert names - collect_exposed_metrics() == set()


@each_dashboard
def test_values_of_variables_may_have_any_characters(dashboard: Dashboard) -> None:
    """Variables that can have several values are matched as patterns, others exactly.

    Grafana escapes the characters of patterns only in values of the former.
    """
    patterns = {each.name: isinstance(each, Variable) and each.has_all for each in dashboard.variables}
    expressions = [each.expression for telemetry in Telemetry for each in list_panel_queries(dashboard, telemetry)]
    for expression in (*expressions, *(each.query for each in dashboard.variables if isinstance(each, Variable))):
        matchers = re.findall(r'(=~|!~|!=|=)"([^"]*[$][^"]*)"', expression)
        assert [value for _, value in matchers if value.removeprefix("$") not in patterns] == []
        assert all(operator == ("=~" if patterns[value[1:]] else "=") for operator, value in matchers)


@pytest.mark.parametrize("older", OLDER_DASHBOARDS, ids=lambda older: older.uid)
def test_the_exporters_have_what_older_dashboards_query(older: OlderDashboard) -> None:
    """Every metric on which a dashboard of the older stack relies is one that the stack exposes."""
    names = {name for expression in older.expressions for name in find_metric_names(expression)}
    assert (names | set(older.recorded_only)) - collect_exposed_metrics() == set()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MonitoredFleet]:
    """The demo fleet with our own processes in a real Prometheus."""
    with run_monitored_fleet(tmp_path_factory.mktemp("monitored"), obtain_prometheus()) as running:
        yield running


@each_dashboard
def test_no_panel_is_empty(fleet: MonitoredFleet, dashboard: Dashboard) -> None:
    """Whatever is selected, each variable has values, and each query of a panel has a number.

    Those of the example service, its exporters and node_exporter need the whole stack; here, Prometheus accepts them.
    """
    assert fleet.find_empty_queries(dashboard) == []
    for expression in list_expressions(dashboard):
        fleet.queries.get_samples(expression)


def test_an_empty_panel_is_found(fleet: MonitoredFleet) -> None:
    """A query without series, and one whose only value is not a number, are reported."""
    panel = Panel(Text, 1, 1, (Query("absent_metric"), Query("vector(0) / 0"), Query("vector(0)")))
    dashboard = replace(DASHBOARDS["fleet"], variables=(), rows=(Row("Row", (panel,)),))
    found = fleet.queries.find_empty_queries(dashboard, Telemetry.FLEET)
    assert {each.expression for each in found} == {"absent_metric", "vector(0) / 0"}


def list_graph_paths(name: str) -> Iterator[str]:
    """Yield the paths that the node graphs of a dashboard request, with each value of its variables."""
    document = load(GRAFANA_DIR / "dashboards" / f"{name}.json")
    paths = [text for text in find_members(document, "url") if text.startswith("/api/")]
    for query in find_members(document, "queryText"):
        paths += [f"/api/v1/graph/api/graph/{end}?{query}" for end in ("data", "fields")]
    choices = [each for each in DASHBOARDS[name].variables if isinstance(each, Choice)]
    for values in itertools.product(*(choice.values for choice in choices)):
        selection = dict(zip((choice.name for choice in choices), values, strict=True))
        yield from (fill_variables(path, selection) for path in paths)


@pytest.mark.parametrize("name", ["fleet", "cluster"])
def test_every_node_graph_has_vertices(fleet: MonitoredFleet, name: str) -> None:
    """The gateway answers the queries of both data sources of node graphs with what they read."""
    paths = list(list_graph_paths(name))
    assert paths
    for path in paths:
        answer = send_request(fleet.gateway_port, path)
        assert (answer.status, path) == (200, path)
        graph = answer.json()
        assert graph.get("nodes") or graph.get("nodes_fields")
