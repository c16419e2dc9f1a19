"""`aggregator agent`: the flags of both old agents, and their INI files."""

import argparse
import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from aggregator.agent import install
from aggregator.agent.config import IniValues, list_ini_paths, read_ini_files
from aggregator.agent.process import render_once, run_agent
from aggregator.app import signals
from aggregator.cli.terminal import open_stderr, open_stdout
from aggregator.errors import CertificateError, ComponentStoppedError, PortInUseError, SettingsError
from aggregator.observability import logs
from aggregator.observability.redaction import Redactor
from aggregator.settings.agent import AgentSettings
from aggregator.settings.settings import (
    SECRET_FILE_SUFFIX,
    find_misspelled_variables,
    find_secrets,
    list_secret_names,
    load_settings,
)

ONCE_DOCUMENTS = ("page", "get-data", "report")
_PATH_SETTINGS = (
    *("AGENT_TLS_CERT", "AGENT_TLS_KEY", "AGENT_TLS_CLIENT_CA"),
    *("DOCKER_CERT_PATH", "REPORT_CA_FILE"),
)
# The values of `-v`; more often is as often as twice.
_LOG_LEVELS = (None, "info", "debug")


def configure_agent_parser(parser: argparse.ArgumentParser) -> None:
    """Add description and arguments of the command to its parser."""
    parser.description = (
        "Serves metrics of a Docker host and of its containers, and reports to masters. It takes the flags and INI "
        "files of the Docker data exporter and of the Haven node agent. Flags override environment variables, which "
        "override INI files. Exit code: 0 stopped by a signal, or done, 1 failed, 2 invalid settings."
    )
    parser.epilog = "docs/configuration.md lists all settings, docs/agents.md describes the agent."
    parser.add_argument(
        "mode",
        nargs="?",
        choices=("daemon", "install", "uninstall"),
        default="daemon",
        help="daemon: serve (the default); install, uninstall: a systemd service, with the settings that are set now",
    )
    parser.add_argument("-d", "--docker", metavar="ADDRESS", help="DOCKER_HOST: host:port, or unix:///path")
    parser.add_argument("-m", "--master", metavar="HOST:PORT[,…]", help="MASTER: servers that get reports")
    parser.add_argument("-s", "--secret", help="MASTER_SECRET; visible to all users of the host, unlike a variable")
    parser.add_argument("-t", "--timeout", metavar="SECONDS", help="REPORT_INTERVAL: from one report to the next")
    parser.add_argument("-p", "-port", "--port", metavar="PORT", help="AGENT_PORT: where to listen")
    parser.add_argument("-v", dest="verbosity", action="count", default=0, help="log level info; -vv: debug")
    parser.add_argument("-f", "--config", metavar="FILE", help="an INI file, which overrides the others")
    parser.add_argument("-u", "--user", metavar="USER", help="install: user of the service, created if it is missing")
    parser.add_argument(
        "--once", choices=ONCE_DOCUMENTS, help="print the page of metrics, /get-data or a report, and exit"
    )
    parser.add_argument(
        "--add-to", metavar="HOST:PORT", help="install: register at an aggregator or a scrape server (/add-agent)"
    )
    parser.add_argument(
        "--root",
        metavar="FOLDER",
        type=Path,
        default=Path("/"),
        help="install, uninstall: below this root folder; nothing is started unless it is /",
    )
    parser.set_defaults(run=run_agent_command)


def run_agent_command(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve, print one document, install or uninstall; return the exit code."""
    if arguments.mode == "uninstall":
        return _run_installation(lambda: install.uninstall_service(install.InstallTarget(arguments.root)), environ)
    config_folder = environ.get("XDG_CONFIG_HOME", "").strip() or str(Path(environ.get("HOME", "/")) / ".config")
    ini = read_ini_files(list_ini_paths(str(Path.cwd()), config_folder), arguments.config)
    variables = merge_variables(arguments, environ, ini)
    try:
        settings = _load(variables, ini)
    except SettingsError as error:
        open_stderr().write_problems(error)
        return 2
    if arguments.mode == "install":
        return _run_installation(lambda: _install(arguments, variables, settings), environ)
    _configure_logging(settings, variables, ini, is_quiet=arguments.once is not None)
    if arguments.once is not None:
        _print_document(render_once(settings, arguments.once).decode(), environ)
        return 0
    return _serve(settings)


def merge_variables(arguments: argparse.Namespace, environ: Mapping[str, str], ini: IniValues) -> dict[str, str]:
    """Return the variables with those of flags and INI files.

    A secret in a file that a variable names counts as set by that variable.
    """
    variables = {name: value for name, value in environ.items() if value.strip()}
    flags = {
        "DOCKER_HOST": arguments.docker,
        "MASTER": arguments.master,
        "MASTER_SECRET": arguments.secret,
        "REPORT_INTERVAL": arguments.timeout,
        "AGENT_PORT": arguments.port,
        "LOG_LEVEL": _LOG_LEVELS[min(arguments.verbosity, 2)],
    }
    for name, value in ini.values.items():
        if name + SECRET_FILE_SUFFIX not in variables:
            variables.setdefault(name, value)
    for name, flag in flags.items():
        if flag is not None:
            variables[name] = flag
            variables.pop(name + SECRET_FILE_SUFFIX, None)
    return variables


def _load(variables: Mapping[str, str], ini: IniValues) -> AgentSettings:
    """Return the settings; raise SettingsError with the problems of files and settings together."""
    problems = list(ini.problems)
    try:
        settings = load_settings(variables, AgentSettings)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    return settings


def _configure_logging(
    settings: AgentSettings, variables: Mapping[str, str], ini: IniValues, *, is_quiet: bool
) -> None:
    redactor = Redactor(find_secrets(settings, variables))
    logs.configure_logging("warning" if is_quiet else settings.LOG_LEVEL, settings.LOG_FORMAT, redactor)
    log = logs.get_logger(__name__)
    if ini.files:
        log.info("configuration read", files=list(ini.files))
    for remark in ini.remarks:
        log.warning("configuration ignored", reason=remark)
    for variable, suggestion in find_misspelled_variables(variables, AgentSettings):
        log.warning("unknown variable", variable=variable, did_you_mean=suggestion)
    for warning in settings.find_warnings():
        log.warning("setting without effect", reason=warning)
    if (
        not is_quiet
        and settings.AGENT_OPEN == "yes"
        and settings.AGENT_TOKEN is None
        and settings.AGENT_TLS_CLIENT_CA is None
    ):
        log.warning("open to the network", reason="other machines can read everything without a token")


def _print_document(document: str, environ: Mapping[str, str]) -> None:
    output = open_stdout(environ)
    if document.startswith("{"):
        output.write_json(document.rstrip("\n"))
        return
    for line in document.splitlines():
        output.write_line(line)


def _serve(settings: AgentSettings) -> int:
    # Before the event loop has its own handlers, a signal ends the process at once with code 0.
    signals.exit_on_signal()
    try:
        run_agent(settings)
    except (CertificateError, PortInUseError) as error:
        open_stderr().write_line(str(error))
        return 1
    except ComponentStoppedError:
        # Already logged.
        return 1
    return 0


def _install(arguments: argparse.Namespace, variables: Mapping[str, str], settings: AgentSettings) -> Iterator[str]:
    """Install the service with the settings that are set now, and register it; yield lines for people."""
    chosen = {name: value for name, value in variables.items() if name in AgentSettings.model_fields}
    # The service starts in another folder, and its user may not read the files of the secrets.
    chosen |= {name: str(Path(chosen[name]).absolute()) for name in _PATH_SETTINGS if name in chosen}
    for name in list_secret_names(AgentSettings):
        secret: SecretStr | None = getattr(settings, name)
        if secret is not None:
            chosen[name] = secret.get_secret_value()
    yield from install.install_service(install.InstallTarget(arguments.root), chosen, arguments.user)
    if arguments.add_to is not None:
        registration = install.register_agent(arguments.add_to, settings.AGENT_PORT, chosen.get("MASTER_SECRET"))
        yield asyncio.run(registration)


def _run_installation(perform: Callable[[], Iterable[str]], environ: Mapping[str, str]) -> int:
    """Print what was done, also before a step that fails; return the exit code."""
    output = open_stdout(environ)
    try:
        for line in perform():
            output.write_line(line)
    except install.InstallError as error:
        open_stderr().write_line(str(error))
        return 1
    return 0
