"""The gateway without the pauses that spare the upstream: each refresh starts when the last one ends."""

from aggregator import __main__ as program
from aggregator.refresh import refresher

if __name__ == "__main__":
    refresher.PAUSE_TO_DURATION_RATIO = 0.0
    program.main()
