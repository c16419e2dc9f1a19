"""The watch in the OpenAPI document: the schema and examples of events, and examples of problems."""

from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.errors import BadRequestError, NotFoundError, RequestError, TooManyWatchesError
from aggregator.lookup.results import CLUSTER_NOT_FOUND_MESSAGE
from aggregator.lookup.watch import WatchOptions, WatchPlan
from aggregator.observability.metrics import WATCH_EVENTS
from aggregator.server.http.responses import API_V1_PATH, build_problem, build_unknown_parameter_error
from aggregator.server.openapi.examples import (
    COMMON_PROBLEM_EXAMPLES,
    MISSPELLED_CLUSTER,
    OpenApiExamples,
    build_example,
)
from aggregator.server.watch_service import TOO_MANY_WATCHES_MESSAGE

WATCH_TAG = "watch"

EVENT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "One event. `data` is the JSON that docs/watch.md describes.",
    "properties": {
        "event": {"type": "string", "enum": list(WATCH_EVENTS)},
        "id": {"type": "string", "description": "The version from which a client can continue"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}

# The first events of a stream, with some fields; the versions are shortened.
EVENT_EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "completeness": {"event": "completeness", "data": '{"complete":true}'},
    "snapshot": {
        "event": "snapshot",
        "id": "4a3f",
        "data": (
            '{"version":"4a3f","time":"2026-11-20T20:57:10Z",'
            '"nodes":[{"id":"u1/m1","cluster":"icos-south","name":"athens-master"}]}'
        ),
    },
    "changes": {
        "event": "changes",
        "id": "9b1c",
        "data": (
            '{"version":"9b1c","previousVersion":"4a3f","time":"2026-11-20T20:57:25Z","changes":[{"type":"MODIFIED",'
            '"kind":"nodes","id":"u1/m1","cluster":"icos-south","name":"athens-master","set":{"isUnschedulable":true}}]}'
        ),
    },
    "bookmark": {"event": "bookmark", "id": "0d52", "data": '{"version":"0d52","time":"2026-11-20T20:57:40Z"}'},
}

_UNKNOWN_CLUSTER_LINE = f"GET {API_V1_PATH}/watch?cluster={MISSPELLED_CLUSTER}"
_CLUSTER_NOT_FOUND = NotFoundError(
    f"{CLUSTER_NOT_FOUND_MESSAGE} {MISSPELLED_CLUSTER!r}", nearest=("icos-south", "icos-north"), parameter="cluster"
)
TOO_MANY_WATCHES_SCENARIO = {"too many watches": "with as many watches as the server allows"}


def build_watch_problem_examples(parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems, by status."""
    return {
        400: build_bad_request_examples(f"{API_V1_PATH}/watch", parameters),
        **COMMON_PROBLEM_EXAMPLES,
        404: build_example({"unknown cluster": _UNKNOWN_CLUSTER_LINE}, build_problem(_CLUSTER_NOT_FOUND)),
        429: build_example(TOO_MANY_WATCHES_SCENARIO, build_problem(TooManyWatchesError(TOO_MANY_WATCHES_MESSAGE))),
    }


def build_bad_request_examples(path: str, parameters: Sequence[str]) -> OpenApiExamples:
    """Return the examples of invalid requests for changes at a path."""
    unknown_parameter = build_unknown_parameter_error("colour", parameters)
    return {
        **build_example({"unknown parameter": f"GET {path}?colour=blue"}, build_problem(unknown_parameter)),
        **build_example({"containers": f"GET {path}?kind=containers"}, build_problem(_capture_kind_error())),
    }


def _capture_kind_error() -> RequestError:
    try:
        WatchPlan(WatchOptions(kind="containers"))
    except BadRequestError as error:
        return error
    raise AssertionError
