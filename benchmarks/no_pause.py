"""The gateway without the pauses that spare the upstream: each refresh starts when the last one ends."""

from aggregator import __main__ as program
from aggregator.refresh import schedule

if __name__ == "__main__":
    schedule.PAUSE_TO_DURATION_RATIO = 0.0
    program.main()
