"""The simulated fleet as a source: it answers the rows of the catalog from their expressions, without a Prometheus."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec
import zstandard

from aggregator.errors import QueryError
from aggregator.models.catalog import converters, promql
from aggregator.models.catalog.row import Row
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.decode import (
    COMPRESSION_LEVEL,
    RESPONSE_PREFIX,
    CompressedBody,
    create_decoder,
    ignore_deadline,
)
from aggregator.querier.prometheus.source import CompressedResponse
from aggregator.querier.source import RefreshBudget, RowResult, SourceInfo
from demo import machine_series
from demo.exposition import ExpositionPage, ExpositionSnapshot, Series
from demo.fleet import SimulatedFleet, add_exposition
from demo.inventory import SimulatedHost

SOURCE_NAME = "demo"
UP_SAMPLE_TEXT = 'up{job="fleet",instance="127.0.0.1:9100"} 1\n'

_RESPONSE_SUFFIX = b"]}}"
_AGGREGATIONS: Mapping[promql.AggregationOperator, Callable[[list[float]], float]] = {
    "max": max,
    "min": min,
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "count": len,
    "group": lambda _values: 1.0,
}

_OPERATIONS: Mapping[promql.BinaryOperator, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "/": lambda dividend, divisor: dividend / divisor if divisor else math.nan,
}


def _find_largest_integer(values: list[float]) -> float:
    return max((value for value in values if value < converters.INT64_LIMIT), default=max(values))


class UnsupportedExpressionError(QueryError):
    """The simulated fleet cannot evaluate an expression."""


class SimulatedSource:
    """Answers rows from snapshots of what exporters expose. No two snapshots of one instant contain the same object."""

    def __init__(self, take_snapshots: Callable[[float], Iterable[ExpositionSnapshot]]) -> None:
        """`take_snapshots` returns the snapshots of an instant, in seconds since the epoch."""
        self.info = SourceInfo(SOURCE_NAME)
        self._take_snapshots = take_snapshots

    def collect(self, rows: Sequence[Row], at_seconds: float, _budget: RefreshBudget) -> "SimulatedResults":
        """Evaluate all rows, one snapshot after the other; keep the responses compressed."""
        builders = {row.name: _ResponseBuilder(row, at_seconds) for row in rows}
        for snapshot in self._take_snapshots(at_seconds):
            for builder in builders.values():
                builder.add_snapshot(snapshot)
        return SimulatedResults(builders)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


class SimulatedResults:
    """The results of one refresh."""

    def __init__(self, builders: "Mapping[str, _ResponseBuilder]") -> None:
        self._builders = builders

    def wait_for_row(self, row: Row) -> RowResult:
        """Return the result of a row: without an answer if its expression cannot be evaluated."""
        return self._builders[row.name].build_result()


def create_fleet_source(fleet: SimulatedFleet) -> SimulatedSource:
    """Return a source that takes one snapshot of the whole fleet."""
    return SimulatedSource(lambda at_seconds: [_take_snapshot(fleet, fleet.list_hosts(at_seconds), at_seconds)])


def create_large_fleet_source(fleet: SimulatedFleet) -> SimulatedSource:
    """Return a source that takes one snapshot of each host, so that only one host is in memory."""
    return SimulatedSource(
        lambda at_seconds: (_take_snapshot(fleet, [host], at_seconds) for host in fleet.list_hosts(at_seconds))
    )


def _take_snapshot(fleet: SimulatedFleet, hosts: Sequence[SimulatedHost], at_seconds: float) -> ExpositionSnapshot:
    page = ExpositionPage()
    for host in hosts:
        add_exposition(page, fleet, host, at_seconds)
    return ExpositionSnapshot(
        at_seconds,
        page.render() + UP_SAMPLE_TEXT,
        lambda before_seconds: _render_counters(hosts, at_seconds - before_seconds),
    )


def _render_counters(hosts: Iterable[SimulatedHost], at_seconds: float) -> str:
    page = ExpositionPage()
    for host in hosts:
        machine_series.add_processors(page, host, at_seconds)
        machine_series.add_network(page, host, at_seconds)
    return page.render()


class _ResponseBuilder:
    """The response to one row, compressed while it grows, or the error in its place."""

    def __init__(self, row: Row, at_seconds: float) -> None:
        self._row = row
        self._at_seconds = at_seconds
        self._compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compressobj()
        self._compressed: list[bytes] = []
        self._size_bytes = 0
        self._is_empty = True
        self._add_text(RESPONSE_PREFIX)
        self._error: UnsupportedExpressionError | None = None

    def add_snapshot(self, snapshot: ExpositionSnapshot) -> None:
        """Add the samples of a snapshot. A sample without labels is about the whole system: the first one counts."""
        if self._error is not None or (self._row.expression.labels == () and not self._is_empty):
            return
        try:
            vector = evaluate(self._row.expression, snapshot)
        except UnsupportedExpressionError as error:
            self._error = error
            return
        if vector:
            text = b",".join(self._encode_series(series) for series in vector)
            self._add_text(text if self._is_empty else b"," + text)
            self._is_empty = False

    def build_result(self) -> RowResult:
        """Return the result; its duration is 0."""
        if self._error is not None:
            return RowResult(self._error, 0.0)
        self._add_text(_RESPONSE_SUFFIX)
        body = CompressedBody(b"".join((*self._compressed, self._compressor.flush())), self._size_bytes)
        stored = CompressedResponse(body, create_decoder(self._row.expression.labels), "", PATTERN_REDACTOR)
        return RowResult(stored.decode(ignore_deadline), 0.0, stored)

    def _add_text(self, text: bytes) -> None:
        self._compressed.append(self._compressor.compress(text))
        self._size_bytes += len(text)

    def _encode_series(self, series: Series) -> bytes:
        return msgspec.json.encode({"metric": series.labels, "value": [self._at_seconds, format_number(series.value)]})


def evaluate(expression: promql.Expression, snapshot: ExpositionSnapshot) -> list[Series]:
    """Return the instant vector that Prometheus would return if it had scraped this snapshot.

    A rate is the growth between both ends of its window. Raises UnsupportedExpressionError for `PromqlText`.
    """
    vector: Iterable[Series]
    match expression:
        case promql.Selector():
            vector = _select(expression, snapshot)
        case promql.LastTimestamp(selector):
            vector = (
                Series(_drop_name(series), series.sample_seconds or snapshot.at_seconds)
                for series in _select(selector, snapshot)
            )
        case promql.RatePerSecond(counter):
            vector = _rate_per_second(counter, snapshot)
        case promql.BinaryOperation(left, binary_operator, right):
            vector = _combine(_OPERATIONS[binary_operator], evaluate(left, snapshot), evaluate(right, snapshot))
        case promql.Equality(selector, number):
            vector = (series for series in _select(selector, snapshot) if series.value == number)
        case promql.Aggregation(aggregation, operand, by):
            vector = _aggregate(_AGGREGATIONS[aggregation], by, evaluate(operand, snapshot))
        case promql.LargestInteger(operand, by):
            vector = _aggregate(_find_largest_integer, by, evaluate(operand, snapshot))
        case promql.FirstOf(operands):
            vector = _complete(evaluate(operand, snapshot) for operand in operands)
        case promql.Scaling(operand, scaling, number):
            factor = float(number)
            vector = (
                Series(_drop_name(series), series.value * factor if scaling == "*" else series.value / factor)
                for series in evaluate(operand, snapshot)
            )
        case promql.LabelJoin() | promql.LabelReplacement() | promql.InfoLabelJoin():
            vector = _add_label(expression, snapshot)
        case promql.UsedPercent(idle_fraction):
            idle = evaluate(idle_fraction, snapshot)
            vector = (Series(_drop_name(series), 100 * (1 - series.value)) for series in idle)
        case _:
            raise UnsupportedExpressionError(
                f"the simulated fleet cannot evaluate {expression}: express it with the functions of "
                "aggregator/models/catalog/promql.py, or extend demo/simulated_source.py"
            )
    return list(vector)


def _select(selector: promql.Selector, snapshot: ExpositionSnapshot, before_seconds: float = 0.0) -> Iterator[Series]:
    return (
        series
        for series in snapshot.find_series(selector.metric, before_seconds)
        if all(_matches(matcher, series.labels.get(matcher.label, "")) for matcher in selector.matchers)
    )


def _matches(matcher: promql.LabelMatcher, value: str) -> bool:
    is_equal = (
        re.fullmatch(matcher.value, value) is not None if matcher.operator.endswith("~") else value == matcher.value
    )
    return is_equal is not matcher.operator.startswith("!")


def _rate_per_second(counter: promql.Selector, snapshot: ExpositionSnapshot) -> Iterator[Series]:
    earlier = {_get_key(series): series.value for series in _select(counter, snapshot, promql.RATE_WINDOW_SECONDS)}
    for series in _select(counter, snapshot):
        if (before := earlier.get(_get_key(series))) is not None:
            yield Series(_drop_name(series), (series.value - before) / promql.RATE_WINDOW_SECONDS)


def _combine(
    combine: Callable[[float, float], float], left: Iterable[Series], right: Iterable[Series]
) -> Iterator[Series]:
    values = {_get_key(series): series.value for series in right}
    for series in left:
        if (value := values.get(_get_key(series))) is not None:
            yield Series(_drop_name(series), combine(series.value, value))


def _aggregate(
    aggregate: Callable[[list[float]], float], by: promql.LabelNames, vector: Iterable[Series]
) -> Iterator[Series]:
    groups: dict[tuple[str, ...], list[float]] = {}
    for labels, value, _ in vector:
        groups.setdefault(tuple(labels.get(label, "") for label in by), []).append(value)
    for key, values in groups.items():
        yield Series({label: text for label, text in zip(by, key, strict=True) if text}, aggregate(values))


def _add_label(
    expression: promql.LabelJoin | promql.LabelReplacement | promql.InfoLabelJoin, snapshot: ExpositionSnapshot
) -> Iterator[Series]:
    vector = evaluate(expression.operand, snapshot)
    if isinstance(expression, promql.InfoLabelJoin):
        yield from _join_info(expression, vector, _select(expression.info, snapshot))
        return
    for labels, value, seconds in vector:
        if isinstance(expression, promql.LabelJoin):
            text = "/".join(labels.get(name, "") for name in expression.joined_labels).removesuffix("/")
        else:
            match = re.fullmatch(expression.pattern, labels.get(expression.source_label, ""))
            text = match.expand(expression.replacement.replace("$", "\\")) if match else ""
        yield Series({**labels, expression.label: text}, value, seconds)


def _join_info(expression: promql.InfoLabelJoin, vector: Iterable[Series], info: Iterable[Series]) -> Iterator[Series]:
    def get_key(series: Series) -> tuple[str, ...]:
        return tuple(series.labels.get(name, "") for name in expression.on)

    texts = {get_key(series): series.labels.get(expression.label, "") for series in info}
    for series in vector:
        if (key := get_key(series)) in texts:
            yield Series({**_drop_name(series), expression.label: texts[key]}, series.value)


def _complete(vectors: Iterable[list[Series]]) -> Iterable[Series]:
    """Return the series of the first vector, and those of the others that have other labels."""
    by_key: dict[frozenset[tuple[str, str]], Series] = {}
    for vector in vectors:
        for series in vector:
            by_key.setdefault(_get_key(series), series)
    return by_key.values()


def _drop_name(series: Series) -> Mapping[str, str]:
    return {name: value for name, value in series.labels.items() if name != "__name__"}


def _get_key(series: Series) -> frozenset[tuple[str, str]]:
    return frozenset(_drop_name(series).items())


def format_number(value: float) -> str:
    """Return a number as Prometheus writes it: as few digits as identify it, and no exponent."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else '+'}Inf"
    if value == int(value) and abs(value) < 2**53:
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text
