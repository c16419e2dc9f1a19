"""aggregator/scrape/pod_targets.py: labels and annotations of pods as targets."""

from typing import Any

import msgspec
import pytest

from aggregator.scrape.pod_targets import PodObject, PodRules, PodTarget
from tests.scrape.kubernetes_server import make_pod

PREFIX = "metrics-aggregator.apawel.me/"


def build_target(pod: dict[str, Any], rules: PodRules | None = None) -> PodTarget | None:
    """Return the target of a pod that is given as JSON."""
    return (rules or PodRules()).build_target(msgspec.convert(pod, PodObject))


def annotate(pod: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    """Return the pod with annotations."""
    return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}


def test_the_defaults_are_those_of_the_older_program() -> None:
    """Only the name of the job is required."""
    target = build_target(make_pod("a", job_name="j"))
    assert target == PodTarget("j", "ns1", "a", "10.0.0.1")
    assert target.url == "http://10.0.0.1:80/metrics"
    assert target.timeout_seconds == 5.0
    assert list(target.labels.items()) == [
        ("instance", "a"),
        ("job", "j"),
        ("pod_namespace", "ns1"),
        ("pod_ip", "10.0.0.1"),
    ]


def test_all_labels_are_read() -> None:
    """Port, endpoint, timeout and TLS come from the labels; only `true` is true."""
    labels = {"job_name": "j", "port": "8443", "endpoint": "stats", "scrape_timeout_seconds": "2"}
    target = build_target(make_pod("a", **labels, tls_enabled="true", tls_verify="false"))
    assert target is not None
    assert (target.url, target.timeout_seconds, target.verifies_tls) == ("https://10.0.0.1:8443/stats", 2.0, False)
    target = build_target(make_pod("a", **labels, tls_enabled="True", tls_verify="no"))
    assert target is not None
    assert (target.scheme, target.verifies_tls) == ("http", False)


def test_annotations_have_paths_with_slashes() -> None:
    """The same names as annotations override the labels, and their paths may have slashes and a query."""
    pod = annotate(make_pod("a", job_name="j", endpoint="x"), {f"{PREFIX}endpoint": "/stats/prometheus?format=text"})
    target = build_target(pod)
    assert target is not None
    assert target.url == "http://10.0.0.1:80/stats/prometheus?format=text"
    target = build_target(annotate(make_pod("a"), {f"{PREFIX}job-name": "k"}))
    assert target is not None
    assert target.job == "k"


@pytest.mark.parametrize(
    "pod",
    [
        make_pod("a"),
        make_pod("a", job_name=""),
        make_pod("a", job_name="j", ip=""),
        make_pod("a", job_name="j", phase="Succeeded"),
        make_pod("a", job_name="j", phase="Failed"),
    ],
)
def test_pods_that_are_no_targets(pod: dict[str, Any]) -> None:
    """A pod without a job, without an address, or that has finished is not scraped."""
    assert build_target(pod) is None


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "http"),
        ("port", "80@evil.example"),
        ("port", "٨٠"),
        ("scrape_timeout_seconds", "soon"),
        ("scrape_timeout_seconds", "0"),
        ("scrape_timeout_seconds", "-1"),
        ("scrape_timeout_seconds", "1.5"),
    ],
)
def test_an_invalid_option_is_a_problem_of_its_target(option: str, value: str) -> None:
    """The problem names the option, and does not repeat its value."""
    target = build_target(make_pod("a", job_name="j", **{option: value}))
    assert target is not None
    assert target.problem.startswith(option.replace("_", "-"))
    assert value not in target.problem


@pytest.mark.parametrize("endpoint", ["@evil/", "//evil/x", "x#y", "a b\r\nHost: evil", "\u202e"])
def test_an_endpoint_does_not_change_the_address(endpoint: str) -> None:
    """Whatever a pod writes is part of the path."""
    target = build_target(annotate(make_pod("a", job_name="j"), {f"{PREFIX}endpoint": endpoint}))
    assert target is not None
    assert target.url.startswith("http://10.0.0.1:80/")
    assert target.url.isascii()
    assert not set(target.url) & set(" \r\n#")


@pytest.mark.parametrize(
    ("options", "namespaces", "expected"),
    [
        ({"send_token": "true", "tls_enabled": "true"}, {"ns1"}, True),
        ({"send_token": "true", "tls_enabled": "true"}, {"ns2"}, False),
        ({"tls_enabled": "true"}, {"ns1"}, False),
        ({"send_token": "true"}, {"ns1"}, False),
        ({"send_token": "true", "tls_enabled": "true", "tls_verify": "false"}, {"ns1"}, False),
    ],
)
def test_the_token_is_sent_only_if_both_sides_agree(
    options: dict[str, str], namespaces: set[str], expected: bool
) -> None:
    """The pod must ask for it, the operator must list the namespace, and TLS must be verified."""
    rules = PodRules(token_namespaces=frozenset(namespaces))
    target = build_target(make_pod("a", job_name="j", **options), rules)
    assert target is not None
    assert target.sends_token is expected


PROMETHEUS_RULES = PodRules(reads_prometheus_annotations=True)


def make_prometheus_pod(**annotations: str) -> dict[str, Any]:
    """Return a pod of a Deployment with the usual annotations."""
    pod = annotate(make_pod("web-5d9c-x"), {f"prometheus.io/{name}": value for name, value in annotations.items()})
    pod["metadata"]["labels"]["pod-template-hash"] = "5d9c"
    pod["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web-5d9c", "controller": True}]
    pod["spec"]["containers"] = [{"name": "c"}, {"name": "d", "ports": [{"containerPort": 8080}]}]
    return pod


def test_prometheus_annotations() -> None:
    """With the setting, annotated pods are targets; the job is the namespace and the workload."""
    target = build_target(make_prometheus_pod(scrape="true"), PROMETHEUS_RULES)
    assert target is not None
    assert (target.job, target.url) == ("ns1/web", "http://10.0.0.1:8080/metrics")
    pod = make_prometheus_pod(scrape="true", port="9090", path="/stats/x", scheme="https")
    target = build_target(pod, PROMETHEUS_RULES)
    assert target is not None
    assert (target.url, target.verifies_tls, target.sends_token) == ("https://10.0.0.1:9090/stats/x", True, False)


def test_prometheus_annotations_are_an_option() -> None:
    """Without the setting, without `true`, or beside a job of the aggregator they have no effect."""
    assert build_target(make_prometheus_pod(scrape="true")) is None
    assert build_target(make_prometheus_pod(scrape="false"), PROMETHEUS_RULES) is None
    pod = annotate(make_pod("a", job_name="j"), {"prometheus.io/scrape": "true"})
    target = build_target(pod, PROMETHEUS_RULES)
    assert target is not None
    assert target.job == "j"


def test_a_scheme_that_is_none_is_a_problem() -> None:
    """Only http and https are scraped."""
    target = build_target(make_prometheus_pod(scrape="true", scheme="file"), PROMETHEUS_RULES)
    assert target is not None
    assert target.problem == "scheme must be http or https"


def test_a_pod_without_a_controller_is_a_job_of_its_own() -> None:
    """The job of a pod that nothing controls is the namespace and its name."""
    target = build_target(annotate(make_pod("solo"), {"prometheus.io/scrape": "true"}), PROMETHEUS_RULES)
    assert target is not None
    assert (target.job, target.port) == ("ns1/solo", 80)
