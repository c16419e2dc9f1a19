"""Label selectors are those of Kubernetes."""

import pytest

from aggregator.errors import BadRequestError
from aggregator.lookup.selector import selector, selects

LABELS = {"zone": "north", "app.kubernetes.io/name": "web", "empty": ""}


@pytest.mark.parametrize(
    ("text", "holds"),
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
def test_what_a_selector_selects(text: str, holds: bool) -> None:
    """Requirements hold as with Kubernetes: where there is no label, only what denies."""
    assert selects(selector(text))(LABELS) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("zone>north", "it has no >"),
        ("zone~north", "it has no ~"),
        ('zone="north"', "it has no quotes"),
        ("-zone", "'-zone' is no key of a label"),
        ("a/b/c", "'a/b/c' is no key of a label"),
        ("/name", "'/name' is no key of a label"),
        ("Example.com/name", "is no key of a label"),
        ("z" * 64, "is no key of a label"),
        ("zone=ü", "'ü' is no value of a label"),
        ("zone=" + "n" * 64, "is no value of a label"),
        ("zone=a,", "a field is expected"),
    ],
)
def test_what_kubernetes_would_refuse(text: str, says: str) -> None:
    """What cannot be a label's key or value, or is no operator of selectors, is refused."""
    with pytest.raises(BadRequestError) as refused:
        selector(text)
    assert str(refused.value).startswith("label selector: ")
    assert says in str(refused.value)
    assert refused.value.parameter == "labels"
