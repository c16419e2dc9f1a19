"""Values that change with time: smooth functions, shifted by a phase between 0 and 1."""

import math

GOLDEN_RATIO = 0.6180339887498949
FULL_TURN_RADIANS = 2 * math.pi


def compute_phase(number: int) -> float:
    """Return a phase in [0, 1) for a number; those of adjacent numbers are far apart."""
    return number * GOLDEN_RATIO % 1.0


def compute_wave(at_seconds: float, period_seconds: float, offset: float) -> float:
    """Return a value between 0 and 1 that oscillates once per period."""
    return 0.5 + 0.5 * math.sin(FULL_TURN_RADIANS * (at_seconds / period_seconds + offset))


def compute_counter(at_seconds: float, rate: float, period_seconds: float, offset: float) -> float:
    """Return the value of a counter whose rate oscillates between half and one and a half times `rate`.

    It never decreases: the amplitude is smaller than the rate.
    """
    swing = math.sin(FULL_TURN_RADIANS * (at_seconds / period_seconds + offset)) - math.sin(FULL_TURN_RADIANS * offset)
    return rate * (at_seconds + 0.5 * period_seconds / FULL_TURN_RADIANS * swing)
