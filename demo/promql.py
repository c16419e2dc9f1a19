"""As much of PromQL as the catalog asks, evaluated on what exporters expose, without a Prometheus.

Made for recordings of fleets that no Prometheus at hand could hold. What it does not know is an error, never another
answer. A rate is the growth between the two ends of its window: of series that were scraped just then, Prometheus
says the same.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from demo.scene import Scene

NAME = "__name__"
SECONDS = {"s": 1, "m": 60, "h": 3600}

Labels = Mapping[str, str]


class Series(NamedTuple):
    """A series of an instant vector."""

    labels: Labels
    value: float


Vector = list[Series]
Value = float | Vector
Evaluate = Callable[[Scene], Value]


class UnknownPromQLError(ValueError):
    """The text has something that is not known here."""


_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?(?![smhdwy0-9]))|(?P<window>\[[0-9]+[smh]\])"
    r"|(?P<duration>[0-9]+[smh])|(?P<name>[a-zA-Z_:][\w:]*)|(?P<text>\"(?:[^\"\\])*\")"
    r"|(?P<sign>==|!=|=~|!~|[-+*/(){},=]))"
)
_LEVELS: tuple[tuple[str, ...], ...] = (("and",), ("==",), ("+", "-"), ("*", "/"))
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
}
_AGGREGATES: Mapping[str, Callable[[list[float]], float]] = {
    "max": max,
    "min": min,
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "count": len,
    "group": lambda _values: 1.0,
}


def compiled(promql: str) -> Evaluate:
    """Return what evaluates an expression; raise UnknownPromQLError for what is not known here."""
    parser = _Parser(_tokens(promql))
    evaluate = parser.level(0)
    if parser.next:
        raise UnknownPromQLError(f"{promql}: {parser.next} is not known here")
    return evaluate


def _tokens(promql: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while promql[at:].strip():
        found = _TOKEN.match(promql, at)
        if found is None:
            raise UnknownPromQLError(f"{promql}: {promql[at : at + 20]} is not known here")
        tokens.append(found.group().strip())
        at = found.end()
    return tokens


@dataclass(frozen=True)
class _Selector:
    """Series of one metric whose labels match; `before_seconds` is how far back it looks."""

    metric: str
    matchers: tuple[tuple[str, Callable[[str], bool]], ...]
    before_seconds: float = 0.0

    def __call__(self, scene: Scene) -> Vector:
        known = scene.series(self.metric, self.before_seconds)
        return [
            Series(labels, value)
            for labels, value in known
            if all(matches(labels.get(label, "")) for label, matches in self.matchers)
        ]


class _Parser:
    """Reads an expression, the loosest operators first."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> str:
        """The token that comes next, "" at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def level(self, level: int) -> Evaluate:
        """Read operators of a level and of those that bind more."""
        if level == len(_LEVELS):
            return self._primary()
        left = self.level(level + 1)
        while self.next in _LEVELS[level]:
            left = _binary(self._take(), left, self.level(level + 1))
        return left

    def _take(self, expected: str = "") -> str:
        token = self.next
        if not token or (expected and token != expected):
            raise UnknownPromQLError(f"{token or 'the end'} stands where {expected or 'more'} should")
        self._at += 1
        return token

    def _primary(self) -> Evaluate:
        word = self._take()
        if word == "(":
            inner = self.level(0)
            self._take(")")
            return inner
        if word[0].isdigit():
            number = float(word)
            return lambda _scene: number
        if word in _AGGREGATES:
            return self._aggregate(word)
        if word in ("rate", "timestamp") and self.next == "(":
            self._take("(")
            made = self._rate() if word == "rate" else _timestamp(self.level(0))
            self._take(")")
            return made
        return self._selector(word)

    def _aggregate(self, operator: str) -> Evaluate:
        by = self._labels() if self.next == "by" else ()
        self._take("(")
        inner = self.level(0)
        self._take(")")
        return lambda scene: _aggregated(_AGGREGATES[operator], by, _vector(inner(scene)))

    def _labels(self) -> tuple[str, ...]:
        self._take("by")
        self._take("(")
        labels: list[str] = []
        while self.next != ")":
            labels.append(self._take())
            if self.next == ",":
                self._take()
        self._take(")")
        return tuple(labels)

    def _rate(self) -> Evaluate:
        selector = self._selector(self._take())
        window = self._take()
        if not window.startswith("["):
            raise UnknownPromQLError(f"{window} stands where a window should")
        return _rate(selector, _seconds(window[1:-1]))

    def _selector(self, metric: str) -> _Selector:
        if not re.fullmatch(r"[a-zA-Z_:][\w:]*", metric):
            raise UnknownPromQLError(f"{metric} stands where a metric should")
        matchers = []
        if self.next == "{":
            self._take()
            while self.next != "}":
                matchers.append((self._take(), _matcher(self._take(), self._take()[1:-1])))
                if self.next == ",":
                    self._take()
            self._take("}")
        before = 0.0
        if self.next == "offset":
            self._take()
            before = _seconds(self._take())
        return _Selector(metric, tuple(matchers), before)


def _seconds(text: str) -> float:
    return float(text[:-1]) * SECONDS[text[-1]]


def _matcher(sign: str, text: str) -> Callable[[str], bool]:
    if sign in ("=~", "!~"):
        pattern = re.compile(text)
        return lambda value: (pattern.fullmatch(value) is not None) is (sign == "=~")
    if sign not in ("=", "!="):
        raise UnknownPromQLError(f"{sign} stands where a comparison should")
    return lambda value: (value == text) is (sign == "=")


def _vector(value: Value) -> Vector:
    if not isinstance(value, list):
        raise UnknownPromQLError("a number stands where series should")
    return value


def _nameless(labels: Labels) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != NAME}


def _key(labels: Labels) -> frozenset[tuple[str, str]]:
    return frozenset(_nameless(labels).items())


def _aggregated(operator: Callable[[list[float]], float], by: tuple[str, ...], vector: Vector) -> Vector:
    groups: dict[tuple[str, ...], list[float]] = {}
    for labels, value in vector:
        groups.setdefault(tuple(labels.get(label, "") for label in by), []).append(value)
    return [
        Series({label: text for label, text in zip(by, key, strict=True) if text}, operator(values))
        for key, values in groups.items()
    ]


def _timestamp(inner: Evaluate) -> Evaluate:
    return lambda scene: [Series(_nameless(labels), scene.at_seconds) for labels, _ in _vector(inner(scene))]


def _rate(selector: _Selector, window_seconds: float) -> Evaluate:
    before = _Selector(selector.metric, selector.matchers, selector.before_seconds + window_seconds)

    def evaluate(scene: Scene) -> Vector:
        earlier = {_key(labels): value for labels, value in before(scene)}
        return [
            Series(_nameless(labels), (value - earlier[_key(labels)]) / window_seconds)
            for labels, value in selector(scene)
            if _key(labels) in earlier
        ]

    return evaluate


def _binary(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scene: _combined(operator, left(scene), right(scene))


def _combined(operator: str, left: Value, right: Value) -> Value:
    if operator == "and":
        there = {_key(labels) for labels, _ in _vector(right)}
        return [series for series in _vector(left) if _key(series.labels) in there]
    if operator == "==":
        if isinstance(right, list):
            raise UnknownPromQLError("series are compared with numbers only")
        return [series for series in _vector(left) if series.value == right]
    calculate = _ARITHMETIC[operator]
    if not isinstance(left, list):
        if not isinstance(right, list):
            return calculate(left, right)
        return [Series(_nameless(labels), calculate(left, value)) for labels, value in right]
    if not isinstance(right, list):
        return [Series(_nameless(labels), calculate(value, right)) for labels, value in left]
    others = {_key(labels): value for labels, value in right}
    return [
        Series(_nameless(labels), calculate(value, others[_key(labels)]))
        for labels, value in left
        if _key(labels) in others
    ]
