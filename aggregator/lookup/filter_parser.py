r"""Parser of the filter language and of Kubernetes label selectors: text → requirements.

::

    filter      = [ requirement { "," requirement } ]
    requirement = key | "!" key | key operator [ value ] | key ("in" | "notin") "(" [ value ] { "," [ value ] } ")"
    operator    = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
    key, value  = word
    word        = bare characters, or any characters between double quotes, with \\" and \\\\ for " and \\

White space between words and symbols is ignored. A bare word contains no white space and none of , ( ) = ! < > ~ ".
In a filter, bare words that look like patterns or other query languages are errors rather than literal texts.
A label selector is a filter without quotes and without comparisons, whose words are valid label keys and values.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from aggregator.errors import BadRequestError

# Each requirement is evaluated on each object of a list.
MAX_REQUIREMENTS = 32

FILTER_PARAMETER = "filter"
LABELS_PARAMETER = "labels"
LABEL_SELECTOR_NAME = "label selector"
_LABEL_SELECTOR_FORMS = "key, !key, key=value, key!=value, key in (a,b) or key notin (a,b)"


class FilterOperator(Enum):
    """The operator of a requirement; the value is its symbol or keyword."""

    EXISTS = "exists"
    NOT_EXISTS = "!"
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS_THAN = "<"
    LESS_OR_EQUAL = "<="
    GREATER_THAN = ">"
    GREATER_OR_EQUAL = ">="
    CONTAINS = "~"
    NOT_CONTAINS = "!~"
    IN = "in"
    NOT_IN = "notin"

    @property
    def is_ordering(self) -> bool:
        """Whether the operator compares by order."""
        return self in _ORDERING_OPERATORS

    @property
    def is_negated(self) -> bool:
        """Whether the operator negates; such operators also match objects without a value."""
        return self in _NEGATED_OPERATORS


_ORDERING_OPERATORS = frozenset(
    {
        FilterOperator.LESS_THAN,
        FilterOperator.LESS_OR_EQUAL,
        FilterOperator.GREATER_THAN,
        FilterOperator.GREATER_OR_EQUAL,
    }
)
_NEGATED_OPERATORS = frozenset(
    {FilterOperator.NOT_EXISTS, FilterOperator.NOT_EQUAL, FilterOperator.NOT_CONTAINS, FilterOperator.NOT_IN}
)
_SET_OPERATORS = {"in": FilterOperator.IN, "notin": FilterOperator.NOT_IN}
_SYMBOL_OPERATORS = {"==": FilterOperator.EQUAL} | {
    each.value: each for each in FilterOperator if each is not FilterOperator.NOT_EXISTS and not each.value.isalpha()
}

_BARE_WORD = r'[^\s,()=!<>~"]+'
_BARE_WORD_PATTERN = re.compile(_BARE_WORD)
_FILTER_TOKEN_PATTERN = re.compile(
    rf"""
    \s*
    (?:
        (?P<bare>{_BARE_WORD})
        | "(?P<quoted>(?:[^"\\]|\\["\\])*)"
        | (?P<symbol>==|!=|!~|<=|>=|[=<>~!,()])
        | (?P<end>\Z)
    )
    """,
    re.VERBOSE,
)
# In bare words: what other languages mean by it is not what it would match here.
_PATTERN_CHARACTERS = re.compile(r"[*^$|]|\.\+")
_CONJUNCTION_PATTERN = re.compile(r"&&|\|\|")
_SINGLE_QUOTE = "'"

_SEPARATOR_HINT = "separate requirements with commas; all of them must match"
_ALTERNATIVES_HINT = "`or` is not supported; for several values of a field, use `in`: phase in (Failed,Pending)"
_HINTS_BY_WORD = {"and": _SEPARATOR_HINT, "&&": _SEPARATOR_HINT, "or": _ALTERNATIVES_HINT, "||": _ALTERNATIVES_HINT}
_PARENTHESES_HINT = "parentheses are allowed only after `in` and `notin`"
_NEGATION_HINT = "to match objects without a value, write `!field`; to exclude values, use `!=`, `!~` or `notin`"
_PATTERN_HINT = "patterns are not supported; to match part of a string, use `~`: name~worker"
_LITERAL_HINT = "put literal strings in double quotes"

_ESCAPE_PATTERN = re.compile(r'\\(["\\])')

_LABEL_NAME_PATTERN = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_PREFIX_PATTERN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
)
_LABEL_SELECTOR_OPERATORS = frozenset(
    {
        FilterOperator.EXISTS,
        FilterOperator.NOT_EXISTS,
        FilterOperator.EQUAL,
        FilterOperator.NOT_EQUAL,
        FilterOperator.IN,
        FilterOperator.NOT_IN,
    }
)


@dataclass(frozen=True)
class Requirement:
    """One condition of a filter; `str` returns its canonical text."""

    key: str
    operator: FilterOperator
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        key = quote_word(self.key)
        if self.operator is FilterOperator.EXISTS:
            return key
        if self.operator is FilterOperator.NOT_EXISTS:
            return f"!{key}"
        if self.operator in (FilterOperator.IN, FilterOperator.NOT_IN):
            return f"{key} {self.operator.value} ({','.join(map(quote_word, self.values))})"
        return f"{key}{self.operator.value}{quote_word(self.values[0])}"


def quote_word(text: str) -> str:
    """Return a word as it is written in a filter, with quotes if it needs them."""
    if _BARE_WORD_PATTERN.fullmatch(text) and not _find_bare_word_hint(text, is_value=True):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _find_bare_word_hint(text: str, *, is_value: bool) -> str:
    """Return what to write instead of a bare word that other languages would understand, "" for all other words."""
    conjunction = _CONJUNCTION_PATTERN.search(text)
    if conjunction is not None:
        return _HINTS_BY_WORD[conjunction[0]]
    if text.startswith(_SINGLE_QUOTE):
        return _LITERAL_HINT
    return f"{_PATTERN_HINT}; {_LITERAL_HINT}" if is_value and _PATTERN_CHARACTERS.search(text) else ""


@lru_cache(maxsize=64)
def parse_requirements(
    text: str, syntax_name: str = FILTER_PARAMETER, parameter: str = FILTER_PARAMETER
) -> tuple[Requirement, ...]:
    """Return the requirements of a filter; raise BadRequestError, whose text begins with `syntax_name`, if invalid."""
    return _FilterParser(text, syntax_name, parameter).parse_all()


def parse_label_selector(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a label selector; raise BadRequestError for one that Kubernetes would reject."""
    requirements = parse_requirements(text, LABEL_SELECTOR_NAME, LABELS_PARAMETER)
    if '"' in text:
        raise _build_label_selector_error("quotes are not allowed")
    for requirement in requirements:
        if requirement.operator not in _LABEL_SELECTOR_OPERATORS:
            raise _build_label_selector_error(f"operator {requirement.operator.value} is not allowed")
        prefix, slash, name = requirement.key.rpartition("/")
        if not _LABEL_NAME_PATTERN.fullmatch(name) or (slash and not _LABEL_PREFIX_PATTERN.fullmatch(prefix)):
            raise _build_label_selector_error(f"{requirement.key[:80]!r} is not a valid label key")
        for value in requirement.values:
            if value and not _LABEL_NAME_PATTERN.fullmatch(value):
                raise _build_label_selector_error(f"{value[:80]!r} is not a valid label value")
    return requirements


def _build_label_selector_error(problem: str) -> BadRequestError:
    return BadRequestError(
        f"{LABEL_SELECTOR_NAME}: {problem}; a requirement is {_LABEL_SELECTOR_FORMS}", parameter=LABELS_PARAMETER
    )


@dataclass(frozen=True)
class _FilterToken:
    """A word, a symbol or the end of the text, and its position."""

    kind: str
    text: str
    position: int


class _FilterParser:
    """Recursive descent parser with one token of lookahead."""

    def __init__(self, text: str, syntax_name: str, parameter: str) -> None:
        self._text = text
        self._syntax_name = syntax_name
        self._parameter = parameter
        self._is_filter = parameter == FILTER_PARAMETER
        self._position = 0
        self._lookahead = self._read_token()

    def parse_all(self) -> tuple[Requirement, ...]:
        """Return all requirements of the text."""
        parsed: list[Requirement] = []
        if self._lookahead.kind == "end":
            return ()
        while True:
            parsed.append(self._parse_requirement())
            if self._lookahead.kind == "end":
                return tuple(parsed)
            if len(parsed) >= MAX_REQUIREMENTS:
                raise self._build_error(f"at most {MAX_REQUIREMENTS} requirements are allowed")
            self._expect_symbol(",")

    def _parse_requirement(self) -> Requirement:
        if self._is_symbol("!"):
            self._advance()
            return Requirement(self._parse_word("a field"), FilterOperator.NOT_EXISTS)
        key = self._parse_word("a field")
        if self._lookahead.kind == "bare" and self._lookahead.text in _SET_OPERATORS:
            operator = _SET_OPERATORS[self._advance().text]
            return Requirement(key, operator, self._parse_set())
        if self._lookahead.kind == "end" or self._is_symbol(","):
            return Requirement(key, FilterOperator.EXISTS)
        if self._lookahead.kind != "symbol" or self._lookahead.text not in _SYMBOL_OPERATORS:
            hint = _NEGATION_HINT if key.casefold() == "not" else self._find_hint()
            raise self._build_unexpected_token_error("an operator", hint)
        operator = _SYMBOL_OPERATORS[self._advance().text]
        return Requirement(key, operator, (self._parse_value(),))

    def _parse_set(self) -> tuple[str, ...]:
        self._expect_symbol("(")
        values = [self._parse_value()]
        while not self._is_symbol(")"):
            self._expect_symbol(",")
            values.append(self._parse_value())
        self._advance()
        return tuple(sorted(set(values)))

    def _parse_value(self) -> str:
        """Return the next word, or an empty value if the next token is not a word."""
        if self._lookahead.kind not in ("bare", "quoted"):
            return ""
        return self._advance_word(is_value=True)

    def _parse_word(self, expected: str) -> str:
        if self._lookahead.kind not in ("bare", "quoted") or not self._lookahead.text:
            raise self._build_unexpected_token_error(expected, self._find_hint())
        return self._advance_word(is_value=False)

    def _advance_word(self, *, is_value: bool) -> str:
        word = self._lookahead
        hint = _find_bare_word_hint(word.text, is_value=is_value) if self._is_filter and word.kind == "bare" else ""
        if hint:
            raise self._build_error(f"unexpected {word.text[:30]!r} at character {word.position + 1}; {hint}")
        return self._advance().text

    def _expect_symbol(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._build_unexpected_token_error(f"{symbol!r}", self._find_hint())
        self._advance()

    def _find_hint(self) -> str:
        """Return what to write instead of an unexpected token that has a meaning in other languages."""
        word, position = self._lookahead.text, self._lookahead.position
        if self._lookahead.kind == "bare":
            conjunction = _CONJUNCTION_PATTERN.match(word)
            return _HINTS_BY_WORD.get(word.casefold() if conjunction is None else conjunction[0], "")
        if self._lookahead.kind == "symbol" and word == "~" and self._text[:position].endswith("="):
            return _PATTERN_HINT
        return _PARENTHESES_HINT if self._lookahead.kind == "symbol" and word in "()" else ""

    def _is_symbol(self, symbol: str) -> bool:
        return self._lookahead.kind == "symbol" and self._lookahead.text == symbol

    def _advance(self) -> _FilterToken:
        current, self._lookahead = self._lookahead, self._read_token()
        return current

    def _read_token(self) -> _FilterToken:
        matched = _FILTER_TOKEN_PATTERN.match(self._text, self._position)
        if matched is None:
            raise self._build_error(f"unterminated quote in {self._text[self._position :].strip()[:30]!r}")
        self._position = matched.end()
        kind = matched.lastgroup or "end"
        text = matched[kind]
        return _FilterToken(kind, _ESCAPE_PATTERN.sub(r"\1", text) if kind == "quoted" else text, matched.start(kind))

    def _build_unexpected_token_error(self, expected: str, hint: str = "") -> BadRequestError:
        found = "the end" if self._lookahead.kind == "end" else repr(self._text[self._lookahead.position :][:30])
        problem = f"expected {expected} at character {self._lookahead.position + 1}, got {found}"
        return self._build_error(f"{problem}; {hint}" if hint else problem)

    def _build_error(self, problem: str) -> BadRequestError:
        return BadRequestError(f"{self._syntax_name}: {problem}", parameter=self._parameter)
