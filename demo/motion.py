"""How values move: smooth functions of time, told apart by a phase between 0 and 1."""

import math

GOLDEN = 0.6180339887498949
TURN = 2 * math.pi


def phase(number: int) -> float:
    """Spread whole numbers over [0, 1) so that neighbours lie far apart."""
    return number * GOLDEN % 1.0


def wave(at_seconds: float, period_seconds: float, offset: float) -> float:
    """Swing between 0 and 1, once per period."""
    return 0.5 + 0.5 * math.sin(TURN * (at_seconds / period_seconds + offset))


def grown(at_seconds: float, rate: float, period_seconds: float, offset: float) -> float:
    """Return what a counter shows whose rate swings between half and one and a half times `rate`.

    It never decreases: the swing of the rate is smaller than the rate.
    """
    swing = math.sin(TURN * (at_seconds / period_seconds + offset)) - math.sin(TURN * offset)
    return rate * (at_seconds + 0.5 * period_seconds / TURN * swing)
