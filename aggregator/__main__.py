"""Where the program begins: from its first moment on it stops when it is told to."""

from aggregator import stopping


def main() -> None:
    """Run the gateway; exit 2 on bad settings, 1 where a port, a file for TLS or a part fails, 0 when told to stop."""
    stopping.leave_when_told()
    # Importing the rest takes a second, and a signal in that second is one to stop, too.
    from aggregator import start  # noqa: PLC0415 - see above

    start.start()


if __name__ == "__main__":
    main()
