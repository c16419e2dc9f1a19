"""Label selectors follow the syntax and semantics of Kubernetes."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup.filter import compile_label_selector
from aggregator.lookup.filter_parser import parse_label_selector

LABELS = {"zone": "north", "app.kubernetes.io/name": "web", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("zone", True),
        ("!zone", False),
        ("zone=north", True),
        ("zone==north", True),
        ("zone = south", False),
        ("zone!=south", True),
        ("gone!=south", True),
        ("gone=", False),
        ("empty=", True),
        ("empty", True),
        ("zone in (south, north)", True),
        ("zone notin (south,north)", False),
        ("gone notin (south)", True),
        ("gone in (south)", False),
        ("app.kubernetes.io/name=web,zone=north", True),
        ("app.kubernetes.io/name=web,zone=south", False),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    """Requirements match as in Kubernetes: a missing label matches only negated operators."""
    assert compile_label_selector(parse_label_selector(text))(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("zone>north", "operator > is not allowed"),
        ("zone~north", "operator ~ is not allowed"),
        ('zone="north"', "quotes are not allowed"),
        ("-zone", "'-zone' is not a valid label key"),
        ("a/b/c", "'a/b/c' is not a valid label key"),
        ("/name", "'/name' is not a valid label key"),
        ("Example.com/name", "is not a valid label key"),
        ("z" * 64, "is not a valid label key"),
        ("zone=ü", "'ü' is not a valid label value"),
        ("zone=" + "n" * 64, "is not a valid label value"),
        ("zone=a,", "expected a field"),
    ],
)
def test_invalid_selectors(text: str, expected_message: str) -> None:
    """Operators that selectors lack, and invalid keys and values of labels, are rejected."""
    with pytest.raises(BadRequestError) as refused:
        parse_label_selector(text)
    assert str(refused.value).startswith("label selector: ")
    assert expected_message in str(refused.value)
    assert refused.value.parameter == "labels"
