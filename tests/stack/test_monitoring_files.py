"""The configuration of Prometheus in deploy/monitoring, and its targets in `make stack`."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.prometheus import obtain_prometheus
from demo.stack.monitoring import (
    MONITORING_FOLDER,
    TargetError,
    build_smtp_settings,
    has_smtp_server,
    render_targets,
    write_monitoring_files,
)
from demo.stack.ports import StackPorts, build_target_addresses

CONFIG: dict[str, Any] = yaml.safe_load((MONITORING_FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
JOBS = {job["job_name"]: job for job in CONFIG["scrape_configs"]}
PORTS = StackPorts(**{name: 20000 + number for number, name in enumerate(StackPorts.__dataclass_fields__)})
ADDRESSES = build_target_addresses(PORTS, "127.0.0.1:5000")


def read_targets(job: str) -> list[dict[str, Any]]:
    """Return the groups of targets of a job."""
    ((entry,), *rest) = (entry["files"] for entry in JOBS[job]["file_sd_configs"])
    assert rest == []
    groups: list[dict[str, Any]] = yaml.safe_load((MONITORING_FOLDER / entry).read_text(encoding="utf-8"))
    return groups


def test_each_job_has_targets_of_its_own() -> None:
    """Each job reads the file with its name, and no file is unused."""
    names = {name: [f"targets/{name}.yaml"] for name in JOBS}
    assert {name: job["file_sd_configs"][0]["files"] for name, job in JOBS.items()} == names
    assert {path.stem for path in (MONITORING_FOLDER / "targets").iterdir()} == set(JOBS)
    assert all(read_targets(name) for name in JOBS)


def test_the_jobs_of_the_older_stack_remain() -> None:
    """Jobs and probed URLs have the names that older dashboards and rules use."""
    assert set(JOBS) >= {"node-exporter", "rest-api", "apache-exporter", "postgres-exporter", "blackbox-exporter"}
    probed = [group["labels"]["instance"] for group in read_targets("blackbox-exporter")]
    assert probed == ["http://apache:80", "http://rest-api:5001", "http://apache:80/delay"]
    assert all(group["labels"]["__param_target"] in probed for group in read_targets("blackbox-exporter"))


def test_labels_of_merged_pages_stay() -> None:
    """Prometheus keeps the labels of the pages that the scrape server merges."""
    assert {name for name, job in JOBS.items() if job.get("honor_labels")} == {"aggregator-scrape", "aggregator-agents"}


def test_targets_keep_their_instances() -> None:
    """`make stack` replaces addresses, and the instances stay those of the compose file."""
    groups = [
        {"targets": ["node-exporter:9100"], "labels": {"site": "a"}},
        {
            "targets": ["blackbox-exporter:9115"],
            "labels": {"__param_target": "http://apache:80/delay", "instance": "http://apache:80/delay"},
        },
    ]
    assert render_targets(groups, ADDRESSES) == [
        {
            "targets": [f"127.0.0.1:{PORTS.node_exporter}"],
            "labels": {"instance": "node-exporter:9100", "site": "a"},
        },
        {
            "targets": [f"127.0.0.1:{PORTS.blackbox_exporter}"],
            "labels": {
                "__param_target": f"http://127.0.0.1:{PORTS.apache}/delay",
                "instance": "http://apache:80/delay",
            },
        },
    ]


def test_an_unknown_target_is_an_error() -> None:
    """A target that is no part of the stack is named."""
    with pytest.raises(TargetError, match="no part of the stack has the address pushgateway:9091"):
        render_targets([{"targets": ["pushgateway:9091"]}], ADDRESSES)


@pytest.mark.parametrize("rendered", [False, True])
def test_prometheus_accepts_the_configuration(tmp_path: Path, *, rendered: bool) -> None:
    """The files of Prometheus are valid, with their rules: those of the repository, and those of `make stack`."""
    config = write_monitoring_files(tmp_path, ADDRESSES) if rendered else MONITORING_FOLDER / "prometheus.yaml"
    completed = subprocess.run(
        [str(obtain_prometheus().promtool), "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert "rules found" in completed.stdout


def test_the_smtp_settings_of_the_caller_are_used() -> None:
    """With GR_SMTP_HOST, Alertmanager gets the settings of the caller and nothing else of its environment."""
    environ = {"GR_SMTP_HOST": "mail.example:587", "GF_SMTP_PASSWORD": "p", "PATH": "/bin", "KEY": "k"}
    assert has_smtp_server(environ)
    assert build_smtp_settings(environ, None) == {
        "GR_SMTP_HOST": "mail.example:587",
        "GF_SMTP_PASSWORD": "p",
        "PATH": "/bin",
    }


def test_mails_go_to_the_sink_without_settings() -> None:
    """Without GR_SMTP_HOST, mails go to the sink, without TLS, and to contacts that exist nowhere."""
    assert not has_smtp_server({"GR_SMTP_HOST": ""})
    settings = build_smtp_settings({"OPERATIONS_CONTACTS": "me@site.example"}, "127.0.0.1:25")
    assert settings["GR_SMTP_HOST"] == "127.0.0.1:25"
    assert settings["SMTP_REQUIRE_TLS"] == "false"
    assert settings["OPERATIONS_CONTACTS"] == "me@site.example"
    assert settings["MONITOR_NET_CONTACTS"].endswith(".example")
