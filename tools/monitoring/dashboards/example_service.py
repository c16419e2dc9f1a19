"""The dashboards of the example service and of what it runs on: Apache, PostgreSQL and probes.

They have the UIDs of the dashboards in the older monitoring stack, and answer their questions.
"""

from tools.monitoring.dashboards.parts import (
    Dashboard,
    Panel,
    Query,
    Row,
    Telemetry,
    Variable,
    draw_heatmap,
    draw_lines,
    draw_stat,
    draw_table,
)

_SERVICE = 'job="$job"'
_ENDPOINTS = (
    ("check_dni", "DNI checks"),
    ("check_flight", "Flight checks"),
    ("create_immigration_entry", "Immigration entries"),
)
# The limit that the alerts use.
_SLOW_LE = "0.2"


def _increase(name: str, selector: str) -> str:
    return f"increase({name}{{{selector}}}[$__rate_interval])"


def _draw_latency(title: str, selector: str) -> Panel:
    return draw_heatmap(
        title, Query(f"sum by (le) ({_increase('rest_api_request_latency_bucket', selector)})", "{{le}}")
    )


_REQUESTS = Row(
    "Requests",
    (
        draw_stat(
            "Requests", Query(f"sum(increase(rest_api_requests_total{{{_SERVICE}}}[$__range]))", "requests"), width=6
        ),
        draw_stat(
            "Wanted persons found",
            Query(f"sum(increase(rest_api_dni_found_total{{{_SERVICE}}}[$__range]))", "found"),
            width=6,
        ),
        draw_stat(
            "Flights found",
            Query(f"sum(increase(rest_api_flight_found_total{{{_SERVICE}}}[$__range]))", "found"),
            width=6,
        ),
        draw_stat(
            "Entries created",
            Query(f"sum(increase(rest_api_entry_created_total{{{_SERVICE}}}[$__range]))", "created"),
            width=6,
        ),
        draw_lines(
            "Requests by endpoint",
            Query(f"sum(rate(rest_api_requests_dni_total{{{_SERVICE}}}[$__rate_interval]))", "/dni"),
            Query(f"sum(rate(rest_api_requests_flight_total{{{_SERVICE}}}[$__rate_interval]))", "/flights"),
            Query(f"sum(rate(rest_api_requests_immigration_total{{{_SERVICE}}}[$__rate_interval]))", "/immigration"),
            unit="reqps",
        ),
        draw_lines(
            "Errors",
            Query(
                f"sum by (endpoint) (rate(rest_api_server_error_count_total{{{_SERVICE}}}[$__rate_interval]))",
                "{{endpoint}} 5xx",
            ),
            Query(
                f"sum by (endpoint) (rate(rest_api_client_error_count_total{{{_SERVICE}}}[$__rate_interval]))",
                "{{endpoint}} 4xx",
            ),
            unit="reqps",
        ),
    ),
    Telemetry.STACK,
)

_LATENCY = Row(
    "Latency",
    (
        draw_lines(
            f"Requests slower than {_SLOW_LE} s",
            Query(
                "1 - sum by (endpoint) "
                f'(rate(rest_api_request_latency_bucket{{{_SERVICE}, le="{_SLOW_LE}"}}[$__rate_interval]))'
                f" / sum by (endpoint) (rate(rest_api_request_latency_count{{{_SERVICE}}}[$__rate_interval]))",
                "{{endpoint}}",
            ),
            unit="percentunit",
            maximum=1,
            description="Above one half, the latency alerts fire.",
        ),
        _draw_latency("All requests", _SERVICE),
        *(_draw_latency(title, f'{_SERVICE}, endpoint="{endpoint}"') for endpoint, title in _ENDPOINTS),
    ),
    Telemetry.STACK,
)

REST_API = Dashboard(
    uid="fdmbclfdy4g00b",
    title="Example service",
    description="Requests, errors and latency of the example service.",
    rows=(_REQUESTS, _LATENCY),
    variables=(Variable("job", "label_values(rest_api_requests_total, job)", "Job", preferred="rest-api"),),
)

_APACHE = 'instance="$instance"'

APACHE = Dashboard(
    uid="admp4vcvj7wn4d",
    title="Apache",
    description="The web server in front of the example service, from its exporter.",
    rows=(
        Row(
            "Apache",
            (
                draw_stat("Up", Query(f"apache_up{{{_APACHE}}}", "up"), unit="bool_yes_no", width=6),
                draw_stat("Up for", Query(f"apache_uptime_seconds_total{{{_APACHE}}}", "uptime"), unit="s", width=6),
                draw_stat("Busy workers", Query(f'apache_workers{{{_APACHE}, state="busy"}}', "busy"), width=6),
                draw_stat("Idle workers", Query(f'apache_workers{{{_APACHE}, state="idle"}}', "idle"), width=6),
                draw_lines(
                    "Requests",
                    Query(f"rate(apache_accesses_total{{{_APACHE}}}[$__rate_interval])", "requests"),
                    unit="reqps",
                ),
                draw_lines(
                    "Traffic",
                    Query(f"1024 * rate(apache_sent_kilobytes_total{{{_APACHE}}}[$__rate_interval])", "sent"),
                    unit="Bps",
                ),
                draw_lines("Scoreboard", Query(f"apache_scoreboard{{{_APACHE}}}", "{{state}}"), is_stacked=True),
                draw_lines("CPU load", Query(f"apache_cpuload{{{_APACHE}}}", "load"), unit="percent"),
            ),
            Telemetry.STACK,
        ),
    ),
    variables=(Variable("instance", "label_values(apache_up, instance)", "Instance"),),
)

_DATABASE = 'instance="$instance", datname=~"$database"'

_HITS, _READS = (f"sum(pg_stat_database_{name}{{{_DATABASE}}})" for name in ("blks_hit", "blks_read"))
_CACHE_HITS = f"{_HITS} / ({_HITS} + {_READS})"


def _draw_database_rates(title: str, *series: tuple[str, str], unit: str = "ops") -> Panel:
    queries = (
        Query(f"sum(rate(pg_stat_database_{name}{{{_DATABASE}}}[$__rate_interval]))", legend) for name, legend in series
    )
    return draw_lines(title, *queries, unit=unit)


POSTGRESQL = Dashboard(
    uid="5474745",
    title="PostgreSQL",
    description="The database of the example service, from postgres_exporter.",
    rows=(
        Row(
            "PostgreSQL",
            (
                draw_stat("Up", Query('pg_up{instance="$instance"}', "up"), unit="bool_yes_no"),
                draw_stat(
                    "Connections", Query(f"sum(pg_stat_database_numbackends{{{_DATABASE}}})", "connections"), width=5
                ),
                draw_stat(
                    "Maximum of connections",
                    Query('pg_settings_max_connections{instance="$instance"}', "maximum"),
                    width=5,
                ),
                draw_stat("Size", Query(f"sum(pg_database_size_bytes{{{_DATABASE}}})", "size"), unit="bytes", width=5),
                draw_stat(
                    "Longest transaction",
                    Query(f"max(pg_stat_activity_max_tx_duration{{{_DATABASE}}})", "longest"),
                    unit="s",
                    width=5,
                ),
                _draw_database_rates("Transactions", ("xact_commit", "committed"), ("xact_rollback", "rolled back")),
                _draw_database_rates(
                    "Rows",
                    ("tup_fetched", "fetched"),
                    ("tup_inserted", "inserted"),
                    ("tup_updated", "updated"),
                    ("tup_deleted", "deleted"),
                ),
                draw_lines(
                    "Connections by state",
                    Query(f"sum by (state) (pg_stat_activity_count{{{_DATABASE}}})", "{{state}}"),
                    is_stacked=True,
                ),
                draw_lines(
                    "Reads from the cache",
                    Query(
                        _CACHE_HITS,
                        "hits",
                    ),
                    unit="percentunit",
                    maximum=1,
                ),
                _draw_database_rates("Conflicts and deadlocks", ("conflicts", "conflicts"), ("deadlocks", "deadlocks")),
                draw_lines(
                    "Locks", Query(f"sum by (mode) (pg_locks_count{{{_DATABASE}}})", "{{mode}}"), is_stacked=True
                ),
                _draw_database_rates("Temporary files", ("temp_bytes", "written"), unit="Bps"),
                draw_lines(
                    "Buffers written",
                    Query(
                        'rate(pg_stat_bgwriter_buffers_checkpoint_total{instance="$instance"}[$__rate_interval])',
                        "by checkpoints",
                    ),
                    Query(
                        'rate(pg_stat_bgwriter_buffers_clean_total{instance="$instance"}[$__rate_interval])',
                        "by the writer",
                    ),
                    Query(
                        'rate(pg_stat_bgwriter_buffers_backend_total{instance="$instance"}[$__rate_interval])',
                        "by clients",
                    ),
                    unit="ops",
                ),
            ),
            Telemetry.STACK,
        ),
    ),
    variables=(
        Variable("instance", "label_values(pg_up, instance)", "Instance"),
        Variable(
            "database",
            'label_values(pg_stat_database_numbackends{instance="$instance"}, datname)',
            "Database",
            has_all=True,
        ),
    ),
)

_TARGET = 'instance=~"$target"'

BLACKBOX = Dashboard(
    uid="xtkCtBkiz",
    title="Probes",
    description="Whether pages answer, how long it takes, and with which status, from blackbox_exporter.",
    rows=(
        Row(
            "Probes",
            (
                draw_lines("Success", Query(f"probe_success{{{_TARGET}}}", "{{instance}}"), maximum=1),
                draw_lines("Duration", Query(f"probe_duration_seconds{{{_TARGET}}}", "{{instance}}"), unit="s"),
                draw_lines(
                    "Duration by phase",
                    Query(f"sum by (phase) (probe_http_duration_seconds{{{_TARGET}}})", "{{phase}}"),
                    unit="s",
                    is_stacked=True,
                ),
                draw_lines(
                    "Lookup of the name", Query(f"probe_dns_lookup_time_seconds{{{_TARGET}}}", "{{instance}}"), unit="s"
                ),
                draw_table(
                    "Last results",
                    Query(f"max by (instance) (probe_success{{{_TARGET}}})", "Success"),
                    Query(f"max by (instance) (probe_http_status_code{{{_TARGET}}})", "Status"),
                    Query(f"max by (instance) (probe_http_version{{{_TARGET}}})", "HTTP version"),
                    Query(f"max by (instance) (probe_http_ssl{{{_TARGET}}})", "TLS"),
                    columns=("instance",),
                    width=24,
                ),
            ),
            Telemetry.STACK,
        ),
    ),
    variables=(Variable("target", "label_values(probe_success, instance)", "Target", has_all=True),),
)
