"""The watch in the OpenAPI document: the example of a stream, and examples of problems."""

from collections.abc import Mapping, Sequence

from aggregator.errors import BadRequestError, RequestError, TooManyWatchesError
from aggregator.lookup.watch import WatchOptions, WatchPlan
from aggregator.server.http.responses import API_V1_PATH, build_problem, build_unknown_parameter_error
from aggregator.server.openapi.examples import COMMON_PROBLEM_EXAMPLES, OpenApiExamples, build_example
from aggregator.server.watch_service import TOO_MANY_WATCHES_MESSAGE

WATCH_TAG = "watch"

# Some fields of a real stream; the versions are shortened.
STREAM_EXAMPLE = """\
event: completeness
data: {"complete":true}

event: snapshot
id: 4a3f
data: {"version":"4a3f","time":"2026-11-20T20:57:10Z","nodes":[{"id":"u1/m1","name":"athens-master"}]}

event: changes
id: 9b1c
data: {"version":"9b1c","previousVersion":"4a3f","time":"2026-11-20T20:57:25Z","changes":[{"type":"MODIFIED",\
"kind":"nodes","id":"u1/m1","cluster":"icos-south","name":"athens-master","set":{"isUnschedulable":true}}]}

event: bookmark
id: 0d52
data: {"version":"0d52","time":"2026-11-20T20:57:40Z"}

"""

_UNKNOWN_PARAMETER_LINE = f"GET {API_V1_PATH}/watch?colour=blue"
_UNKNOWN_KIND_LINE = f"GET {API_V1_PATH}/watch?kind=containers"
TOO_MANY_WATCHES_SCENARIO = {"too many watches": "with as many watches as the server allows"}


def build_watch_problem_examples(parameters: Sequence[str]) -> Mapping[int, OpenApiExamples]:
    """Return the examples of all problems, by status."""
    unknown_parameter = build_unknown_parameter_error("colour", parameters)
    return {
        400: {
            **build_example({"unknown parameter": _UNKNOWN_PARAMETER_LINE}, build_problem(unknown_parameter)),
            **build_example({"containers": _UNKNOWN_KIND_LINE}, build_problem(_capture_kind_error())),
        },
        **COMMON_PROBLEM_EXAMPLES,
        429: build_example(TOO_MANY_WATCHES_SCENARIO, build_problem(TooManyWatchesError(TOO_MANY_WATCHES_MESSAGE))),
    }


def _capture_kind_error() -> RequestError:
    try:
        WatchPlan(WatchOptions(kind="containers"))
    except BadRequestError as error:
        return error
    raise AssertionError
