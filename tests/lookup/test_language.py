"""The language of filters: what is understood, how it is written, and what is said of the rest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.errors import BadRequestError
from aggregator.lookup.language import MOST_REQUIREMENTS, Operator, Requirement, parse, word

TEXT = st.text(max_size=6) | st.text('a.,()=!<>~" \\\t', max_size=6)
SINGLE = st.sampled_from([each for each in Operator if each.value not in ("exists", "!", "in", "notin")])
REQUIREMENTS = (
    st.builds(Requirement, TEXT.filter(bool), st.sampled_from([Operator.EXISTS, Operator.ABSENT]))
    | st.builds(Requirement, TEXT.filter(bool), SINGLE, st.tuples(TEXT))
    | st.builds(
        Requirement,
        TEXT.filter(bool),
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.lists(TEXT, min_size=1, max_size=3, unique=True).map(lambda texts: tuple(sorted(texts))),
    )
)


@given(st.lists(REQUIREMENTS, max_size=4))
def test_what_is_written_is_read(requirements: list[Requirement]) -> None:
    """Any requirements, of any characters, are read back from their text."""
    assert list(parse(",".join(map(str, requirements)))) == requirements


@given(st.text(max_size=40) | st.text('ab.,()=!<>~" \\inot', max_size=40))
@example("a in (")
@example('"\\')
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, it is either understood, and means the same when written anew, or refused with a reason."""
    try:
        requirements = parse(text)
    except BadRequestError as error:
        assert str(error).startswith("filter: ")  # noqa: PT017 - either is right
    else:
        assert parse(",".join(map(str, requirements))) == requirements


@pytest.mark.parametrize(
    ("text", "key", "operator", "values"),
    [
        ("phase", "phase", Operator.EXISTS, ()),
        ("!phase", "phase", Operator.ABSENT, ()),
        ("phase=Running", "phase", Operator.EQUAL, ("Running",)),
        ("phase==Running", "phase", Operator.EQUAL, ("Running",)),
        (" phase != Running ", "phase", Operator.UNEQUAL, ("Running",)),
        ("phase=", "phase", Operator.EQUAL, ("",)),
        ("phase in (a, b)", "phase", Operator.IN, ("a", "b")),
        ("phase notin(b,a,)", "phase", Operator.NOT_IN, ("", "a", "b")),
        ("free_memory_bytes>=4Gi", "free_memory_bytes", Operator.AT_LEAST, ("4Gi",)),
        ("free_memory_bytes<-1.5e3", "free_memory_bytes", Operator.LESS, ("-1.5e3",)),
        ("image~nginx", "image", Operator.HAS, ("nginx",)),
        ("image!~docker.io/", "image", Operator.HAS_NOT, ("docker.io/",)),
        ('name="a, \\"b\\" (\\\\)"', "name", Operator.EQUAL, ('a, "b" (\\)',)),
        ('"label.odd key"=ü', "label.odd key", Operator.EQUAL, ("ü",)),
        ("label.app.kubernetes.io/name=web", "label.app.kubernetes.io/name", Operator.EQUAL, ("web",)),
        ("in in (in)", "in", Operator.IN, ("in",)),
        ("last_seen_time>2026-11-20T20:57:08+01:00", "last_seen_time", Operator.MORE, ("2026-11-20T20:57:08+01:00",)),
    ],
)
def test_what_is_understood(text: str, key: str, operator: Operator, values: tuple[str, ...]) -> None:
    """Each way of writing a requirement is understood."""
    assert parse(text) == (Requirement(key, operator, values),)


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_nothing_is_no_requirement(text: str) -> None:
    """An empty filter asks for nothing in particular."""
    assert parse(text) == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (",", "a field is expected at character 1, not ','"),
        ("a,", "a field is expected at character 3, not the end"),
        ("a b", "an operator is expected at character 3, not 'b'"),
        ("a=b c", "',' is expected at character 5, not 'c'"),
        ("a in b", "'(' is expected at character 6, not 'b'"),
        ("a in (b", "',' is expected at character 8, not the end"),
        ("a=(b)", "',' is expected at character 3, not '(b)'"),
        ("!", "a field is expected at character 2, not the end"),
        ("a!b", "an operator is expected at character 2, not '!b'"),
        ('a="b', "no end of what begins with the quote in"),
        ('""=a', "a field is expected at character 2"),
        (",".join(["a"] * (MOST_REQUIREMENTS + 1)), f"more than {MOST_REQUIREMENTS} requirements"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    """What is wrong is told with its place."""
    with pytest.raises(BadRequestError) as refused:
        parse(text)
    assert says in str(refused.value)
    assert refused.value.parameter == "filter"


def test_as_many_requirements_as_there_may_be() -> None:
    """Up to the bound, requirements are read."""
    assert len(parse(",".join(["a"] * MOST_REQUIREMENTS))) == MOST_REQUIREMENTS


def test_words_are_quoted_only_where_they_have_to_be() -> None:
    """A word without special characters is written as it is."""
    assert (word("docker.io/nginx:1"), word("a b"), word('"'), word("")) == (
        "docker.io/nginx:1",
        '"a b"',
        '"\\""',
        '""',
    )
