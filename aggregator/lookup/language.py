r"""The language of filters: text → requirements. Parsed, never evaluated; docs/api.md tells of it.

::

    filter      = [ requirement { "," requirement } ]
    requirement = key | "!" key | key operator [ value ] | key ("in" | "notin") "(" [ value ] { "," [ value ] } ")"
    operator    = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
    key, value  = word
    word        = bare characters, or any characters between double quotes, with \\" and \\\\ for " and \\

White space between these does not matter. Without quotes a word has no white space and none of , ( ) = ! < > ~ " in it.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from aggregator.errors import BadRequestError

# Each is tried on each object of a list.
MOST_REQUIREMENTS = 32


class Operator(Enum):
    """How a value has to be to what a requirement names; the value is how it is written."""

    EXISTS = "exists"
    ABSENT = "!"
    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    HAS = "~"
    HAS_NOT = "!~"
    IN = "in"
    NOT_IN = "notin"

    @property
    def is_of_order(self) -> bool:
        """Whether it needs values that have an order."""
        return self in _OF_ORDER

    @property
    def is_denial(self) -> bool:
        """Whether it holds where there is no value."""
        return self in _DENIALS


_OF_ORDER = frozenset({Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST})
_DENIALS = frozenset({Operator.ABSENT, Operator.UNEQUAL, Operator.HAS_NOT, Operator.NOT_IN})
_SETS = {"in": Operator.IN, "notin": Operator.NOT_IN}
_SIGNS = {"==": Operator.EQUAL} | {
    each.value: each for each in Operator if each is not Operator.ABSENT and not each.value.isalpha()
}

_BARE = r'[^\s,()=!<>~"]+'
_IS_BARE = re.compile(_BARE)
_TOKEN = re.compile(
    rf"""
    \s*
    (?: (?P<bare>{_BARE}) | "(?P<quoted>(?:[^"\\]|\\["\\])*)" | (?P<sign>==|!=|!~|<=|>=|[=<>~!,()]) | (?P<end>\Z) )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class Requirement:
    """One thing that has to hold; its text is the shortest that means it."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        key = word(self.key)
        if self.operator is Operator.EXISTS:
            return key
        if self.operator is Operator.ABSENT:
            return f"!{key}"
        if self.operator in (Operator.IN, Operator.NOT_IN):
            return f"{key} {self.operator.value} ({','.join(map(word, self.values))})"
        return f"{key}{self.operator.value}{word(self.values[0])}"


def word(text: str) -> str:
    """Return how a text is written in the language."""
    if _IS_BARE.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def parse(text: str, called: str = "filter", parameter: str = "filter") -> tuple[Requirement, ...]:
    """Return the requirements of a text; raise BadRequestError, which calls the text what `called` says."""
    return _Parser(text, called, parameter).requirements()


@dataclass(frozen=True)
class _Token:
    """A word, or a sign, or the end; and where it begins."""

    kind: str
    text: str
    at: int


class _Parser:
    """Reads tokens one after another; `_next` is the one that is looked at."""

    def __init__(self, text: str, called: str, parameter: str) -> None:
        self._text = text
        self._called = called
        self._parameter = parameter
        self._at = 0
        self._next = self._token()

    def requirements(self) -> tuple[Requirement, ...]:
        """Read all of the text."""
        found: list[Requirement] = []
        if self._next.kind == "end":
            return ()
        while True:
            found.append(self._requirement())
            if self._next.kind == "end":
                return tuple(found)
            if len(found) >= MOST_REQUIREMENTS:
                raise self._error(f"more than {MOST_REQUIREMENTS} requirements")
            self._take(",")

    def _requirement(self) -> Requirement:
        if self._is_sign("!"):
            self._advance()
            return Requirement(self._word("a field"), Operator.ABSENT)
        key = self._word("a field")
        if self._next.kind == "bare" and self._next.text in _SETS:
            operator = _SETS[self._advance().text]
            return Requirement(key, operator, self._set())
        if self._next.kind == "end" or self._is_sign(","):
            return Requirement(key, Operator.EXISTS)
        if self._next.kind != "sign" or self._next.text not in _SIGNS:
            raise self._unexpected("an operator")
        operator = _SIGNS[self._advance().text]
        return Requirement(key, operator, (self._value(),))

    def _set(self) -> tuple[str, ...]:
        self._take("(")
        values = [self._value()]
        while not self._is_sign(")"):
            self._take(",")
            values.append(self._value())
        self._advance()
        return tuple(sorted(set(values)))

    def _value(self) -> str:
        """Read a value, which may be empty where something else follows."""
        return self._advance().text if self._next.kind in ("bare", "quoted") else ""

    def _word(self, what: str) -> str:
        if self._next.kind not in ("bare", "quoted") or not self._next.text:
            raise self._unexpected(what)
        return self._advance().text

    def _take(self, sign: str) -> None:
        if not self._is_sign(sign):
            raise self._unexpected(f"{sign!r}")
        self._advance()

    def _is_sign(self, sign: str) -> bool:
        return self._next.kind == "sign" and self._next.text == sign

    def _advance(self) -> _Token:
        taken, self._next = self._next, self._token()
        return taken

    def _token(self) -> _Token:
        matched = _TOKEN.match(self._text, self._at)
        if matched is None:
            raise self._error(f"no end of what begins with the quote in {self._text[self._at :].strip()[:30]!r}")
        self._at = matched.end()
        kind = matched.lastgroup or "end"
        text = matched[kind]
        return _Token(kind, _ESCAPE.sub(r"\1", text) if kind == "quoted" else text, matched.start(kind))

    def _unexpected(self, expected: str) -> BadRequestError:
        found = "the end" if self._next.kind == "end" else repr(self._text[self._next.at :][:30])
        return self._error(f"{expected} is expected at character {self._next.at + 1}, not {found}")

    def _error(self, problem: str) -> BadRequestError:
        return BadRequestError(f"{self._called}: {problem}", parameter=self._parameter)


parsed = lru_cache(maxsize=64)(parse)
