"""The doctor before real upstreams, well and broken in all the usual ways: it names the cause."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aggregator import settings
from aggregator.doctor.examine import examined
from aggregator.doctor.report import Finding, Report
from aggregator.doctor.text import written
from aggregator.secrets import NONE_KNOWN
from demo.fleet import ABSENCE_PERIOD_SECONDS, Fleet, exposition
from demo.prometheus import Moment, holding, running
from tests.integration.process import ended
from tests.integration.setups import behind_by, prometheus, warning
from tests.querier.peer import peer, response, sending

UP = 'up{job="fleet",instance="a"} 1\n'
# Of open-sesame, by bcrypt.
PASSWORD_HASH = "$2b$04$AZwmsS/4VeUo6tTbBTI6K.lQKIy7yRqYR.r2ly7kcMcbfIG./FNFG"
PAGE = b"<html>a web page</html>"


def fleet() -> str:
    """Return what the demo's exporters show while all hosts are there."""
    now = time.time()
    present = now - now % ABSENCE_PERIOD_SECONDS
    return exposition(Fleet.of(since_seconds=present), present) + UP


def without(pattern: str, text: str) -> str:
    """Return an exposition without the series whose names match."""
    return "\n".join(line for line in text.splitlines() if not re.match(pattern, line)) + "\n"


def doctor(url: str, **chosen: str) -> Report:
    """Return what is found before an upstream; what is found can be written in any case."""
    report = examined(settings.read({"PROMETHEUS_ADDRESS": url} | chosen), NONE_KNOWN)
    assert report.ok is (report.problems == ())
    assert written(report).endswith(("wrong\n", "all is well\n"))
    return report


def codes(report: Report) -> set[str]:
    """Return what is wrong, as codes."""
    return {finding.code for finding in report.problems}


def only(report: Report) -> Finding:
    """Return the one thing that is wrong."""
    assert len(report.problems) == 1, written(report)
    return report.problems[0]


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    """A Prometheus that holds all of a fleet."""
    with holding([Moment(fleet(), time.time())]) as url:
        yield url


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that holds nothing."""
    with running(tmp_path_factory.mktemp("empty")) as url:
        yield url


def test_all_is_well(good: str) -> None:
    """Before a Prometheus with all exporters nothing is wrong, it is told what it is, and the exit code is 0."""
    report = doctor(good)
    assert report.problems == (), written(report)
    (seen,) = report.upstreams
    assert (seen.kind, seen.version[:2], seen.url) == ("Prometheus", "2.", good)
    assert report.totals is not None
    assert (report.totals.clusters, report.totals.nodes) == (5, 30)
    done = ended("doctor", PROMETHEUS_ADDRESS=good)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Prometheus {seen.version} at {good}, answered in" in " ".join(done.stdout.split())
    assert done.stdout.endswith("\nall is well\n")


def test_no_such_host() -> None:
    """A name that nothing has is named."""
    finding = only(doctor("http://no-such-host.invalid:9090"))
    assert (finding.code, finding.source) == ("no-such-host", "no-such-host.invalid:9090")
    assert "no host is called no-such-host.invalid" in finding.what


def test_nobody_listens() -> None:
    """A closed port is told from a name that nothing has."""
    assert only(doctor("http://127.0.0.1:1")).code == "nobody-listens"


def test_a_wrong_path(empty: str) -> None:
    """Where queries are answered elsewhere on the host, that URL is given."""
    finding = only(doctor(f"{empty}/thanos/graph"))
    assert (finding.code, f"queries are answered at {empty}:" in finding.advice) == ("wrong-path", True)


def test_a_path_that_lacks(tmp_path: Path) -> None:
    """A Prometheus that stands below a usual prefix is found there."""
    flag = "--web.external-url=http://127.0.0.1:{port}/prometheus"
    with prometheus(tmp_path, flag, path="/prometheus/-/ready") as place:
        finding = only(doctor(f"http://{place}"))
        assert (finding.code, f"answered at http://{place}/prometheus:" in finding.advice) == ("wrong-path", True)


def test_a_web_page() -> None:
    """What answers with a page is no Prometheus, whatever its status."""
    with peer(sending(response(PAGE))) as server:
        finding = only(doctor(server.url))
    assert (finding.code, "no Prometheus answers at" in finding.what) == ("wrong-path", True)


def test_it_needs_a_token(tmp_path: Path) -> None:
    """A Prometheus that wants a password is let in with the right one only, and no password is shown."""
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users: {{ops: '{PASSWORD_HASH}'}}\n")
    with prometheus(tmp_path, f"--web.config.file={config}", path="/", status=401) as place:
        assert only(doctor(f"http://{place}")).code == "needs-credentials"
        done = ended("doctor", PROMETHEUS_ADDRESS=f"http://ops:wr0ng-sesame@{place}/")
        assert (done.returncode, "[needs-credentials]" in done.stdout) == (1, True)
        done = ended("doctor", "--json", PROMETHEUS_ADDRESS=f"http://ops:open-sesame@{place}/")
    report = json.loads(done.stdout)
    assert [problem["code"] for problem in report["problems"]] == ["empty"]
    assert report["upstreams"][0]["url"] == f"http://{place}"


def test_no_icos_labels() -> None:
    """node_exporter alone, without a label for the cluster, names no node's cluster."""
    lines = [
        f'node_uname_info{{instance="{host}:9100",nodename="{host}",machine="x86_64"}} 1\n'
        f'node_memory_MemTotal_bytes{{instance="{host}:9100"}} 8e9\n'
        for host in ("a", "b")
    ]
    with holding([Moment("".join(lines) + UP, time.time())]) as url:
        report = doctor(url)
    assert "no-cluster-labels" in codes(report)
    assert "of 2 hosts no label tells the cluster" in report.problems[0].what
    assert not {"plain-kubernetes-labels", "empty"} & codes(report)


@pytest.mark.parametrize(
    ("pattern", "exporter"),
    [
        ("kube_", "kube-state-metrics"),
        ("node_(?!mounted)", "node_exporter"),
        ("container_", "kubelet statistics (OpenTelemetry) or cAdvisor"),
    ],
)
def test_one_exporter_is_missing(pattern: str, exporter: str) -> None:
    """An exporter that every system needs is named where none of its metrics is there."""
    # A Docker host needs no kubelet.
    text = without(rf"{pattern}|.*\bcontainer_name=", fleet())
    with holding([Moment(text, time.time())]) as url:
        report = doctor(url)
    missing = [finding.what.partition(" shows nothing")[0] for finding in report.problems]
    assert exporter in missing, written(report)
    told = {"kube-state-metrics", "node_exporter", "kubelet statistics (OpenTelemetry) or cAdvisor"} & set(missing)
    assert told == {exporter}
    assert not any(exporter in note.advice for note in report.notes)


def test_what_need_not_be_there_is_a_note() -> None:
    """Without graphics processors nothing is wrong; what would show them is told."""
    with holding([Moment(without("DCGM_", fleet()), time.time())]) as url:
        report = doctor(url)
    assert report.ok, written(report)
    assert any("NVIDIA DCGM exporter" in note.advice and "Node.gpu_memory_bytes" in note.what for note in report.notes)


@pytest.mark.parametrize("seconds", [60, 3600])
def test_clocks_are_apart(good: str, seconds: float) -> None:
    """An upstream whose clock is behind is told by how much, and what follows from it is not taken for the cause."""
    with behind_by(good, seconds) as url:
        report = doctor(url)
    assert report.problems[0].code == "clocks-apart"
    assert re.search(rf"its clock is {seconds}(\.0)? s behind ours", report.problems[0].what)
    assert "empty" not in codes(report)


def test_data_with_old_timestamps() -> None:
    """Where the clocks agree and the newest sample is old, that is told."""
    with holding([Moment(fleet(), time.time() - 200)]) as url:
        report = doctor(url)
    assert "old-data" in codes(report)
    assert "clocks-apart" not in codes(report)


def test_duplicates_of_two_replicas() -> None:
    """Replicas that are not merged are told, with the label that tells them apart."""
    lines = [
        re.sub(r"^(\w+)\{", rf'\1{{prometheus_replica="{replica}",', line)
        for replica in "ab"
        for line in fleet().splitlines()
        if not line.startswith("#")
    ]
    with holding([Moment("\n".join(lines) + "\n", time.time())]) as url:
        report = doctor(url)
    duplicates = [finding for finding in report.problems if finding.code == "duplicates"]
    assert len(duplicates) == 2, written(report)
    assert all("of 30 hosts; they differ in prometheus_replica" in finding.what for finding in duplicates)


def test_an_empty_prometheus(empty: str) -> None:
    """A Prometheus without any sample is told as that, and no exporter is blamed."""
    report = doctor(empty)
    assert (only(report).code, report.notes) == ("empty", ())


def test_a_prometheus_of_other_things() -> None:
    """One that scrapes, but nothing that is asked for, is told from an empty one."""
    with holding([Moment(UP, time.time())]) as url:
        finding = only(doctor(url))
    assert (finding.code, "it scrapes 1 target," in finding.what) == ("nothing-known", True)


def test_a_partial_thanos(good: str) -> None:
    """What Thanos warns of is told once for all queries, with its own words."""
    with warning(good, "store 10.0.0.7:10901 is unavailable") as url:
        finding = only(doctor(url))
    assert finding.code == "partial-answers"
    assert finding.what.endswith("queries: store 10.0.0.7:10901 is unavailable")


def test_the_labels_of_plain_kubernetes() -> None:
    """kube-state-metrics, cAdvisor and node_exporter as Kubernetes labels them find no place, and why is told."""
    text = f"""{UP}node_uname_info{{instance="10.0.0.1:9100",nodename="worker",machine="x86_64"}} 1
kube_node_info{{node="worker",internal_ip="10.0.0.1"}} 1
kube_node_status_capacity{{node="worker",resource="cpu",unit="core"}} 4
kube_pod_info{{namespace="shop",pod="web-0",uid="p-1",node="worker",pod_ip="10.1.0.1"}} 1
kube_pod_container_info{{namespace="shop",pod="web-0",uid="p-1",container="web",image="nginx:1"}} 1
container_memory_working_set_bytes{{namespace="shop",pod="web-0",container="web",node="worker"}} 1000
"""
    with holding([Moment(text, time.time())]) as url:
        report = doctor(url)
    finding = report.problems[0]
    assert finding.code == "plain-kubernetes-labels", written(report)
    assert finding.what.startswith("kube-state-metrics and cAdvisor answer")
    assert not {"no-cluster-labels", "exporter-missing", "samples-without-place"} & codes(report)


def test_no_orchestrator() -> None:
    """Hosts of clusters that nothing announces are told from hosts without labels."""
    with holding([Moment(without("tlum_orch_info", fleet()), time.time())]) as url:
        report = doctor(url)
    assert "no-orchestrator" in codes(report), written(report)
    assert not {"no-cluster-labels", "plain-kubernetes-labels"} & codes(report)


def test_one_of_two_upstreams(good: str) -> None:
    """What is wrong with one upstream is told of that one; the refresh is taken of the other."""
    report = doctor(f"{good}#name=eu,http://127.0.0.1:1#name=us")
    assert [seen.is_reached for seen in report.upstreams] == [True, False]
    assert {(finding.code, finding.source) for finding in report.problems} == {
        ("nobody-listens", "us"),
        ("queries-failed", "us"),
    }
    assert report.totals is not None
    assert report.totals.nodes == 30


def test_a_recording(good: str, empty: str, tmp_path: Path) -> None:
    """A recording is judged by what it holds, with a note that it is no upstream."""
    for url, name, wrong in ((good, "fleet", []), (empty, "nothing", ["empty"])):
        done = ended("record", str(tmp_path / name), PROMETHEUS_ADDRESS=url)
        assert done.returncode == 0, done.stderr
        report = doctor(f"replay:{tmp_path / name}")
        assert [finding.code for finding in report.problems] == wrong, written(report)
        assert [note.code for note in report.notes][:1] == ["recording"]


def test_bad_settings() -> None:
    """All problems of the settings are told, as at the start, and the exit code is 2."""
    chosen = {"PROMETHEUS_ADDRESS": "prometheus", "REFRESH_INTERVAL": "soon"}
    done = ended("doctor", **chosen)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ended(**chosen).stderr
    told = json.loads(ended("doctor", "--json", **chosen).stdout)
    assert (told["ok"], [problem["what"] for problem in told["problems"]]) == (False, done.stderr.splitlines())
