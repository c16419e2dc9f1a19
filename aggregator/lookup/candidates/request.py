"""Validation of a request for candidates, the same for HTTP and gRPC."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aggregator.errors import MAX_NAME_CHARACTERS, BadRequestError
from aggregator.lookup.candidates.scheduling import (
    EXISTS_TOLERATION,
    LABEL_OPERATORS,
    TAINT_EFFECTS,
    TOLERATION_OPERATORS,
    parse_label_integer,
)
from aggregator.lookup.fields import get_descriptor, list_descriptor_fields, suggest_names
from aggregator.pb.aggregator.v1 import topology_pb2 as pb

DEFAULT_LIMIT = 10
DEFAULT_REJECTED_LIMIT = 100
# 500 rejected nodes with all their reasons remain below the 4 MiB that gRPC clients accept.
MAX_LIMIT = 500
MAX_REPEATED = 32
# The longest key of a Kubernetes label: a prefix of 253 characters, a slash, and a name of 63.
MAX_TEXT_CHARACTERS = 317
MAX_CPU_CORES = 1e6
MAX_MEMORY_BYTES = 10**18
MAX_GPU_COUNT = 10**6
MAX_TOLERATION_SECONDS = 10**9
MAX_DISTANCE_KM = 20_100.0
MAX_POWER_WATTS = 1e6
MAX_WEIGHT = 1000.0

# The bounds of numbers, by the name of the message and of the field.
NUMBER_BOUNDS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("FindCandidatesRequest", "cpu_cores"): (0, MAX_CPU_CORES),
    ("FindCandidatesRequest", "memory_bytes"): (0, MAX_MEMORY_BYTES),
    ("FindCandidatesRequest", "gpu_count"): (0, MAX_GPU_COUNT),
    ("FindCandidatesRequest", "min_security_score"): (0, 100),
    ("FindCandidatesRequest", "max_critical_vulnerabilities"): (0, 10**9),
    ("FindCandidatesRequest", "max_power_watts"): (0, MAX_POWER_WATTS),
    ("FindCandidatesRequest", "limit"): (0, MAX_LIMIT),
    ("FindCandidatesRequest", "rejected_limit"): (0, MAX_LIMIT),
    ("FindCandidatesRequest", "max_per_cluster"): (0, MAX_LIMIT),
    ("Toleration", "toleration_seconds"): (-MAX_TOLERATION_SECONDS, MAX_TOLERATION_SECONDS),
    ("Near", "latitude"): (-90, 90),
    ("Near", "longitude"): (-180, 180),
    ("Near", "max_distance_km"): (0, MAX_DISTANCE_KM),
    **{("Ranking", field.name): (0, MAX_WEIGHT) for field in list_descriptor_fields(get_descriptor(pb.Ranking))},
}
# The words that a text field accepts, by the name of the message and of the field. "" is allowed unless it is required.
ALLOWED_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("LabelExpression", "operator"): LABEL_OPERATORS,
    ("Toleration", "operator"): TOLERATION_OPERATORS,
    ("Toleration", "effect"): TAINT_EFFECTS,
}


def validate_request(request: pb.FindCandidatesRequest) -> None:
    """Raise BadRequestError, which names the field, unless a request is valid."""
    _validate_message(request, "")
    for index, expression in enumerate(request.label_expressions):
        _validate_label_expression(expression, f"label_expressions[{index}]")
    for index, toleration in enumerate(request.tolerations):
        _validate_toleration(toleration, f"tolerations[{index}]")
    for key in request.node_selector:
        if not key:
            raise build_field_error("node_selector", "a key must not be empty")
    for name in ("latitude", "longitude"):
        if request.HasField("near") and not request.near.HasField(name):
            raise build_field_error(f"near.{name}", "must be given")
    if request.ranking.distance and not request.HasField("near"):
        raise build_field_error("ranking.distance", "needs `near`")


def build_field_error(path: str, problem: str, words: Iterable[str] = (), found: str = "") -> BadRequestError:
    """Return the error for an invalid field; `words` are those that are allowed, `found` is the one in the request."""
    allowed = tuple(words)
    return BadRequestError(f"{path} {problem}", parameter=path, allowed=allowed, nearest=suggest_names(found, allowed))


def _validate_message(message: Any, prefix: str) -> None:
    """Check the size and the bounds of all fields of a message."""
    for field, value in message.ListFields():
        path, identity = f"{prefix}{field.name}", (message.DESCRIPTOR.name, field.name)
        if field.is_repeated and len(value) > MAX_REPEATED:
            raise build_field_error(path, f"must have at most {MAX_REPEATED} entries, got {len(value)}")
        for each_path, each in _iter_values(path, value, is_repeated=field.is_repeated):
            _validate_value(identity, each, each_path)


def _iter_values(path: str, value: Any, *, is_repeated: bool) -> Iterator[tuple[str, Any]]:
    """Yield the value of a field, or its entries, with the path of each."""
    if not is_repeated:
        yield path, value
    elif isinstance(value, Mapping):
        # The order of a map is random.
        for key in sorted(value):
            yield path, key
            yield f"{path}[{key}]", value[key]
    else:
        yield from ((f"{path}[{index}]", each) for index, each in enumerate(value))


def _validate_value(identity: tuple[str, str], value: Any, path: str) -> None:
    if isinstance(value, str):
        if len(value) > MAX_TEXT_CHARACTERS:
            raise build_field_error(path, f"must have at most {MAX_TEXT_CHARACTERS} characters, got {len(value)}")
        _validate_word(identity, value, path)
    elif isinstance(value, (int, float)):
        low, high = NUMBER_BOUNDS[identity]
        # Not `value < low`, which is false for NaN.
        if not low <= value <= high:
            raise build_field_error(path, f"must be between {low:.15g} and {high:.15g}, got {value:.15g}")
    else:
        _validate_message(value, f"{path}.")


def _validate_word(identity: tuple[str, str], value: str, path: str) -> None:
    words = ALLOWED_WORDS.get(identity)
    if words is not None and value not in words:
        raise build_field_error(path, f"must be a word of Kubernetes, got {value[:80]!r}", words, value)


def _validate_label_expression(expression: pb.LabelExpression, path: str) -> None:
    if not expression.key:
        raise build_field_error(f"{path}.key", "must not be empty")
    if not expression.operator:
        raise build_field_error(f"{path}.operator", "must be given", LABEL_OPERATORS)
    values_path, count = f"{path}.values", len(expression.values)
    is_allowed, expected = _LABEL_VALUE_RULES[expression.operator]
    if not is_allowed(count):
        raise build_field_error(values_path, f"must have {expected} with {expression.operator}, got {count}")
    if expression.operator in ("Gt", "Lt") and parse_label_integer(expression.values[0]) is None:
        raise build_field_error(
            values_path,
            f"must be an integer with {expression.operator}, got {expression.values[0][:MAX_NAME_CHARACTERS]!r}",
        )


_ValueRule = tuple[Callable[[int], bool], str]
_SOME_VALUES: _ValueRule = (lambda count: count > 0, "at least one value")
_NO_VALUES: _ValueRule = (lambda count: count == 0, "no values")
_ONE_VALUE: _ValueRule = (lambda count: count == 1, "one value")
_LABEL_VALUE_RULES: Mapping[str, _ValueRule] = {
    "In": _SOME_VALUES,
    "NotIn": _SOME_VALUES,
    "Exists": _NO_VALUES,
    "DoesNotExist": _NO_VALUES,
    "Gt": _ONE_VALUE,
    "Lt": _ONE_VALUE,
}


def _validate_toleration(toleration: pb.Toleration, path: str) -> None:
    if not toleration.key and toleration.operator != EXISTS_TOLERATION:
        raise build_field_error(f"{path}.key", f"must not be empty unless operator is {EXISTS_TOLERATION}")
    if toleration.value and toleration.operator == EXISTS_TOLERATION:
        raise build_field_error(f"{path}.value", f"must be empty with {EXISTS_TOLERATION}")
