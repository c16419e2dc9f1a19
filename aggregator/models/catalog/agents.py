"""Rows of hosts and containers that agents describe: the registry of the scrape server, and what only an Engine knows.

Agents expose containers and hosts under the names of cAdvisor and node_exporter, so the rows of those fill most fields.
"""

from aggregator.models.catalog.converters import (
    parse_bool,
    parse_docker_reason,
    parse_docker_state,
    parse_health,
    parse_int,
    parse_optional_text,
    parse_timestamp,
    parse_unsigned_int,
)
from aggregator.models.catalog.docker import AGENT, CADVISOR_CONTAINER, ENGINE_CONTAINERS, NO_ICOS_LABELS
from aggregator.models.catalog.promql import (
    equal_to,
    first_of,
    group_by,
    join_info_label,
    label_quantities,
    last_timestamp_by,
    max_by,
    max_integer_by,
)
from aggregator.models.catalog.row import (
    PLAIN_NODE,
    PLAIN_NODE_FIELDS,
    Exporter,
    ExporterKind,
    FieldMapping,
    Row,
    map_quantity,
)

SCRAPE_SERVER = Exporter("aggregator scrape server", kind=ExporterKind.HOST)

ENGINE_LABELS = ("cluster", "node", "namespace", "pod", "engine")
# Containers of one Engine are told apart by their ID; only `docker_container_info` has their name.
CONTAINER_ID_LABELS = ("cluster", "node", "id")
CONTAINER_STATE_LABELS = (*CONTAINER_ID_LABELS, "state", "status")

ROWS = (
    Row(
        "nodes_by_registry",
        label_quantities(
            {
                "last_report": max_by('aggregator_node_last_report_timestamp_seconds{node!=""}', ("cluster", "node")),
                "up": max_by('aggregator_node_up{node!=""}', ("cluster", "node")),
            }
        ),
        PLAIN_NODE,
        (
            FieldMapping("node_label", parse_optional_text, "node"),
            FieldMapping(
                "last_seen_seconds", parse_timestamp, keeps_latest=True, only_with=("quantity", "last_report")
            ),
            map_quantity("is_reporting", parse_bool, "up"),
        ),
        "hosts that are registered at a scrape server, the time of their last report, and whether they still report",
        SCRAPE_SERVER,
        vital=True,
    ),
    Row(
        "engine_by_agent",
        first_of(
            last_timestamp_by("docker_engine_info" + NO_ICOS_LABELS, ENGINE_LABELS),
            # Without a running Engine, the agent exposes only this.
            last_timestamp_by("docker_engine_up" + NO_ICOS_LABELS, ENGINE_LABELS),
        ),
        PLAIN_NODE,
        (*PLAIN_NODE_FIELDS, FieldMapping("engine", parse_optional_text, "engine")),
        "hosts that run an agent, and their container engine",
        AGENT,
        vital=True,
    ),
    Row(
        "docker_container_states",
        join_info_label(
            label_quantities(
                {
                    "state": group_by(equal_to("docker_container_state", 1), CONTAINER_STATE_LABELS),
                    "health": group_by(equal_to("docker_container_health", 1), CONTAINER_STATE_LABELS),
                    "restarts": max_integer_by("docker_container_restarts_total", CONTAINER_ID_LABELS),
                    "oom_kills": max_integer_by("docker_container_oom_kills_total", CONTAINER_ID_LABELS),
                    # The agent omits it for a container that has not ended.
                    "exit_code": max_by("docker_container_exit_code", CONTAINER_ID_LABELS),
                }
            ),
            ENGINE_CONTAINERS,
            CONTAINER_ID_LABELS,
            "name",
        ),
        CADVISOR_CONTAINER,
        (
            map_quantity("state", parse_docker_state, "state", "state"),
            map_quantity("reason", parse_docker_reason, "state", "state"),
            map_quantity("health", parse_health, "health", "status"),
            map_quantity("restart_count", parse_unsigned_int, "restarts"),
            map_quantity("oom_kill_count", parse_unsigned_int, "oom_kills"),
            map_quantity("exit_code", parse_int, "exit_code"),
        ),
        "state, health, restarts, out-of-memory kills and exit code of a container",
        AGENT,
    ),
)
