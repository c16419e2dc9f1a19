"""What the dashboards of the older monitoring stack rely on, and whether a Prometheus has data for them."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.monitoring.dashboard_queries import PrometheusQueries, fill_variables

FACTS = Path(__file__).parents[1] / "data" / "monitoring" / "older-dashboards.toml"


@dataclass(frozen=True)
class OlderVariable:
    """A variable: the values of a label, or of the group of a pattern in it."""

    name: str
    selector: str
    label: str
    pattern: str = "(.*)"
    preferred: str = ""
    has_all: bool = False


@dataclass(frozen=True)
class OlderDashboard:
    """The queries of a dashboard and its variables, and metrics of which there may be none."""

    uid: str
    title: str
    queries: list[str]
    variables: list[OlderVariable] = field(default_factory=list)
    recorded_only: list[str] = field(default_factory=list)

    @property
    def expressions(self) -> Iterator[str]:
        """The expressions of queries and variables, with any values."""
        values = {variable.name: "x" for variable in self.variables}
        for text in (*self.queries, *(variable.selector for variable in self.variables)):
            yield fill_variables(text, values)

    def find_empty_queries(self, prometheus: PrometheusQueries) -> list[str]:
        """Return the queries without a number; raise AssertionError for a variable without values."""
        values: dict[str, str] = {}
        for variable in self.variables:
            values[variable.name] = ".*" if variable.has_all else self._select_value(prometheus, variable, values)
        filled = (fill_variables(query, values) for query in self.queries)
        return [query for query in filled if not prometheus.has_values(query)]

    def _select_value(self, prometheus: PrometheusQueries, variable: OlderVariable, values: dict[str, str]) -> str:
        labels = [
            sample["metric"].get(variable.label, "")
            for sample in prometheus.get_samples(fill_variables(variable.selector, values))
        ]
        found = {match[1] for label in labels if (match := re.fullmatch(variable.pattern, label))} - {""}
        assert found, f"{self.title}: the variable {variable.name} has no values"
        return variable.preferred if variable.preferred in found else min(found)


def load_older_dashboards() -> list[OlderDashboard]:
    """Return the facts about each dashboard."""
    facts = tomllib.loads(FACTS.read_text(encoding="utf-8"))["dashboards"]
    return [
        OlderDashboard(**{**each, "variables": [OlderVariable(**one) for one in each.get("variables", [])]})
        for each in facts
    ]
