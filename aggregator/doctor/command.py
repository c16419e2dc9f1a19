"""The command `aggregator doctor`: its arguments, how it prints, and how it ends."""

import argparse
import json
import sys
from collections.abc import Mapping

import msgspec

from aggregator import __version__, logs, settings
from aggregator.doctor.examine import examined
from aggregator.doctor.report import Finding, Report
from aggregator.doctor.text import written
from aggregator.errors import RecordingError, SettingsError
from aggregator.secrets import Secrets
from aggregator.settings.secrets import secrets_of


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of the command line."""
    made = commands.add_parser(
        "doctor",
        help="say what works, what is missing from the topology, and what to do about it",
        description="Checks the settings of the environment, reaches each upstream and says what it is, takes one "
        "refresh, and says what is wrong and what to do. It serves nothing and changes nothing. "
        "Exit code: 0 all is well, 1 something is wrong, 2 bad settings.",
    )
    made.add_argument("--json", action="store_true", help="print the same as JSON")
    made.set_defaults(run=run)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Examine and print; return 0 if all is well, 1 if something is wrong, 2 on bad settings."""
    try:
        chosen = settings.read(environ)
    except SettingsError as error:
        _print_bad_settings(error, as_json=arguments.json)
        return 2
    # An address that holds no credentials is no secret to whoever runs this.
    shown = {address.url for address in chosen.upstreams}
    secrets = Secrets(secret for secret in secrets_of(chosen, environ) if secret not in shown)
    # What the parts would log of a refresh is in what is found.
    logs.configure("error", chosen.LOG_FORMAT, secrets)
    try:
        report = examined(chosen, secrets)
    except RecordingError as error:
        advice = "name a file that `aggregator record` made"
        report = Report(__version__, ok=False, problems=(Finding("recording", f"the recording {error}", advice),))
    text = _json(msgspec.to_builtins(report)) if arguments.json else written(report)
    sys.stdout.write(logs.Mask(secrets)(None, "", text))
    return 0 if report.ok else 1


def _print_bad_settings(error: SettingsError, *, as_json: bool) -> None:
    if as_json:
        problems = [{"code": "settings", "what": problem} for problem in error.problems]
        sys.stdout.write(_json({"version": __version__, "ok": False, "problems": problems}))
    else:
        sys.stderr.write(f"{error}\n")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
