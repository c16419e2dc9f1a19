"""The queries of the dashboards, with their variables filled in, and their results in a real Prometheus."""

import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from tools.monitoring.dashboards.parts import Choice, Dashboard, Telemetry, Variable

REQUEST_TIMEOUT_SECONDS = 30.0
# What Grafana fills in itself. The first is four times the scrape interval in the provisioned data source.
BUILT_IN_VALUES = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h"}
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class DashboardQuery:
    """An expression of a dashboard, and where it is."""

    place: str
    expression: str


def fill_variables(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the values of all variables; raise KeyError for a variable that does not exist."""
    known = {**BUILT_IN_VALUES, **values}
    return _VARIABLE.sub(lambda match: known[match[1] or match[2]], text)


def list_panel_queries(dashboard: Dashboard, telemetry: Telemetry) -> Iterator[DashboardQuery]:
    """Yield the expressions of the rows whose series come from there."""
    for row in dashboard.rows:
        if row.telemetry is telemetry:
            for panel in row.panels:
                yield from (
                    DashboardQuery(f"{dashboard.title} / {row.title} / {query.legend}", query.expression)
                    for query in panel.queries
                )


def parse_label_values(variable: Variable) -> tuple[str, str]:
    """Return the selector and the label of the query of a variable."""
    match = _LABEL_VALUES.fullmatch(variable.query)
    assert match is not None, variable.query
    return match["selector"], match["label"]


class PrometheusQueries:
    """Sends queries to a Prometheus."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def get_samples(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression; raise AssertionError if it is refused."""
        connection = HTTPConnection(self._address, timeout=REQUEST_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
            response = connection.getresponse()
            body = json.loads(response.read())
        finally:
            connection.close()
        assert response.status == 200, f"{expression}: {body}"
        samples: list[dict[str, Any]] = body["data"]["result"]
        return samples

    def list_values(self, variable: Variable, values: Mapping[str, str]) -> list[str]:
        """Return the values of a variable, sorted as in Grafana."""
        selector, label = parse_label_values(variable)
        samples = self.get_samples(f"group by ({label}) ({fill_variables(selector, values)})")
        return sorted(sample["metric"][label] for sample in samples if label in sample["metric"])

    def list_selections(self, dashboard: Dashboard) -> list[dict[str, str]]:
        """Return all combinations of values that can be selected; raise AssertionError for a variable without any.

        A variable that can have all values at once has only these.
        """
        selections: list[dict[str, str]] = [{}]
        for variable in dashboard.variables:
            if isinstance(variable, Choice):
                selections = [{**each, variable.name: value} for each in selections for value in variable.values]
                continue
            found = [(each, self.list_values(variable, each)) for each in selections]
            assert all(values for _, values in found), f"{dashboard.title}: the variable {variable.name} has no values"
            selections = [
                {**each, variable.name: value}
                for each, values in found
                for value in ([".*"] if variable.has_all else values)
            ]
        return selections

    def find_empty_queries(self, dashboard: Dashboard, telemetry: Telemetry, **fixed: str) -> list[DashboardQuery]:
        """Return the expressions of a dashboard that have no number with some selection of its variables.

        Variables in `fixed` have only that value.
        """
        queries = list(list_panel_queries(dashboard, telemetry))
        filled = {
            DashboardQuery(each.place, fill_variables(each.expression, selection))
            for selection in (self.list_selections(dashboard) if queries else ())
            if all(selection[name] == value for name, value in fixed.items())
            for each in queries
        }
        return sorted((each for each in filled if not self.has_values(each.expression)), key=lambda each: each.place)

    def has_values(self, expression: str) -> bool:
        """Return whether an expression has a value that is a number."""
        return any(sample["value"][1] != "NaN" for sample in self.get_samples(expression))
