"""Entry point: handles stop signals before anything else is imported."""

from aggregator.app import signals


def main() -> None:
    """Run the gateway or a command; exit with 2 for invalid settings, 1 for other failures, else 0."""
    signals.exit_on_signal()
    # Imports take about a second, in which a stop signal must already work.
    from aggregator.util import runtime  # noqa: PLC0415 - see above

    runtime.collect_garbage_rarely()
    from aggregator.cli.main import run_command_line  # noqa: PLC0415 - see above

    run_command_line()


if __name__ == "__main__":
    main()
