"""Writes the pages that are rendered by the program itself; with --check, reports the outdated ones and exits with 1.

These are the OpenAPI document, the pages of the settings, the catalog, the fields, the gateway's own metrics, the
evidence and the licenses, the generated files of the chart, and the recording of the demo, which is outdated if it does
not contain exactly the queries of the catalog.
"""

import sys

import yaml

from aggregator.agent.page import FAMILIES
from aggregator.observability.metrics import METRICS
from aggregator.server.http.routes import create_api
from aggregator.settings.agent import AgentSettings
from aggregator.settings.gateway import Settings
from aggregator.settings.scrape import ScrapeSettings
from aggregator.settings.settings import describe_settings
from aggregator.settings.types import SettingsGroup
from demo import recording
from tools import evidence, fields_page, metrics_page
from tools.chart.files import render_chart_files
from tools.code import ROOT, find_outdated_files, write_files
from tools.field_table import find_all_problems
from tools.monitoring.files import render_monitoring_files
from tools.release import licenses

_CONFIGURATION_HEADER = """\
# Configuration

Generated from `aggregator/settings/` by `make generate`.

All settings are environment variables. An empty variable counts as not set. The program checks all settings at startup,
reports all invalid ones together with the expected values, and exits with code 2.
"""

_SETTINGS_TABLE_HEADER = """
## {title}

| variable | default | accepted | meaning |
|---|---|---|---|
"""

# The processes, and their settings.
_SETTINGS_TYPES: tuple[tuple[str, type[SettingsGroup]], ...] = (
    ("Gateway", Settings),
    ("Agent", AgentSettings),
    ("Scrape server", ScrapeSettings),
)

_OWN_METRICS_HEADER = """\
# Metrics of the gateway

Generated from the table in `aggregator/observability/metrics.py` by `make generate`.

The gateway serves these metrics on `/metrics`, and on `METRICS_PORT` if it is set, together with the `process_*`
metrics of the Prometheus client (memory, CPU, file descriptors, start time). [monitoring.md](monitoring.md) says what
to alert on.

| metric | type | labels | meaning |
|---|---|---|---|
"""


_AGENT_METRICS_HEADER = """\
# Metrics of the agent

Generated from the table in `aggregator/agent/page.py` by `make generate`.

The agent of a Docker host serves these metrics on `/metrics`: [agents.md](agents.md). Metrics of containers also have a
label for each name in `CONTAINER_LABELS`.

| metric | type | labels | meaning |
|---|---|---|---|
"""


class _NoAliasDumper(yaml.CSafeDumper):
    """Repeats equal values instead of writing YAML aliases, which are hard to read."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def render_openapi() -> dict[str, str]:
    """Return the OpenAPI document by path."""
    document = create_api().openapi()
    text = yaml.dump(document, Dumper=_NoAliasDumper, sort_keys=False, allow_unicode=True, width=110)
    return {"docs/openapi.yaml": f"# Generated from the HTTP server by `make generate`.\n{text}"}


def render_pages() -> dict[str, str]:
    """Return the pages by path."""
    return {
        "docs/agent-metrics.md": render_agent_metrics_page(),
        "docs/configuration.md": render_configuration_page(),
        "docs/evidence.md": evidence.render_evidence_page(),
        "docs/fields.md": fields_page.render_fields_page(),
        "docs/licenses.md": licenses.render_licenses_page(),
        "docs/metrics.md": metrics_page.render_catalog_page(),
        "docs/own-metrics.md": render_own_metrics_page(),
    }


def render_configuration_page() -> str:
    """Return the page of the settings, with a table for each process."""
    return _CONFIGURATION_HEADER + "".join(
        _SETTINGS_TABLE_HEADER.format(title=title)
        + "".join(f"| {' | '.join(texts)} |\n" for texts in describe_settings(settings_type))
        for title, settings_type in _SETTINGS_TYPES
    )


def render_agent_metrics_page() -> str:
    """Return the page of the metrics of the agent."""
    rows = (f"| `{m.name}` | {m.kind} | {m.labels or '-'} | {m.help} |\n" for m in FAMILIES)
    return _AGENT_METRICS_HEADER + "".join(rows)


def render_own_metrics_page() -> str:
    """Return the page of the metrics of the gateway itself."""
    rows = (f"| `{m.name}` | {m.kind.__name__.lower()} | {', '.join(m.labels) or '-'} | {m.help} |\n" for m in METRICS)
    return _OWN_METRICS_HEADER + "".join(rows)


def main() -> None:
    """Write everything, or check everything. A page of fields with gaps is not written."""
    if problems := find_all_problems():
        sys.exit("\n".join(("docs/fields.md would be incomplete:", *problems)))
    generated = {**render_openapi(), **render_pages(), **render_monitoring_files(), **render_chart_files()}
    if sys.argv[1:] == ["--check"]:
        outdated = find_outdated_files(generated)
        # Not compared byte by byte: floating-point results differ in the last digit between machines.
        outdated += [] if recording.is_current() else [str(recording.SHIPPED_RECORDING.relative_to(ROOT))]
        if outdated:
            sys.exit(f"outdated (run `make generate`): {', '.join(outdated)}")
        return
    write_files(generated)
    if not recording.is_current():
        recording.SHIPPED_RECORDING.write_bytes(recording.build_recording())


if __name__ == "__main__":
    main()
