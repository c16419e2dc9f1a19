"""What dashboards are made of: queries, panels, rows and variables, on top of the SDK of Grafana."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar

from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.builders import heatmap, nodegraph, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.nodegraph import ArcOption
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from aggregator.lookup.graph import VERTEX_FIELDS

PROMETHEUS_NAME = "Prometheus Data Source"
# What Grafana derives from the name; the dashboards of the older stack have it in every panel.
PROMETHEUS_UID = "PC68CF569CB931581"
INFINITY_NAME = "Aggregator"
INFINITY_UID = "aggregator-infinity"
INFINITY_TYPE = "yesoreyeram-infinity-datasource"
NODE_GRAPH_API_NAME = "Aggregator graph"
NODE_GRAPH_API_UID = "aggregator-graph"
NODE_GRAPH_API_TYPE = "hamedkarbasi93-nodegraphapi-datasource"

# A user may select another Prometheus, so panels refer to the variable.
PROMETHEUS = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
INFINITY = dashboard.DataSourceRef(type_val=INFINITY_TYPE, uid=INFINITY_UID)
NODE_GRAPH_API = dashboard.DataSourceRef(type_val=NODE_GRAPH_API_TYPE, uid=NODE_GRAPH_API_UID)

_TAG = "aggregator"
_REFRESH = "30s"

AnyPanel = Builder[dashboard.Panel]
_PrometheusPanel = TypeVar("_PrometheusPanel", stat.Panel, timeseries.Panel, table.Panel, heatmap.Panel)


class Telemetry(Enum):
    """Where the series of a row come from, and so which check finds data for its queries."""

    FLEET = "fleet"
    STACK = "stack"


@dataclass(frozen=True)
class Query:
    """A PromQL expression, the legend of its series, and in tables the unit of its column."""

    expression: str
    legend: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel: its builder without a position, its width in columns of 24, and its queries."""

    build: Callable[[], AnyPanel]
    width: int
    height: int
    queries: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Row:
    """A titled row of panels, and where their series come from."""

    title: str
    panels: Sequence[Panel]
    telemetry: Telemetry = Telemetry.FLEET


@dataclass(frozen=True)
class Variable:
    """A variable whose values are those of a label. `preferred` is selected if nothing else is.

    A variable with `has_all` can be all values at once, and expressions match it with `=~`.
    """

    name: str
    query: str
    label: str
    has_all: bool = False
    preferred: str = ""


@dataclass(frozen=True)
class Choice:
    """A variable with fixed values, the first of which is the default."""

    name: str
    label: str
    values: Sequence[str]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable | Choice] = ()

    def render(self) -> str:
        """Return the JSON that Grafana imports."""
        built = (
            builder.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([_TAG])
            .time("now-1h", "now")
            .refresh(_REFRESH)
            .timezone("browser")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .with_variable(_build_data_source_variable())
            .link(builder.DashboardLink("Aggregator").type(dashboard.DashboardLinkType.DASHBOARDS).tags([_TAG])
                  .as_dropdown(True).keep_time(True).icon("external link"))
        )  # fmt: skip
        for variable in self.variables:
            built.with_variable(_build_choice(variable) if isinstance(variable, Choice) else _build_variable(variable))
        for row in self.rows:
            built.with_row(builder.Row(row.title))
            for panel in row.panels:
                built.with_panel(panel.build())
        document = built.build()
        for number, each in enumerate(document.panels or (), 1):
            each.id_val = number
        return json.dumps(document, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _build_data_source_variable() -> builder.DatasourceVariable:
    current = dashboard.VariableOption(text=PROMETHEUS_NAME, value=PROMETHEUS_UID, selected=True)
    return builder.DatasourceVariable("datasource").label("Data source").type("prometheus").current(current)


def _build_variable(variable: Variable) -> builder.QueryVariable:
    built = (
        builder.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(PROMETHEUS)
        .query({"query": variable.query, "refId": variable.name})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.has_all:
        everything = dashboard.VariableOption(text="All", value="$__all", selected=True)
        built.multi(True).include_all(True).all_value(".*").current(everything)
    elif variable.preferred:
        built.current(dashboard.VariableOption(text=variable.preferred, value=variable.preferred, selected=True))
    return built


def _build_choice(choice: Choice) -> builder.CustomVariable:
    first = dashboard.VariableOption(text=choice.values[0], value=choice.values[0], selected=True)
    return builder.CustomVariable(choice.name).label(choice.label).values(",".join(choice.values)).current(first)


# --- panels


def draw_stat(
    title: str, *queries: Query, unit: str = "short", width: int = 4, description: str = "", steps: "Steps" = ()
) -> Panel:
    """Return a panel with the last value of each series; without steps it has one color."""

    def build() -> AnyPanel:
        panel = (
            stat.Panel()
            .unit(unit)
            .graph_mode(common.BigValueGraphMode.NONE)
            .color_mode(common.BigValueColorMode.VALUE)
            .reduce_options(common_builder.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
            .thresholds(_build_thresholds(steps))
        )
        return _finish(panel, title, description, width, 4, [_build_query(each).instant() for each in queries])

    return Panel(build, width, 4, queries)


def draw_lines(
    title: str,
    *queries: Query,
    unit: str = "short",
    width: int = 12,
    description: str = "",
    is_stacked: bool = False,
    maximum: float | None = None,
) -> Panel:
    """Return a panel with the series over time."""

    def build() -> AnyPanel:
        legend = (
            common_builder.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        panel = timeseries.Panel().unit(unit).min(0).fill_opacity(25 if is_stacked else 8).legend(legend)
        if maximum is not None:
            panel.max(maximum)
        if is_stacked:
            panel.stacking(common_builder.StackingConfig().mode(common.StackingMode.NORMAL))
        return _finish(panel, title, description, width, 8, [_build_query(each).range() for each in queries])

    return Panel(build, width, 8, queries)


def draw_heatmap(title: str, query: Query, unit: str = "s", width: int = 12, description: str = "") -> Panel:
    """Return a panel with the increase of each bucket of a histogram over time."""

    def build() -> AnyPanel:
        panel = heatmap.Panel().calculate(False).y_axis(heatmap.YAxisConfig().unit(unit))
        target = _build_query(query).range().format(PromQueryFormat.HEATMAP)
        return _finish(panel, title, description, width, 8, [target])

    return Panel(build, width, 8, (query,))


def draw_table(
    title: str, *queries: Query, columns: Sequence[str] = (), width: int = 12, height: int = 9, description: str = ""
) -> Panel:
    """Return a table with one row for each label set, and one column for each query, named by its legend.

    `columns` are the labels to show; all others are hidden.
    """

    def build() -> AnyPanel:
        targets = [_build_query(each).instant().format(PromQueryFormat.TABLE) for each in queries]
        names = {f"Value #{_REF_IDS[number]}" if len(queries) > 1 else "Value": each.legend
                 for number, each in enumerate(queries)}  # fmt: skip
        panel = (
            table.Panel()
            .align(common.FieldTextAlignment.AUTO)
            .with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
            .with_transformation(
                dashboard.DataTransformerConfig(
                    id_val="filterFieldsByName", options={"include": {"names": [*columns, *names]}}
                )
            )
            .with_transformation(
                dashboard.DataTransformerConfig(
                    id_val="organize", options={"renameByName": names, "excludeByName": {}, "indexByName": {}}
                )
            )
        )
        for each in queries:
            if each.unit:
                panel.override_by_name(each.legend, [dashboard.DynamicConfigValue(id_val="unit", value=each.unit)])
        return _finish(panel, title, description, width, height, targets)

    return Panel(build, width, height, queries)


def draw_graph(title: str, parameters: str, width: int = 24, description: str = "") -> Panel:
    """Return a node graph of the topology by the Infinity data source."""

    def build() -> AnyPanel:
        # The Node Graph API data source gets the colors from the gateway.
        arcs: list[Builder[ArcOption]] = [
            nodegraph.ArcOption().field(each.name).color(each.color) for each in VERTEX_FIELDS if each.color
        ]
        panel = nodegraph.Panel().title(title).description(description).datasource(INFINITY).span(width).height(14)
        panel.nodes(nodegraph.NodeOptions().arcs(arcs))
        panel.with_target(InfinityQuery("nodes", f"/api/v1/graph?{parameters}", "A"))
        panel.with_target(InfinityQuery("edges", f"/api/v1/graph?{parameters}", "B"))
        return panel

    return Panel(build, width, 14)


def draw_plugin_graph(title: str, parameters: str, width: int = 24, description: str = "") -> Panel:
    """Return a node graph of the topology by the Node Graph API data source."""

    def build() -> AnyPanel:
        panel = nodegraph.Panel().title(title).description(description).datasource(NODE_GRAPH_API)
        return panel.span(width).height(14).with_target(NodeGraphQuery(parameters, "A"))

    return Panel(build, width, 14)


Steps = Sequence[tuple[float, Literal["green", "orange", "red"]]]
"""Values from which on a color applies, after green."""

_REF_IDS = "ABCDEFGHIJ"


def _build_query(query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expression).legend_format(query.legend or "__auto").datasource(PROMETHEUS)


def _finish(
    panel: _PrometheusPanel,
    title: str,
    description: str,
    width: int,
    height: int,
    targets: Sequence[prometheus.Dataquery],
) -> _PrometheusPanel:
    panel.title(title).description(description).datasource(PROMETHEUS).span(width).height(height)
    for number, target in enumerate(targets):
        panel.with_target(target.ref_id(_REF_IDS[number]))
    return panel


def _build_thresholds(steps: Steps) -> builder.ThresholdsConfig:
    # The first step has no value: it applies below all others.
    listed = [dashboard.Threshold(color="green")]
    listed += [dashboard.Threshold(value=value, color=color) for value, color in steps]
    return builder.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(listed)


@dataclass
class InfinityQuery(Builder[Dataquery], Dataquery):
    """A query of the Infinity data source for the nodes or the edges of a graph. The SDK has no model of it."""

    member: Literal["nodes", "edges"]
    url: str
    ref_id: str

    def build(self) -> Dataquery:
        """Return the query itself."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return what the data source stores."""
        return {
            "refId": self.ref_id,
            "datasource": INFINITY,
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": f"node-graph-{self.member}",
            "url": self.url,
            "url_options": {"method": "GET", "data": ""},
            "root_selector": self.member,
            "columns": [],
            "filters": [],
        }


@dataclass
class NodeGraphQuery(Builder[Dataquery], Dataquery):
    """A query of the Node Graph API data source. The SDK has no model of it."""

    parameters: str
    ref_id: str

    def build(self) -> Dataquery:
        """Return the query itself."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Return what the data source stores."""
        return {"refId": self.ref_id, "datasource": NODE_GRAPH_API, "queryText": self.parameters}
