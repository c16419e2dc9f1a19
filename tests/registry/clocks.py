"""A clock that a test moves."""

from aggregator.registry.nodes import RegistryClock

START_SECONDS = 1795208200.0


class MovedClock:
    """The clocks of a registry. The Unix time can be set apart from the monotonic time."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds
        self.unix_offset = START_SECONDS - seconds

    @property
    def clock(self) -> RegistryClock:
        """The clocks in the form that the registry expects."""
        return RegistryClock(lambda: self.seconds, lambda: self.seconds + self.unix_offset)
