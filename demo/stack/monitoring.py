"""The files of deploy/monitoring with the addresses of one run, and where Alertmanager sends mails."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from demo.processes import PROJECT

MONITORING_FOLDER = PROJECT / "deploy" / "monitoring"
SMTP_SETTINGS = (
    "GR_SMTP_HOST",
    "GF_SMTP_FROM_ADDRESS",
    "GF_SMTP_FROM_NAME",
    "GF_SMTP_USER",
    "GF_SMTP_PASSWORD",
    "SMTP_REQUIRE_TLS",
    "OPERATIONS_CONTACTS",
    "MONITOR_NET_CONTACTS",
)
PROBED_URL_LABEL = "__param_target"


class TargetError(Exception):
    """A file of targets names a host that this stack does not have."""


def write_monitoring_files(folder: Path, addresses: Mapping[str, str]) -> Path:
    """Copy the configuration of Prometheus with its rules and targets; return the path of the configuration.

    `addresses` has the address of each target in deploy/monitoring/targets, whose names become the instances.
    """
    for path in MONITORING_FOLDER.rglob("*.yaml"):
        target = folder / path.relative_to(MONITORING_FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.parent.name == "targets":
            groups = yaml.safe_load(path.read_text(encoding="utf-8"))
            target.write_text(yaml.safe_dump(render_targets(groups, addresses)), encoding="utf-8")
        else:
            shutil.copyfile(path, target)
    return folder / "prometheus.yaml"


def render_targets(groups: list[dict[str, Any]], addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return groups of targets with other addresses, and with the instances that they had before."""
    rendered = []
    for group in groups:
        labels = dict(group.get("labels", {}))
        if PROBED_URL_LABEL in labels:
            labels[PROBED_URL_LABEL] = _replace_address(labels[PROBED_URL_LABEL], addresses)
        rendered += [
            {"targets": [_find_address(target, addresses)], "labels": {"instance": target} | labels}
            for target in group["targets"]
        ]
    return rendered


def _replace_address(url: str, addresses: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=_find_address(parts.netloc, addresses)))


def _find_address(target: str, addresses: Mapping[str, str]) -> str:
    if target not in addresses:
        raise TargetError(f"deploy/monitoring/targets: no part of the stack has the address {target}")
    return addresses[target]


def has_smtp_server(environ: Mapping[str, str]) -> bool:
    """Return whether a setting names the SMTP server for mails of alerts."""
    return bool(environ.get("GR_SMTP_HOST"))


def build_smtp_settings(environ: Mapping[str, str], sink_address: str | None) -> dict[str, str]:
    """Return the variables of start-alertmanager.sh: those of the caller, or those of the mail sink."""
    path = {"PATH": environ.get("PATH", os.defpath)}
    if sink_address is None:
        return path | {name: environ[name] for name in SMTP_SETTINGS if name in environ}
    return path | {
        "GR_SMTP_HOST": sink_address,
        "GF_SMTP_FROM_ADDRESS": "alerts@stack.example",
        "SMTP_REQUIRE_TLS": "false",
        "OPERATIONS_CONTACTS": environ.get("OPERATIONS_CONTACTS") or "operations@stack.example",
        "MONITOR_NET_CONTACTS": environ.get("MONITOR_NET_CONTACTS") or "monitoring@stack.example",
    }
