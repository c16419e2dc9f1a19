"""Compiles requirements into predicates on objects, and parses the values that filters compare with.

A field without a value matches only negated operators, as in Kubernetes label selectors: `!field`, `!=`, `notin`, `!~`.
A repeated field matches if one of its values matches; it matches a negated operator if none of them does.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import reduce
from itertools import chain
from typing import Any

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import (
    FieldType,
    FilterField,
    ObjectKind,
    find_filter_field,
    list_filter_field_names,
    suggest_names,
)
from aggregator.lookup.filter_parser import FILTER_PARAMETER, FilterOperator, Requirement
from aggregator.models.topology import Cluster, Node, Pod, Topology

# A Kubernetes quantity: a decimal number with a suffix or an exponent.
_QUANTITY_PATTERN = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,3}))?"
)
_QUANTITY_MULTIPLIERS = {
    **{
        suffix: Fraction(1000) ** power
        for power, suffix in zip(range(-3, 7), ("n", "u", "m", "", *"kMGTPE"), strict=True)
    },
    **{f"{suffix}i": Fraction(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
# JSON numbers represent every integer up to this one exactly.
_MAX_SAFE_JSON_INTEGER = 2**53

# A duration of PromQL, such as 1h30m, with a sign: only times in the past exist.
_RELATIVE_TIME_PATTERN = re.compile(
    "-(?=[0-9])" + "".join(f"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in ("y", "w", "d", "h", "m", "s", "ms"))
)
_MILLISECONDS_BY_UNIT = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}

_RFC3339_PATTERN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_BOOLEANS_BY_LITERAL = {"true": True, "false": False}
BOOLEAN_LITERALS = tuple(_BOOLEANS_BY_LITERAL)

# In error messages.
_VALUE_DESCRIPTIONS: Mapping[FieldType, str] = {
    FieldType.NUMBER: "a number such as 5, 1.5, 500m, 4G or 4Gi",
    FieldType.TIMESTAMP: "a time such as 2026-11-20T20:57:08Z, or -5m for 5 minutes before the newest sample",
    FieldType.BOOLEAN: "true or false",
    FieldType.ENUM: "a known value",
    FieldType.STRING: "a known value",
}

ObjectPredicate = Callable[[Any], bool]

_COMPARISONS: Mapping[FilterOperator, Callable[[Any, Any], bool]] = {
    FilterOperator.LESS_THAN: operator.lt,
    FilterOperator.LESS_OR_EQUAL: operator.le,
    FilterOperator.GREATER_THAN: operator.gt,
    FilterOperator.GREATER_OR_EQUAL: operator.ge,
}
_SUBSTRING_OPERATORS = frozenset({FilterOperator.CONTAINS, FilterOperator.NOT_CONTAINS})


def parse_quantity(text: str) -> int | float | None:
    """Return the number of a Kubernetes quantity, None if the text is not one.

    Integers are exact. A number with a point or an exponent is a float, as in JSON, if it is too large for a float to
    represent every integer.
    """
    matched = _QUANTITY_PATTERN.fullmatch(text)
    if matched is None:
        return None
    value = Fraction(matched["digits"]) * _QUANTITY_MULTIPLIERS[matched["suffix"] or ""]
    value *= Fraction(10) ** int(matched["exponent"] or 0)
    if matched["sign"] == "-":
        value = -value
    is_integer_literal = matched["exponent"] is None and "." not in matched["digits"]
    if value.denominator == 1 and (is_integer_literal or abs(value) <= _MAX_SAFE_JSON_INTEGER):
        return value.numerator
    try:
        return float(value)
    except OverflowError:
        return value.numerator


def parse_timestamp_ms(text: str) -> float | None:
    """Return the milliseconds since the epoch of an RFC 3339 timestamp, None if the text is not one."""
    if not _RFC3339_PATTERN.fullmatch(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) / timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def parse_relative_time_ms(text: str) -> int | None:
    """Return the milliseconds of a negative duration such as `-5m` or `-1h30m`, None if the text is not one."""
    matched = _RELATIVE_TIME_PATTERN.fullmatch(text)
    if matched is None:
        return None
    return -sum(int(count) * _MILLISECONDS_BY_UNIT[unit] for unit, count in matched.groupdict(default="0").items())


def find_newest_sample_ms(topology: Topology) -> int:
    """Return the time of the newest sample in a topology in milliseconds since the epoch, 0 if no time is known.

    Relative times count from it. It depends only on the topology, so that replicas with the same topology agree.
    """
    objects: Iterable[Cluster | Node | Pod] = chain(
        topology.clusters.values(), topology.nodes.values(), topology.pods.values()
    )
    return round(1000 * max((each.last_seen_seconds or 0.0 for each in objects), default=0.0))


def parse_boolean(text: str) -> bool | None:
    """Return the value of `true` or `false`, None for another text."""
    return _BOOLEANS_BY_LITERAL.get(text)


def compile_filter(
    kind: ObjectKind, requirements: Sequence[Requirement], newest_sample_ms: int = 0
) -> ObjectPredicate | None:
    """Return a predicate that is true for objects that meet all requirements, None if there are no requirements.

    Relative times count from `newest_sample_ms`. Raises BadRequestError for an unknown field, and for a value or an
    operator that its type does not support.
    """
    predicates = [
        _compile_requirement(requirement, _require_filter_field(kind, requirement.key), newest_sample_ms)
        for requirement in requirements
    ]
    return reduce(_combine_predicates, predicates) if predicates else None


def has_relative_times(kind: ObjectKind, requirements: Sequence[Requirement]) -> bool:
    """Return whether valid requirements compare a time with a relative one."""
    return any(
        _require_filter_field(kind, requirement.key).field_type is FieldType.TIMESTAMP
        and any(parse_relative_time_ms(text) is not None for text in requirement.values)
        for requirement in requirements
    )


def _combine_predicates(first: ObjectPredicate, second: ObjectPredicate) -> ObjectPredicate:
    return lambda item: first(item) and second(item)


def _require_filter_field(kind: ObjectKind, key: str) -> FilterField:
    filter_field = find_filter_field(kind, key)
    if filter_field is None:
        allowed_names = list(list_filter_field_names(kind))
        raise BadRequestError(
            f"filter: {kind.value} have no field {key[:80]}",
            parameter=FILTER_PARAMETER,
            allowed=allowed_names,
            nearest=suggest_names(key, allowed_names),
        )
    return filter_field


def _compile_requirement(requirement: Requirement, field: FilterField, newest_sample_ms: int) -> ObjectPredicate:
    """Return a predicate for the values of a field."""
    get_value, filter_operator = field.get_value, requirement.operator
    if filter_operator in (FilterOperator.EXISTS, FilterOperator.NOT_EXISTS):
        must_exist = filter_operator is FilterOperator.EXISTS
        return lambda item: _is_present(get_value(item)) is must_exist
    matches_value = _compile_value_predicate(requirement, field, newest_sample_ms)
    if field.is_repeated:
        if filter_operator.is_negated:
            return lambda item: not any(map(matches_value, get_value(item)))
        return lambda item: any(map(matches_value, get_value(item)))
    if filter_operator.is_negated:
        return lambda item: (value := get_value(item)) is None or not matches_value(value)
    return lambda item: (value := get_value(item)) is not None and matches_value(value)


def _is_present(value: Any) -> bool:
    """Return whether a field has a value: not None and not an empty list or mapping. An empty string is a value."""
    return value is not None and (isinstance(value, str) or not hasattr(value, "__len__") or len(value) > 0)


def _compile_value_predicate(requirement: Requirement, field: FilterField, newest_sample_ms: int) -> ObjectPredicate:
    """Return a predicate that compares one value with those of a requirement, ignoring its negation."""
    filter_operator = requirement.operator
    if not _is_operator_supported(filter_operator, field.field_type):
        raise BadRequestError(
            f"filter: operator {filter_operator.value} does not apply to {requirement.key}, "
            f"which is {field.field_type.value}",
            parameter=FILTER_PARAMETER,
            allowed=list_operators(field.field_type),
        )
    if filter_operator in _SUBSTRING_OPERATORS:
        (substring,) = requirement.values
        if field.ignores_case:
            return lambda value: substring.casefold() in value.casefold()
        return lambda value: substring in value
    expected_values = [_parse_filter_value(text, requirement, field, newest_sample_ms) for text in requirement.values]
    if field.ignores_case:
        folded_values = frozenset(value.casefold() for value in expected_values)
        return lambda value: value.casefold() in folded_values
    if filter_operator.is_ordering:
        compare, (limit,) = _COMPARISONS[filter_operator], expected_values
        return lambda value: compare(value, limit)
    accepted_values = frozenset(expected_values)
    return accepted_values.__contains__


def _parse_filter_value(text: str, requirement: Requirement, field: FilterField, newest_sample_ms: int) -> Any:
    """Return the value that a text means for a field; raise BadRequestError if it means none."""
    match field.field_type:
        case FieldType.STRING:
            value: Any = text if not text or _is_known_value(text, field) else None
        case FieldType.NUMBER:
            value = parse_quantity(text)
        case FieldType.TIMESTAMP:
            value = _parse_time_ms(text, newest_sample_ms)
        case FieldType.BOOLEAN:
            value = parse_boolean(text)
        case FieldType.ENUM:
            value = _parse_enum_value(field.known_values, text)
    if value is None:
        raise BadRequestError(
            f"filter: {requirement.key} must be {_VALUE_DESCRIPTIONS[field.field_type]}, got {text[:80]!r}",
            parameter=FILTER_PARAMETER,
            allowed=BOOLEAN_LITERALS if field.field_type is FieldType.BOOLEAN else field.known_values,
            nearest=_suggest_value(text[:80], field.field_type),
        )
    return value


def _is_known_value(text: str, field: FilterField) -> bool:
    """Return whether a field can have a value, ignoring case; a field without known values can have any."""
    return not field.known_values or text.casefold() in map(str.casefold, field.known_values)


def _parse_time_ms(text: str, newest_sample_ms: int) -> float | None:
    relative_ms = parse_relative_time_ms(text)
    return parse_timestamp_ms(text) if relative_ms is None else newest_sample_ms + relative_ms


def _suggest_value(text: str, field_type: FieldType) -> tuple[str, ...]:
    """Return the quantity that a number such as 4GiB means, or the relative time that `5m` or `now-5m` means."""
    if field_type is FieldType.NUMBER:
        quantity = text.removesuffix("B")
        return () if parse_quantity(quantity) is None else (quantity,)
    relative_time = f"-{text.removeprefix('now').removeprefix('-')}"
    return (
        ()
        if field_type is not FieldType.TIMESTAMP or parse_relative_time_ms(relative_time) is None
        else (relative_time,)
    )


def _parse_enum_value(enum_values: Sequence[str], text: str) -> str | None:
    """Return the name of an enum value, None if unknown; the common prefix of the names may be omitted."""
    return next(
        (enum_value for enum_value in enum_values if text and f"_{enum_value}".endswith(f"_{text.upper()}")), None
    )


def list_operators(field_type: FieldType) -> list[str]:
    """Return the operators that apply to values of a type."""
    return [
        each.value
        for each in FilterOperator
        if each is not FilterOperator.EXISTS and _is_operator_supported(each, field_type)
    ]


def _is_operator_supported(filter_operator: FilterOperator, field_type: FieldType) -> bool:
    """Return whether an operator applies to values of a type."""
    if filter_operator.is_ordering:
        return field_type in (FieldType.NUMBER, FieldType.TIMESTAMP)
    return field_type in (FieldType.STRING, FieldType.ENUM) if filter_operator in _SUBSTRING_OPERATORS else True


def compile_label_selector(requirements: tuple[Requirement, ...]) -> Callable[[Mapping[str, str]], bool]:
    """Return a predicate that is true for labels that meet all requirements."""
    conditions = [(each.key, each.operator, frozenset(each.values)) for each in requirements]
    return lambda labels: all(
        _matches_label(labels.get(key), filter_operator, values) for key, filter_operator, values in conditions
    )


def _matches_label(value: str | None, filter_operator: FilterOperator, values: frozenset[str]) -> bool:
    if filter_operator in (FilterOperator.EXISTS, FilterOperator.NOT_EXISTS):
        return (value is not None) is (filter_operator is FilterOperator.EXISTS)
    if filter_operator.is_negated:
        return value is None or value not in values
    return value is not None and value in values
