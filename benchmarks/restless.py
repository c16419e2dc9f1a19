"""The gateway as it is, but for the pauses that spare the upstream: one refresh begins where the last one ends."""

from aggregator import __main__ as program
from aggregator import refresh

if __name__ == "__main__":
    refresh.PAUSE_PER_DURATION = 0.0
    program.main()
