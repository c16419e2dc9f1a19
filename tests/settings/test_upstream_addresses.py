"""The list of upstreams in PROMETHEUS_ADDRESS."""

import pytest

from aggregator.errors import SettingsError
from aggregator.querier.prometheus.client import UpstreamAddress
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings

SECRET = "hunter2-hunter2"


def parse_upstreams(text: str) -> tuple[UpstreamAddress, ...]:
    """Return the upstreams of an address list."""
    return load_settings({"PROMETHEUS_ADDRESS": text}, Settings).upstreams


def read_settings_error(text: str) -> str:
    """Return the problem of an address list."""
    with pytest.raises(SettingsError) as caught:
        parse_upstreams(text)
    (line,) = caught.value.problems
    return line.removeprefix("PROMETHEUS_ADDRESS: ").split("; expected: ")[0]


@pytest.mark.parametrize("between", [",", ", ", " ", "\n", " ,\n,"])
def test_several_are_listed(between: str) -> None:
    """URLs are separated by commas or white space; the default name is host and port."""
    assert parse_upstreams(f"http://a:9090/x/{between}https://u:p@b") == (
        UpstreamAddress("http://a:9090/x", name="a:9090"),
        UpstreamAddress("https://b", "u", "p", name="b"),
    )


def test_name_and_cluster_are_in_the_fragment() -> None:
    """Name and cluster are percent-decoded, and not part of the base URL."""
    assert parse_upstreams("http://u:p@eu:9090/path/#name=eu&cluster=rome%20a, http://us#cluster=dallas") == (
        UpstreamAddress("http://eu:9090/path", "u", "p", "eu", "rome a"),
        UpstreamAddress("http://us", name="us", cluster="dallas"),
    )


def test_the_location_contains_no_secret() -> None:
    """Messages name host, port and path of an address, without credentials and long segments."""
    (address,) = parse_upstreams(f"https://u:{SECRET}@eu:9090/tenants/{'x' * 100}#name=a")
    assert address.location == "eu:9090/tenants/(100 characters)"


@pytest.mark.parametrize(
    "host", ["a", "a.b-c.example.", "under_score", "192.0.2.1", "[2001:db8::1]", "[fe80::1%25eth0]", "bücher.example"]
)
def test_any_valid_host_is_accepted(host: str) -> None:
    """Hosts are IP addresses or names, which may be international."""
    assert [address.url for address in parse_upstreams(f"http://{host}:9090")] == [f"http://{host}:9090"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://a http://a/x", "lists two upstreams with the same name; add #name=… to one of the URLs"),
        ("http://a#name=x http://b#name=x", "lists two upstreams with the same name; add #name=…"),
        ("http://a b:9090", "address 2 of 2 does not begin with http:// or https://"),
        ("http://a#site=x", "has an option after # other than name=… and cluster=…"),
        ("http://a#name=x&name=y", "has an option after # other than name=… and cluster=…"),
        ("http://a#name=", "has an invalid name after #"),
        ("http://a#cluster=" + "x" * 101, "has an invalid cluster after #"),
        ("http://a#name=%0a", "has an invalid name after #"),
        (f"http://a#name={SECRET}@host", "has an invalid name after #"),
        (f"http://user:a#{SECRET}@host", "has an invalid port"),
        (f"http://user:a,{SECRET}@host", "address 1 of 2 has an invalid port"),
        (",", "lists no upstream"),
        ("http://a:0", "has an invalid port"),
        ("http://a..b:9090", "has an invalid host"),
        ("http://.a", "has an invalid host"),
        ("http://*.example", "has an invalid host"),
        ("http://a\\b", "has an invalid host"),
        ("http://a%2fb", "has an invalid host"),
        ("http://" + "a" * 64, "has an invalid host"),
        ("http://u:p@ü" + "ü" * 64, "has an invalid host"),
    ],
)
def test_an_invalid_list_is_a_problem(text: str, problem: str) -> None:
    """The problem has the number of the URL and does not contain the URL."""
    assert read_settings_error(text).startswith(problem)
    assert SECRET not in read_settings_error(text)
