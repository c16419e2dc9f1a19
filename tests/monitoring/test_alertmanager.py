"""A real Alertmanager with the shipped configuration, and the mails that it sends."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import requests
import yaml

from demo.alertmanager import (
    CONFIG_TEMPLATE,
    START_SCRIPT,
    AlertmanagerMissingError,
    obtain_alertmanager,
    run_alertmanager,
)
from tests.monitoring.mailbox import Mailbox, run_mailbox
from tests.monitoring.rules import RULE_FILES, find_grouping_labels, load_rules

DOCS_DIR = Path(__file__).parents[2] / "docs"
OPERATIONS = "operations@example.org"
NETWORK = "network@example.org"
BOTH = [NETWORK, OPERATIONS]
# --data.retention of Alertmanager.
DEFAULT_RETENTION = timedelta(hours=120)
MAIL_SETTINGS = {
    "GF_SMTP_FROM_ADDRESS": "alerts@example.org",
    "GF_SMTP_FROM_NAME": "Alerts, of the stack",
    "SMTP_REQUIRE_TLS": "false",
    "OPERATIONS_CONTACTS": OPERATIONS,
    "MONITOR_NET_CONTACTS": NETWORK,
}
# The shipped times, and those of the tests. In the first one, Alertmanager learns which alerts silence which.
SHORTER_TIMES = {"group_wait: 10s": "group_wait: 300ms", "group_interval: 1m": "group_interval: 300ms"}


@dataclass(frozen=True)
class AlertingStack:
    """A running Alertmanager and the mailbox that it sends to."""

    url: str
    mailbox: Mailbox

    def send(self, *alerts: dict[str, str], resolved: bool = False) -> None:
        """Send alerts with these labels as Prometheus does: firing for the next minutes, or resolved now."""
        now = datetime.now(UTC)
        end = now if resolved else now + timedelta(minutes=4)
        body = [
            {
                "labels": {"cluster": "site-a", **labels},
                "annotations": {"summary": f"{labels['alertname']} on a host", "description": "Look at it."},
                "startsAt": now.isoformat(),
                "endsAt": end.isoformat(),
                "generatorURL": "http://prometheus.example:9090/graph",
            }
            for labels in alerts
        ]
        requests.post(f"{self.url}/api/v2/alerts", json=body, timeout=10).raise_for_status()

    def wait_for_flush(self, name: str) -> None:
        """Wait until an alert was mailed as firing and as resolved; groups that existed before were flushed, too."""
        marker = {"alertname": name, "severity": "warning"}
        self.send(marker)
        self.mailbox.wait_for_subject(f"[WARNING] {name}")
        self.send(marker, resolved=True)
        self.mailbox.wait_for_subject(f"[RESOLVED] {name}")

    def list_states(self, name: str) -> dict[str, str]:
        """Return the state of each instance of an alert by severity."""
        alerts = requests.get(f"{self.url}/api/v2/alerts", timeout=10).json()
        return {
            alert["labels"]["severity"]: alert["status"]["state"]
            for alert in alerts
            if alert["labels"]["alertname"] == name
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertingStack]:
    """The shipped configuration with shorter times."""
    folder = tmp_path_factory.mktemp("alertmanager")
    text = CONFIG_TEMPLATE.read_text(encoding="utf-8")
    for shipped, shorter in SHORTER_TIMES.items():
        assert text.count(shipped) == 1
        text = text.replace(shipped, shorter)
    template = folder / "template.yaml"
    template.write_text(text, encoding="utf-8")
    with (
        run_mailbox() as mailbox,
        run_alertmanager(
            folder, template, {**MAIL_SETTINGS, "GR_SMTP_HOST": f"127.0.0.1:{mailbox.port}"}
        ) as alertmanager,
    ):
        yield AlertingStack(alertmanager.url, mailbox)


def test_a_warning_is_mailed_once_and_its_end_once(stack: AlertingStack) -> None:
    """Operations get one mail when a warning fires and one when it is over, although Prometheus repeats it."""
    alert = {"alertname": "SlowDisk", "severity": "warning", "instance": "h1"}
    stack.send(alert)
    stack.mailbox.wait_for_subject("SlowDisk")
    for turn in range(2):
        stack.send(alert)
        stack.wait_for_flush(f"Marker{turn}")
    assert stack.mailbox.list_mails("SlowDisk") == [(OPERATIONS, "[WARNING] SlowDisk: SlowDisk on a host")]
    stack.send(alert, resolved=True)
    stack.mailbox.wait_for_subject("[RESOLVED] SlowDisk")
    stack.wait_for_flush("Marker2")
    assert stack.mailbox.list_mails("SlowDisk") == [
        (OPERATIONS, "[RESOLVED] SlowDisk: SlowDisk on a host"),
        (OPERATIONS, "[WARNING] SlowDisk: SlowDisk on a host"),
    ]


def test_an_emergency_is_mailed_to_both_and_replaces_the_warning(stack: AlertingStack) -> None:
    """An emergency reaches both contact points; the warning about the same thing is silent, that of another is not."""
    host = {"alertname": "DiskFull", "instance": "h1"}
    emergency, warning = {**host, "severity": "emergency"}, {**host, "severity": "warning"}
    other = {"alertname": "DiskFull", "severity": "warning", "instance": "h2"}
    stack.send(warning)
    stack.mailbox.wait_for_subject("[WARNING] DiskFull")
    stack.send(emergency)
    stack.mailbox.wait_for_subject("[EMERGENCY] DiskFull", count=2)
    stack.send(warning, emergency)
    stack.wait_for_flush("Marker3")
    assert stack.list_states("DiskFull") == {"emergency": "active", "warning": "suppressed"}
    assert stack.mailbox.list_mails("DiskFull") == [
        (NETWORK, "[EMERGENCY] DiskFull: DiskFull on a host"),
        (OPERATIONS, "[EMERGENCY] DiskFull: DiskFull on a host"),
        (OPERATIONS, "[WARNING] DiskFull: DiskFull on a host"),
    ]
    stack.send(other)
    stack.mailbox.wait_for_subject("[WARNING] DiskFull", count=2)
    stack.send(emergency, warning, other, resolved=True)
    stack.mailbox.wait_for_subject("[RESOLVED] DiskFull", count=3)
    stack.wait_for_flush("Marker4")
    resolved = [recipients for recipients, subject in stack.mailbox.list_mails("DiskFull") if "[RESOLVED]" in subject]
    assert resolved == [NETWORK, OPERATIONS, OPERATIONS]


def test_a_warning_that_comes_with_an_emergency_is_not_mailed(stack: AlertingStack) -> None:
    """If both start at once, only the emergency is mailed."""
    host = {"alertname": "HostGone", "instance": "h1"}
    stack.send({**host, "severity": "emergency"}, {**host, "severity": "warning"})
    stack.mailbox.wait_for_subject("HostGone", count=2)
    stack.wait_for_flush("Marker5")
    assert stack.mailbox.list_mails("HostGone") == [
        (NETWORK, "[EMERGENCY] HostGone: HostGone on a host"),
        (OPERATIONS, "[EMERGENCY] HostGone: HostGone on a host"),
    ]
    stack.send({**host, "severity": "emergency"}, {**host, "severity": "warning"}, resolved=True)
    stack.mailbox.wait_for_subject("[RESOLVED] HostGone", count=2)
    stack.wait_for_flush("Marker6")
    assert [each for each, subject in stack.mailbox.list_mails("HostGone") if "RESOLVED" in subject] == BOTH


def test_a_warning_that_outlives_its_emergency_is_mailed(stack: AlertingStack) -> None:
    """When it only gets better, operations learn that the emergency is over and that the warning goes on."""
    host = {"alertname": "ErrorsRise", "instance": "h1"}
    emergency, warning = {**host, "severity": "emergency"}, {**host, "severity": "warning"}
    stack.send(emergency, warning)
    stack.mailbox.wait_for_subject("[EMERGENCY] ErrorsRise", count=2)
    stack.send(emergency, resolved=True)
    stack.send(warning)
    stack.mailbox.wait_for_subject("[WARNING] ErrorsRise")
    stack.send(warning, resolved=True)
    stack.mailbox.wait_for_subject("[RESOLVED] ErrorsRise", count=3)
    stack.wait_for_flush("Marker7")
    assert [each for each, subject in stack.mailbox.list_mails("ErrorsRise") if "WARNING" in subject] == [OPERATIONS]


def test_labels_cannot_add_headers_to_a_mail(stack: AlertingStack) -> None:
    """Line breaks in the text of an alert, which may come from labels of others, stay in the subject."""
    now = datetime.now(UTC)
    alert = {
        "labels": {"alertname": "Broken", "severity": "warning", "cluster": "site-a", "pod": "a\nb"},
        "annotations": {"summary": "x\r\nBcc: attacker@example.org\r\n\r\nbody", "description": "Look at it."},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(minutes=4)).isoformat(),
    }
    requests.post(f"{stack.url}/api/v2/alerts", json=[alert], timeout=10).raise_for_status()
    stack.mailbox.wait_for_subject("Broken")
    (mail,) = (
        mail
        for mail in stack.mailbox.wait_for(lambda mails: any("Broken" in mail.subject for mail in mails), 10)
        if "Broken" in mail.subject
    )
    assert mail.recipients == (OPERATIONS,)
    assert "Bcc: attacker" in mail.subject
    assert "FIRING" in mail.text


@pytest.mark.parametrize(
    ("labels", "recipients"),
    [
        ({"severity": "info"}, []),
        ({"severity": "none"}, []),
        ({}, [NETWORK]),
        ({"security": "2"}, [OPERATIONS]),
        ({"security": "1"}, BOTH),
    ],
)
def test_other_alerts(stack: AlertingStack, labels: dict[str, str], recipients: list[str]) -> None:
    """Information is not mailed; alerts of older rules are mailed by their label `security`, others by default."""
    name = "Other" + "".join(labels.values()).title()
    stack.send({"alertname": name, **labels})
    stack.wait_for_flush(f"MarkerOf{name}")
    stack.mailbox.wait_for(lambda _mails: len(stack.mailbox.list_mails(f"] {name}")) >= len(recipients), 10)
    assert [each for each, _ in stack.mailbox.list_mails(f"] {name}")] == recipients


def test_a_mail_says_what_happened_and_what_to_do(stack: AlertingStack) -> None:
    """A mail has the sender, the summary, the description, the labels and the query."""
    stack.send({"alertname": "Readable", "severity": "warning", "instance": "h1"})
    (mail,) = stack.mailbox.wait_for(lambda mails: any("Readable" in mail.subject for mail in mails), 10)[-1:]
    assert mail.sender == '"Alerts, of the stack" <alerts@example.org>'
    for text in (
        "FIRING",
        "Readable on a host",
        "Look at it.",
        "  instance: h1",
        "http://prometheus.example:9090/graph",
    ):
        assert text in mail.text
    assert "RESOLVED" not in mail.text


def test_repetitions_are_remembered() -> None:
    """A mail is repeated before Alertmanager forgets that it was sent; otherwise it would be repeated too early."""
    route = read_template()["route"]
    assert promql_parser.parse_duration(route["repeat_interval"]) < DEFAULT_RETENTION


def test_an_emergency_silences_only_its_own_warning() -> None:
    """The labels by which an emergency tells things apart are compared before it silences a warning."""
    (inhibition,) = read_template()["inhibit_rules"]
    emergencies = [rule for path in RULE_FILES for rule in load_rules(path) if rule.severity == "emergency"]
    grouping_labels = {label for rule in emergencies for label in find_grouping_labels(rule.expr)}
    assert grouping_labels - {"le"} <= set(inhibition["equal"])


def read_template() -> dict[str, Any]:
    """Return the shipped configuration, with the names of variables as their values."""
    template: dict[str, Any] = yaml.safe_load(CONFIG_TEMPLATE.read_text(encoding="utf-8").replace("${", "x{"))
    return template


def run_start_script(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run start-alertmanager.sh with a command that only prints its arguments."""
    command = ["sh", str(START_SCRIPT), str(CONFIG_TEMPLATE), str(folder), "echo", "started"]
    environ = {"PATH": os.environ["PATH"], "GR_SMTP_HOST": "mail.example:587", **MAIL_SETTINGS, **settings}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration that start-alertmanager.sh wrote."""
    config: dict[str, Any] = yaml.safe_load((folder / "alertmanager.yaml").read_text(encoding="utf-8"))
    return config


def test_the_values_of_the_environment_are_filled_in(tmp_path: Path) -> None:
    """Special characters stay as they are, and the password is in a file that only its owner can read."""
    folder = tmp_path / "a&b"
    folder.mkdir()
    settings = {
        "GF_SMTP_FROM_NAME": "R&D | 50%",
        "GF_SMTP_PASSWORD": r"a\"|&$b",
        "OPERATIONS_CONTACTS": "a@x.org;b@x.org",
    }
    completed = run_start_script(folder, **settings)
    assert completed.stdout == f"started --config.file={folder}/alertmanager.yaml\n"
    config = read_config(folder)
    assert config["global"] == {
        "smtp_smarthost": "mail.example:587",
        "smtp_from": '"R&D | 50%" <alerts@example.org>',
        "smtp_auth_username": "alerts@example.org",
        "smtp_auth_password_file": f"{folder}/smtp-password",
        "smtp_require_tls": False,
    }
    assert config["receivers"][0]["email_configs"][0]["to"] == "a@x.org,b@x.org"
    assert (folder / "smtp-password").read_text() == r"a\"|&$b"
    assert (folder / "smtp-password").stat().st_mode & 0o077 == 0
    assert "${" not in (folder / "alertmanager.yaml").read_text(encoding="utf-8")


def test_mails_are_encrypted_and_anonymous_by_default(tmp_path: Path) -> None:
    """Without further settings, the server must offer TLS, and no password means no login."""
    run_start_script(tmp_path, SMTP_REQUIRE_TLS="")
    assert read_config(tmp_path)["global"]["smtp_require_tls"] is True
    assert read_config(tmp_path)["global"]["smtp_auth_username"] == ""


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("GR_SMTP_HOST", "", "not set, but needed to send mails of alerts: GR_SMTP_HOST\n"),
        ("OPERATIONS_CONTACTS", "", "not set, but needed to send mails of alerts: OPERATIONS_CONTACTS\n"),
        ("GR_SMTP_HOST", "mail.example", "GR_SMTP_HOST must be HOST:PORT, got mail.example"),
        ("SMTP_REQUIRE_TLS", "yes", "SMTP_REQUIRE_TLS must be true or false, got yes"),
        ("GF_SMTP_FROM_NAME", 'The "stack"', "GF_SMTP_FROM_NAME must not contain quotes or backslashes"),
        ("GF_SMTP_FROM_NAME", "The\\stack", "GF_SMTP_FROM_NAME must not contain quotes or backslashes"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, setting: str, value: str, message: str) -> None:
    """A missing or invalid setting ends the start with its name, the value and what was expected."""
    completed = run_start_script(tmp_path, **{setting: value})
    assert completed.returncode == 2
    assert message in completed.stderr
    assert not (tmp_path / "alertmanager.yaml").exists()


def test_all_missing_settings_are_named_at_once(tmp_path: Path) -> None:
    """One message has every variable that is needed and not set."""
    completed = run_start_script(tmp_path, GF_SMTP_FROM_ADDRESS="", MONITOR_NET_CONTACTS="")
    assert "of alerts: GF_SMTP_FROM_ADDRESS MONITOR_NET_CONTACTS\n" in completed.stderr


def test_alertmanager_on_path_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is installed is used instead of a download."""
    program = tmp_path / "alertmanager"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert obtain_alertmanager() == [str(program)]


def test_a_missing_alertmanager_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a program and without a package manager, the error says how to get one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(AlertmanagerMissingError, match=r"apt-get install\s+prometheus-alertmanager"):
        obtain_alertmanager()


def test_every_variable_is_documented() -> None:
    """docs/monitoring.md lists the variables of start-alertmanager.sh, and no other ones."""
    page = (DOCS_DIR / "monitoring.md").read_text(encoding="utf-8")
    table = page.partition("### Mails")[2].partition("\n#")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    used = set(
        re.findall(
            r"\b(?:GF|GR)_SMTP_[A-Z_]+|SMTP_REQUIRE_TLS|[A-Z_]+_CONTACTS", START_SCRIPT.read_text(encoding="utf-8")
        )
    )
    assert documented == used
