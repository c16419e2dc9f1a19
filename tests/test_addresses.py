"""The list of upstreams in PROMETHEUS_ADDRESS."""

import pytest

from aggregator.errors import SettingsError
from aggregator.querier.client import Address
from aggregator.settings import read

SECRET = "hunter2-hunter2"


def upstreams(text: str) -> tuple[Address, ...]:
    """Return what the setting lists."""
    return read({"PROMETHEUS_ADDRESS": text}).upstreams


def refusal(text: str) -> str:
    """Return what is said against the setting."""
    with pytest.raises(SettingsError) as caught:
        upstreams(text)
    (line,) = caught.value.problems
    return line.removeprefix("PROMETHEUS_ADDRESS: ").split("; expected: ")[0]


@pytest.mark.parametrize("between", [",", ", ", " ", "\n", " ,\n,"])
def test_several_are_listed(between: str) -> None:
    """Commas and white space stand between URLs; each is named by its host and port."""
    assert upstreams(f"http://a:9090/x/{between}https://u:p@b") == (
        Address("http://a:9090/x", name="a:9090"),
        Address("https://b", "u", "p", name="b"),
    )


def test_name_and_cluster_stand_behind_the_hash() -> None:
    """They are percent-decoded and no part of what is asked."""
    assert upstreams("http://u:p@eu:9090/path/#name=eu&cluster=rome%20a, http://us#cluster=dallas") == (
        Address("http://eu:9090/path", "u", "p", "eu", "rome a"),
        Address("http://us", name="us", cluster="dallas"),
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("http://a http://a/x", "lists two upstreams of one name; #name=… at the end of a URL gives it another"),
        ("http://a#name=x http://b#name=x", "lists two upstreams of one name; #name=… at the end"),
        ("http://a b:9090", "address 2 of 2 does not begin with http:// or https://"),
        ("http://a#site=x", "has something else than name=… and cluster=… behind its #"),
        ("http://a#name=x&name=y", "has something else than name=… and cluster=… behind its #"),
        ("http://a#name=", "has behind its # a name that is none"),
        ("http://a#cluster=" + "x" * 101, "has behind its # a cluster that is none"),
        ("http://a#name=%0a", "has behind its # a name that is none"),
        (f"http://a#name={SECRET}@host", "has behind its # a name that is none"),
        (f"http://user:a#{SECRET}@host", "has a port that is no number from 0 to 65535"),
        (f"http://user:a,{SECRET}@host", "address 1 of 2 has a port that is no number from 0 to 65535"),
        (",", "lists none"),
    ],
)
def test_a_bad_list_is_told(text: str, wrong: str) -> None:
    """What is wrong is said, with the number of the URL, and no URL is repeated."""
    assert refusal(text).startswith(wrong)
    assert SECRET not in refusal(text)
