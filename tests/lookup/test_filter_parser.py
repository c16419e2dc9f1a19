"""The filter language: what is valid, its canonical text, and the errors for the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.errors import BadRequestError
from aggregator.lookup.filter_parser import (
    MAX_REQUIREMENTS,
    FilterOperator,
    Requirement,
    parse_requirements,
    quote_word,
)

TEXT = st.text(max_size=6) | st.text('a.,()=!<>~" \\\t', max_size=6)
SINGLE_VALUE_OPERATORS = st.sampled_from(
    [each for each in FilterOperator if each.value not in ("exists", "!", "in", "notin")]
)
REQUIREMENTS = (
    st.builds(Requirement, TEXT.filter(bool), st.sampled_from([FilterOperator.EXISTS, FilterOperator.NOT_EXISTS]))
    | st.builds(Requirement, TEXT.filter(bool), SINGLE_VALUE_OPERATORS, st.tuples(TEXT))
    | st.builds(
        Requirement,
        TEXT.filter(bool),
        st.sampled_from([FilterOperator.IN, FilterOperator.NOT_IN]),
        st.lists(TEXT, min_size=1, max_size=3, unique=True).map(lambda texts: tuple(sorted(texts))),
    )
)


@given(st.lists(REQUIREMENTS, max_size=4))
def test_requirements_are_parsed_from_their_text(requirements: list[Requirement]) -> None:
    """The canonical text of any requirements, with any characters, is parsed to the same requirements."""
    assert list(parse_requirements(",".join(map(str, requirements)))) == requirements


@given(st.text(max_size=40) | st.text('ab.,()=!<>~" \\inot', max_size=40))
@example("a in (")
@example('"\\')
def test_any_text_is_parsed_or_rejected(text: str) -> None:
    """Any text is either parsed, and its canonical text means the same, or rejected with BadRequestError."""
    try:
        requirements = parse_requirements(text)
    except BadRequestError as error:
        assert str(error).startswith("filter: ")  # noqa: PT017 - either is right
    else:
        assert parse_requirements(",".join(map(str, requirements))) == requirements


@pytest.mark.parametrize(
    ("text", "key", "operator", "values"),
    [
        ("phase", "phase", FilterOperator.EXISTS, ()),
        ("!phase", "phase", FilterOperator.NOT_EXISTS, ()),
        ("phase=Running", "phase", FilterOperator.EQUAL, ("Running",)),
        ("phase==Running", "phase", FilterOperator.EQUAL, ("Running",)),
        (" phase != Running ", "phase", FilterOperator.NOT_EQUAL, ("Running",)),
        ("phase=", "phase", FilterOperator.EQUAL, ("",)),
        ("phase in (a, b)", "phase", FilterOperator.IN, ("a", "b")),
        ("phase notin(b,a,)", "phase", FilterOperator.NOT_IN, ("", "a", "b")),
        ("free_memory_bytes>=4Gi", "free_memory_bytes", FilterOperator.GREATER_OR_EQUAL, ("4Gi",)),
        ("free_memory_bytes<-1.5e3", "free_memory_bytes", FilterOperator.LESS_THAN, ("-1.5e3",)),
        ("image~nginx", "image", FilterOperator.CONTAINS, ("nginx",)),
        ("image!~docker.io/", "image", FilterOperator.NOT_CONTAINS, ("docker.io/",)),
        ('name="a, \\"b\\" (\\\\)"', "name", FilterOperator.EQUAL, ('a, "b" (\\)',)),
        ('"label.odd key"=ü', "label.odd key", FilterOperator.EQUAL, ("ü",)),
        ("label.app.kubernetes.io/name=web", "label.app.kubernetes.io/name", FilterOperator.EQUAL, ("web",)),
        ("in in (in)", "in", FilterOperator.IN, ("in",)),
        (
            "last_seen_time>2026-11-20T20:57:08+01:00",
            "last_seen_time",
            FilterOperator.GREATER_THAN,
            ("2026-11-20T20:57:08+01:00",),
        ),
    ],
)
def test_valid_requirements(text: str, key: str, operator: FilterOperator, values: tuple[str, ...]) -> None:
    """Each form of a requirement is parsed."""
    assert parse_requirements(text) == (Requirement(key, operator, values),)


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_an_empty_filter_has_no_requirements(text: str) -> None:
    """White space alone is an empty filter."""
    assert parse_requirements(text) == ()


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        (",", "expected a field at character 1, got ','"),
        ("a,", "expected a field at character 3, got the end"),
        ("a b", "expected an operator at character 3, got 'b'"),
        ("a=b c", "expected ',' at character 5, got 'c'"),
        ("a in b", "expected '(' at character 6, got 'b'"),
        ("a in (b", "expected ',' at character 8, got the end"),
        ("a=(b)", "expected ',' at character 3, got '(b)'"),
        ("!", "expected a field at character 2, got the end"),
        ("a!b", "expected an operator at character 2, got '!b'"),
        ('a="b', "unterminated quote in '\"b'"),
        ('""=a', "expected a field at character 2"),
        (",".join(["a"] * (MAX_REQUIREMENTS + 1)), f"at most {MAX_REQUIREMENTS} requirements are allowed"),
    ],
)
def test_invalid_filters(text: str, expected_message: str) -> None:
    """The error names the position and what is expected there."""
    with pytest.raises(BadRequestError) as refused:
        parse_requirements(text)
    assert expected_message in str(refused.value)
    assert refused.value.parameter == "filter"


SEPARATOR_HINT = "; separate requirements with commas; all of them must match"
ALTERNATIVES_HINT = "; `or` is not supported; for several values of a field, use `in`: phase in (Failed,Pending)"
PARENTHESES_HINT = "; parentheses are allowed only after `in` and `notin`"
NEGATION_HINT = "; to match objects without a value, write `!field`; to exclude values, use `!=`, `!~` or `notin`"
PATTERN_HINT = "; patterns are not supported; to match part of a string, use `~`: name~worker"
LITERAL_HINT = "; put literal strings in double quotes"


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("a and b", f"expected an operator at character 3, got 'and b'{SEPARATOR_HINT}"),
        ("a=1 AND b=2", f"expected ',' at character 5, got 'AND b=2'{SEPARATOR_HINT}"),
        ("a && b", f"expected an operator at character 3, got '&& b'{SEPARATOR_HINT}"),
        ("a=1 &&b", f"expected ',' at character 5, got '&&b'{SEPARATOR_HINT}"),
        ("a=1&&b=2", f"unexpected '1&&b' at character 3{SEPARATOR_HINT}"),
        ("a&&b", f"unexpected 'a&&b' at character 1{SEPARATOR_HINT}"),
        ("a=1 or a=2", f"expected ',' at character 5, got 'or a=2'{ALTERNATIVES_HINT}"),
        ("a=1||a=2", f"unexpected '1||a' at character 3{ALTERNATIVES_HINT}"),
        ("a=1 || a=2", f"expected ',' at character 5, got '|| a=2'{ALTERNATIVES_HINT}"),
        ("(a=1,b=2)", f"expected a field at character 1, got '(a=1,b=2)'{PARENTHESES_HINT}"),
        ("a=1,(b=2)", f"expected a field at character 5, got '(b=2)'{PARENTHESES_HINT}"),
        ("a=(1)", f"expected ',' at character 3, got '(1)'{PARENTHESES_HINT}"),
        ("a=1)", f"expected ',' at character 4, got ')'{PARENTHESES_HINT}"),
        ("not a", f"expected an operator at character 5, got 'a'{NEGATION_HINT}"),
        ("name=~worker.*", f"expected ',' at character 6, got '~worker.*'{PATTERN_HINT}"),
        ("name!=~worker", f"expected ',' at character 7, got '~worker'{PATTERN_HINT}"),
        ("name~worker.*", f"unexpected 'worker.*' at character 6{PATTERN_HINT}{LITERAL_HINT}"),
        ("name!~^worker", f"unexpected '^worker' at character 7{PATTERN_HINT}{LITERAL_HINT}"),
        ("name=worker-*", f"unexpected 'worker-*' at character 6{PATTERN_HINT}{LITERAL_HINT}"),
        ("name in (a|b)", f"unexpected 'a|b' at character 10{PATTERN_HINT}{LITERAL_HINT}"),
        ("phase='Running'", f"unexpected \"'Running'\" at character 7{LITERAL_HINT}"),
        ("a orange", "expected an operator at character 3, got 'orange'"),
    ],
)
def test_hints_for_other_languages(text: str, expected_message: str) -> None:
    """For what PromQL, SQL, shells and programming languages mean, the error says what to write instead."""
    with pytest.raises(BadRequestError) as refused:
        parse_requirements(text)
    assert str(refused.value) == f"filter: {expected_message}"


@pytest.mark.parametrize("value", ["worker.*", "a|b", "$HOME", "'a'", "a&&b", "*"])
def test_quoted_patterns_are_literal(value: str) -> None:
    """In double quotes, characters of patterns and other languages are literal text."""
    assert parse_requirements(f'name~"{value}"') == (Requirement("name", FilterOperator.CONTAINS, (value,)),)


def test_the_maximum_number_of_requirements() -> None:
    """As many requirements as the limit are valid."""
    assert len(parse_requirements(",".join(["a"] * MAX_REQUIREMENTS))) == MAX_REQUIREMENTS


def test_words_are_quoted_only_if_necessary() -> None:
    """A word without special characters has no quotes."""
    assert (quote_word("docker.io/nginx:1"), quote_word("a b"), quote_word('"'), quote_word("")) == (
        "docker.io/nginx:1",
        '"a b"',
        '"\\""',
        '""',
    )
