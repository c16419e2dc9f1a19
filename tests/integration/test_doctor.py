"""The doctor names the cause of common problems of real upstreams."""

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aggregator.cli.doctor.command import build_doctor_report
from aggregator.cli.doctor.report import DoctorReport, Finding, render_report_lines
from aggregator.models.quality import FamilyTotals
from aggregator.observability.redaction import PATTERN_REDACTOR
from aggregator.querier.prometheus.client import PrometheusClient, QueryLimits, UpstreamAddress
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.settings import settings
from aggregator.settings.gateway import Settings
from demo.exporter import run_exporter
from demo.fleet import ABSENCE_PERIOD_SECONDS, SimulatedFleet, render_exposition
from demo.fleets import FleetName, create_fleet
from demo.prometheus import (
    ScrapedExposition,
    build_scrape_config,
    find_free_port,
    run_prometheus,
    run_prometheus_with_data,
)
from tests.integration.gateway_process import run_to_completion, wait_until
from tests.integration.prometheus_setups import run_configured_prometheus, run_with_clock_behind, run_with_warning
from tests.support.scenarios import read_scraped
from tests.support.scripted_server import build_http_response, build_sending_script, run_scripted_server

UP_SERIES = 'up{job="fleet",instance="a"} 1\n'
# The bcrypt hash of open-sesame.
PASSWORD_HASH = "$2b$04$AZwmsS/4VeUo6tTbBTI6K.lQKIy7yRqYR.r2ly7kcMcbfIG./FNFG"
HTML_PAGE = b"<html>a web page</html>"


def build_full_exposition() -> str:
    """Return the exposition of the demo fleet while all hosts are present."""
    now = time.time()
    present = now - now % ABSENCE_PERIOD_SECONDS
    return render_exposition(SimulatedFleet.generate(since_seconds=present), present) + UP_SERIES


def remove_series(pattern: str, text: str) -> str:
    """Return an exposition without the series that match at the start of the line."""
    return "\n".join(line for line in text.splitlines() if not re.match(pattern, line)) + "\n"


def run_doctor(url: str, **variables: str) -> DoctorReport:
    """Return the report about an upstream, and check that it can be rendered."""
    report = build_doctor_report(
        settings.load_settings({"PROMETHEUS_ADDRESS": url} | variables, Settings), PATTERN_REDACTOR
    )
    assert report.ok is (report.problems == ())
    assert list(render_report_lines(report))[-1].endswith("found")
    return report


def count_series(url: str, promql: str) -> int:
    """Return the number of series that a query returns."""
    client = PrometheusClient(UpstreamAddress(url), QueryLimits(5.0, 2**20, 1))
    with contextlib.closing(client):
        return len(create_decoder(())(client.query(promql, time.time()).decompress()).samples)


def list_problem_codes(report: DoctorReport) -> set[str]:
    """Return the codes of the problems in a report."""
    return {finding.code for finding in report.problems}


def get_only_problem(report: DoctorReport) -> Finding:
    """Return the only problem in a report."""
    assert len(report.problems) == 1, report
    return report.problems[0]


@pytest.fixture(scope="module")
def complete_url() -> Iterator[str]:
    """A Prometheus with all metrics of a fleet."""
    with run_prometheus_with_data([ScrapedExposition(build_full_exposition(), time.time())]) as url:
        yield url


@pytest.fixture(scope="module")
def empty_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus without samples."""
    with run_prometheus(tmp_path_factory.mktemp("empty")) as url:
        yield url


def test_a_complete_upstream_has_no_problems(complete_url: str) -> None:
    """For a Prometheus with all exporters, the doctor reports its version and no problems, and exits with 0."""
    report = run_doctor(complete_url)
    assert report.problems == (), report
    (upstream,) = report.upstreams
    assert (upstream.kind, upstream.version[:2], upstream.url) == ("Prometheus", "2.", complete_url)
    assert report.totals is not None
    assert (report.totals.clusters, report.totals.nodes) == (5, 30)
    completed = run_to_completion("doctor", PROMETHEUS_ADDRESS=complete_url)
    assert (completed.returncode, completed.stderr) == (0, "")
    assert f"Prometheus {upstream.version} at {complete_url}, response time" in " ".join(completed.stdout.split())
    assert completed.stdout.endswith("\nno problems found\n")


def test_an_unknown_host() -> None:
    """A host name that cannot be resolved is reported with the name."""
    finding = get_only_problem(run_doctor("http://no-such-host.invalid:9090"))
    assert (finding.code, finding.source) == ("no-such-host", "no-such-host.invalid:9090")
    assert "cannot resolve the host name no-such-host.invalid" in finding.message


def test_a_closed_port() -> None:
    """A refused connection is reported as a closed port."""
    assert get_only_problem(run_doctor("http://127.0.0.1:1")).code == "nobody-listens"


def test_a_wrong_path(empty_url: str) -> None:
    """If queries work at another path of the host, the doctor reports that URL."""
    finding = get_only_problem(run_doctor(f"{empty_url}/thanos/graph"))
    assert (finding.code, f"set PROMETHEUS_ADDRESS to {empty_url}," in finding.advice) == ("wrong-path", True)


def test_a_missing_path_prefix(tmp_path: Path) -> None:
    """The doctor finds a Prometheus below a common path prefix."""
    flag = "--web.external-url=http://127.0.0.1:{port}/prometheus"
    with run_configured_prometheus(tmp_path, flag, path="/prometheus/-/ready") as address:
        finding = get_only_problem(run_doctor(f"http://{address}"))
    assert finding.code == "wrong-path"
    assert f"set PROMETHEUS_ADDRESS to http://{address}/prometheus," in finding.advice


def test_a_web_page() -> None:
    """A server that returns HTML is reported as not being a Prometheus."""
    with run_scripted_server(build_sending_script(build_http_response(HTML_PAGE))) as server:
        finding = get_only_problem(run_doctor(server.url))
    assert (finding.code, "no Prometheus at" in finding.message) == ("wrong-path", True)


def test_missing_and_wrong_credentials(tmp_path: Path) -> None:
    """Missing and wrong passwords are reported, the right one works, and no password is printed."""
    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users: {{ops: '{PASSWORD_HASH}'}}\n")
    with run_configured_prometheus(tmp_path, f"--web.config.file={config}", path="/", status=401) as address:
        assert get_only_problem(run_doctor(f"http://{address}")).code == "needs-credentials"
        completed = run_to_completion("doctor", PROMETHEUS_ADDRESS=f"http://ops:wr0ng-sesame@{address}/")
        assert (completed.returncode, "[needs-credentials]" in completed.stdout) == (1, True)
        completed = run_to_completion("doctor", "--json", PROMETHEUS_ADDRESS=f"http://ops:open-sesame@{address}/")
    report = json.loads(completed.stdout)
    assert [problem["code"] for problem in report["problems"]] == ["empty"]
    assert report["upstreams"][0]["url"] == f"http://{address}"


def test_hosts_without_any_label_of_their_own() -> None:
    """Hosts that only their scrape targets tell apart are shown in the default cluster, and nothing is wrong."""
    lines = [
        f'node_uname_info{{instance="{host}:9100",nodename="{host}",machine="x86_64"}} 1\n'
        f'node_memory_MemTotal_bytes{{instance="{host}:9100"}} 8e9\n'
        for host in ("a", "b")
    ]
    with run_prometheus_with_data([ScrapedExposition("".join(lines) + UP_SERIES, time.time())]) as url:
        report = run_doctor(url)
    assert report.problems == (), report
    assert report.families == (FamilyTotals("etim", 1, 2),)


@pytest.mark.parametrize(
    ("pattern", "exporter"),
    [
        ("kube_", "kube-state-metrics"),
        ("node_(?!mounted)", "node_exporter"),
        ("container_", "kubelet statistics (OpenTelemetry) or cAdvisor"),
    ],
)
def test_a_missing_exporter(pattern: str, exporter: str) -> None:
    """A required exporter without any metrics is reported."""
    # Docker hosts need no kubelet, therefore their containers are removed, too.
    text = remove_series(rf"{pattern}|.*\bcontainer_name=", build_full_exposition())
    with run_prometheus_with_data([ScrapedExposition(text, time.time())]) as url:
        report = run_doctor(url)
    missing = [finding.message.removeprefix("no samples of ").partition(":")[0] for finding in report.problems]
    assert exporter in missing, report
    reported = {"kube-state-metrics", "node_exporter", "kubelet statistics (OpenTelemetry) or cAdvisor"} & set(missing)
    assert reported == {exporter}
    assert not any(line.startswith(exporter) for note in report.notes for line in note.details)


def test_a_missing_optional_exporter_is_a_note() -> None:
    """A missing optional exporter is no problem, but a line of a note, with the fields that it would fill."""
    with run_prometheus_with_data(
        [ScrapedExposition(remove_series("DCGM_", build_full_exposition()), time.time())]
    ) as url:
        report = run_doctor(url)
    assert report.ok, report
    (note,) = (note for note in report.notes if note.code == "not-there")
    exporters = "NVIDIA DCGM exporter or AMD device metrics exporter or Intel XPU Manager: "
    assert any(line.startswith(exporters) and "Node.gpu_memory_bytes" in line for line in note.details)


HOST_SERIES = """node_uname_info{cluster="rome",node="a",nodename="a",machine="x86_64"} 1
node_memory_MemTotal_bytes{cluster="rome",node="a"} 8e9
node_cpu_seconds_total{cluster="rome",node="a",cpu="0",mode="idle"} 4000
"""


def test_a_system_without_kubernetes_is_healthy() -> None:
    """Without any sign of Kubernetes, its exporters are a note, and the exit code is 0."""
    with run_prometheus_with_data([ScrapedExposition(HOST_SERIES + UP_SERIES, time.time())]) as url:
        report = run_doctor(url)
        completed = run_to_completion("doctor", PROMETHEUS_ADDRESS=url)
    assert report.problems == ()
    notes = {note.code: note for note in report.notes}
    assert notes["exporter-missing"].message.startswith("no samples of kube-state-metrics, the kubelet or cAdvisor: ")
    assert not any("kube" in line for line in notes["not-there"].details)
    assert completed.returncode == 0


def test_containers_of_a_docker_host_are_not_kubernetes() -> None:
    """Containers that cAdvisor shows on a host do not make the exporters of Kubernetes a problem or a note."""
    containers = (
        'container_memory_working_set_bytes{cluster="rome",node="a",id="/docker/1",name="web",image="web:1"} 9\n'
    )
    with run_prometheus_with_data([ScrapedExposition(HOST_SERIES + containers + UP_SERIES, time.time())]) as url:
        report = run_doctor(url)
    assert report.totals is not None
    assert report.totals.containers == 1
    assert report.problems == ()
    assert "exporter-missing" not in {note.code for note in report.notes}


def test_counters_that_are_too_young_for_rates() -> None:
    """A rate without a value is too young if its counter is there; five minutes later it has a value."""
    now = time.time()
    with run_prometheus_with_data([ScrapedExposition(HOST_SERIES + UP_SERIES, now)]) as url:
        young = {note.code: note for note in run_doctor(url).notes}
    assert young["too-young"].message.startswith("no value yet for Node.cpu_usage_percent: rates need 5 minutes")
    assert "node_cpu_seconds_total" in young["too-young"].message
    assert not any("cpu_usage_percent" in line for line in young["not-there"].details)
    scrapes = [ScrapedExposition(HOST_SERIES + UP_SERIES, now - seconds) for seconds in (330, 220, 110, 0)]
    with run_prometheus_with_data(scrapes) as url:
        assert "too-young" not in {note.code for note in run_doctor(url).notes}


@pytest.mark.parametrize("seconds", [60, 3600])
def test_clock_skew(complete_url: str, seconds: float) -> None:
    """Clock skew is reported in seconds as the first problem, without the problems that it causes."""
    with run_with_clock_behind(complete_url, seconds) as url:
        report = run_doctor(url)
    assert report.problems[0].code == "clocks-apart"
    assert re.search(rf"its clock is {seconds}(\.0)? s behind the local clock", report.problems[0].message)
    assert "empty" not in list_problem_codes(report)


def test_data_with_old_timestamps() -> None:
    """Old samples are reported if the clocks agree."""
    with run_prometheus_with_data([ScrapedExposition(build_full_exposition(), time.time() - 200)]) as url:
        report = run_doctor(url)
    assert "old-data" in list_problem_codes(report)
    assert "clocks-apart" not in list_problem_codes(report)


def test_duplicates_of_two_replicas() -> None:
    """Duplicate series of replicas are reported with the label that differs."""
    lines = [
        re.sub(r"^(\w+)\{", rf'\1{{prometheus_replica="{replica}",', line)
        for replica in "ab"
        for line in build_full_exposition().splitlines()
        if not line.startswith("#")
    ]
    with run_prometheus_with_data([ScrapedExposition("\n".join(lines) + "\n", time.time())]) as url:
        report = run_doctor(url)
    duplicates = [finding for finding in report.problems if finding.code == "duplicates"]
    assert len(duplicates) == 2, report
    assert all("of 30 hosts; the series differ in prometheus_replica" in finding.message for finding in duplicates)


def test_an_empty_prometheus(empty_url: str) -> None:
    """A Prometheus without samples is reported as empty, without notes about missing exporters."""
    report = run_doctor(empty_url)
    assert (get_only_problem(report).code, report.notes) == ("empty", ())


def test_a_prometheus_with_other_metrics() -> None:
    """A Prometheus with targets but without known metrics is not reported as empty."""
    with run_prometheus_with_data([ScrapedExposition(UP_SERIES, time.time())]) as url:
        finding = get_only_problem(run_doctor(url))
    assert (finding.code, "it scrapes 1 target," in finding.message) == ("nothing-known", True)


def test_a_killed_exporter(tmp_path: Path) -> None:
    """A target that is down is the only problem, with its job and the error of its last scrape; the exit code is 1."""
    port = find_free_port()
    own_target = f"127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        exporter = stack.enter_context(contextlib.ExitStack())
        target = exporter.enter_context(run_exporter(create_fleet(FleetName.ICOS, time.time()).targets))
        url = stack.enter_context(run_prometheus(tmp_path, build_scrape_config([target, own_target]), port=port))
        wait_until(lambda: count_series(url, "up == 1") == 2, "both targets are up")
        exporter.close()
        wait_until(lambda: count_series(url, "up == 0") == 1, "a target is down")
        finding = get_only_problem(run_doctor(url))
        completed = run_to_completion("doctor", PROMETHEUS_ADDRESS=url)
    assert (finding.code, finding.source) == ("targets-down", urlsplit(url).netloc)
    assert finding.message == f"1 of 2 targets is down (up = 0): {target}, job fleet"
    (error,) = finding.details
    assert error.startswith(f"{target}: ")
    assert "connection refused" in error
    assert completed.returncode == 1
    assert "connection refused" in " ".join(completed.stdout.split())


def test_many_targets_that_are_down() -> None:
    """Five of many targets that are down are named; other series of the fleet are examined as always."""
    down = "".join(f'up{{job="edge",instance="host-{number}:9100"}} 0\n' for number in range(7))
    with run_prometheus_with_data([ScrapedExposition(build_full_exposition() + down, time.time())]) as url:
        finding = get_only_problem(run_doctor(url))
    assert finding.message.startswith("7 of 8 targets are down (up = 0): host-")
    assert finding.message.endswith("; and 2 more")
    assert finding.message.count(", job edge") == 5
    assert finding.details == ()


def build_registrations(*nodes: str, is_up: bool, report_seconds: float) -> str:
    """Return the series of a scrape server about registered nodes."""
    return "".join(
        f'aggregator_node_up{{cluster="edge",node="{node}"}} {int(is_up)}\n'
        f'aggregator_node_last_report_timestamp_seconds{{cluster="edge",node="{node}"}} {report_seconds}\n'
        for node in nodes
    )


def test_nodes_that_do_not_report() -> None:
    """Registered nodes whose agents are silent are named with the time of their last report."""
    now = time.time()
    silent = build_registrations("edge1", "edge2", is_up=False, report_seconds=now - 7300)
    with run_prometheus_with_data([ScrapedExposition(HOST_SERIES + UP_SERIES + silent, now)]) as url:
        finding = get_only_problem(run_doctor(url))
    assert finding.code == "silent-nodes"
    assert finding.message == (
        "2 registered nodes do not report: edge/edge1 (last report 2 h ago), edge/edge2 (last report 2 h ago)"
    )


def test_a_node_that_nobody_scrapes() -> None:
    """A registered node without metrics is named until Prometheus scrapes its agent."""
    now = time.time()
    registered = HOST_SERIES + UP_SERIES + build_registrations("edge1", is_up=True, report_seconds=now)
    with run_prometheus_with_data([ScrapedExposition(registered, now)]) as url:
        finding = get_only_problem(run_doctor(url))
    assert (finding.code, finding.message.endswith("nobody scrapes the metrics: edge/edge1")) == (
        "nodes-not-scraped",
        True,
    )
    agent = read_scraped("agent", job="agents", instance="edge1:5050", cluster="edge", node="edge1")
    scraped = registered + re.sub(r" /15s\*.*", " 1", agent)
    with run_prometheus_with_data([ScrapedExposition(scraped, now)]) as url:
        assert run_doctor(url).problems == ()


def test_an_engine_that_does_not_run() -> None:
    """An agent without a container engine is a problem of its own, and so is one that cannot be scraped."""
    series = (
        'docker_engine_up{cluster="edge",node="edge1",job="agents",instance="10.0.0.1:5050"} 0\n'
        'up{job="agents",instance="10.0.0.2:5050"} 0\n'
        'aggregator_scrape_target_error{job="agents",instance="10.0.0.2:5050",reason="deadline"} 1\n'
    )
    with run_prometheus_with_data([ScrapedExposition(HOST_SERIES + UP_SERIES + series, time.time())]) as url:
        problems = {finding.code: finding for finding in run_doctor(url).problems}
    assert list(problems) == ["targets-down", "engine-down"]
    assert problems["targets-down"].details == ("10.0.0.2:5050: deadline",)
    assert problems["engine-down"].message.endswith("so its containers are missing: edge/edge1")


def test_partial_responses_of_thanos(complete_url: str) -> None:
    """A warning of Thanos is reported once for all queries, with its text."""
    with run_with_warning(complete_url, "store 10.0.0.7:10901 is unavailable") as url:
        finding = get_only_problem(run_doctor(url))
    assert finding.code == "partial-answers"
    assert finding.message.endswith("queries: store 10.0.0.7:10901 is unavailable")


PLAIN_KUBERNETES = """node_uname_info{instance="10.0.0.1:9100",nodename="worker",machine="x86_64"} 1
node_memory_MemFree_bytes{instance="10.0.0.1:9100"} 5000
kube_node_info{node="worker",internal_ip="10.0.0.1"} 1
kube_node_status_capacity{node="worker",resource="cpu",unit="core"} 4
kube_pod_info{namespace="shop",pod="web-0",uid="p-1",node="worker",pod_ip="10.1.0.1"} 1
kube_pod_status_phase{namespace="shop",pod="web-0",uid="p-1",phase="Running"} 1
kube_pod_container_info{namespace="shop",pod="web-0",uid="p-1",container="web",image="nginx:1"} 1
container_memory_working_set_bytes{namespace="shop",pod="web-0",container="web"} 1000
"""


def add_label(text: str, label: str, metrics: str = "") -> str:
    """Return an exposition with one more label on the series whose metric names match."""
    return re.sub(rf"(?m)^({metrics}\w+){{", rf"\1{{{label},", text)


def assert_all_is_placed(report: DoctorReport, clusters: int) -> None:
    """Fail unless each cluster has a node and a pod, and all samples are placed."""
    assert report.problems == (), "\n".join(render_report_lines(report))
    assert report.totals is not None
    assert (report.totals.clusters, report.totals.nodes, report.totals.pods) == (clusters,) * 3
    assert report.totals.unplaced_samples == 0


def test_the_advice_about_unknown_hosts_works() -> None:
    """A scrape target whose host is unknown is named, and the label that the doctor recommends places it."""
    stranger = 'node_memory_MemTotal_bytes{job="edge",instance="192.0.2.9:9100"} 5000\n'
    with run_prometheus_with_data([ScrapedExposition(UP_SERIES + PLAIN_KUBERNETES + stranger, time.time())]) as url:
        (finding,) = run_doctor(url).problems
    assert (finding.code, "192.0.2.9:9100 (job edge)" in finding.message) == ("unknown-host", True)
    (label,) = set(re.findall(r"the label `(\w+)`", finding.advice))
    text = UP_SERIES + PLAIN_KUBERNETES + add_label(stranger, f'{label}="edge-1"')
    with run_prometheus_with_data([ScrapedExposition(text, time.time())]) as url:
        report = run_doctor(url)
    assert report.problems == (), report
    assert report.totals is not None
    assert (report.totals.nodes, report.totals.unplaced_samples) == (2, 0)


def test_the_cluster_option_applies_to_all_series() -> None:
    """`#cluster=` sets the cluster of hosts, pods, containers and their values, as docs/upstreams.md says."""
    text = UP_SERIES + add_label(PLAIN_KUBERNETES, 'node="worker"', "node_")
    with run_prometheus_with_data([ScrapedExposition(text, time.time())]) as url:
        assert_all_is_placed(run_doctor(f"{url}#name=eu&cluster=rome,{url}#name=us&cluster=oslo"), clusters=2)


def test_plain_kubernetes_labels() -> None:
    """Metrics with plain Kubernetes labels are placed, and the doctor names their family."""
    with run_prometheus_with_data([ScrapedExposition(UP_SERIES + PLAIN_KUBERNETES, time.time())]) as url:
        report = run_doctor(url)
    assert_all_is_placed(report, clusters=1)
    assert report.families == (FamilyTotals("kubernetes", 1, 1),)
    assert "; telemetry: kubernetes (1 cluster, 1 node)" in " ".join(" ".join(render_report_lines(report)).split())


def test_no_orchestrator() -> None:
    """Clusters without an orchestrator are not reported as missing labels."""
    with run_prometheus_with_data(
        [ScrapedExposition(remove_series("tlum_orch_info", build_full_exposition()), time.time())]
    ) as url:
        report = run_doctor(url)
    assert "no-orchestrator" in list_problem_codes(report), report
    assert "unknown-host" not in list_problem_codes(report)


def test_one_unreachable_upstream_of_two(complete_url: str) -> None:
    """Problems are reported for the upstream that has them; the topology comes from the other one."""
    report = run_doctor(f"{complete_url}#name=eu,http://127.0.0.1:1#name=us")
    assert [upstream.is_reachable for upstream in report.upstreams] == [True, False]
    assert [(finding.code, finding.source) for finding in report.problems] == [("nobody-listens", "us")]
    assert report.totals is not None
    assert report.totals.nodes == 30


def test_a_recording(complete_url: str, empty_url: str, tmp_path: Path) -> None:
    """The doctor checks the samples in a recording and notes that it is not an upstream."""
    for url, name, problem_codes in ((complete_url, "fleet", []), (empty_url, "nothing", ["empty"])):
        completed = run_to_completion("record", str(tmp_path / name), PROMETHEUS_ADDRESS=url)
        assert completed.returncode == 0, completed.stderr
        report = run_doctor(f"replay:{tmp_path / name}")
        assert [finding.code for finding in report.problems] == problem_codes, report
        assert [note.code for note in report.notes][:1] == ["recording"]


def test_invalid_settings() -> None:
    """The doctor reports all invalid settings as the start does, and exits with 2."""
    variables = {"PROMETHEUS_ADDRESS": "prometheus", "REFRESH_INTERVAL": "soon"}
    completed = run_to_completion("doctor", **variables)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == run_to_completion(**variables).stderr
    reported = json.loads(run_to_completion("doctor", "--json", **variables).stdout)
    assert (reported["ok"], [problem["what"] for problem in reported["problems"]]) == (
        False,
        completed.stderr.splitlines(),
    )
