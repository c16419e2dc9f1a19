"""What became of every sample of a refresh: kept, or left out and why. Nothing is left out in silence."""

from collections import Counter
from dataclasses import dataclass, field

Reason = tuple[str, str]


@dataclass
class Tally:
    """Counts by row and reason, filled by the builder.

    `unplaced`: samples that belong to no object of the topology. `dropped`: values that cannot be kept.
    `conflicts`: samples that contradicted another of the same row that was as sure. `skipped`: samples of the
    controller itself, which by contract is no part of the answer.
    """

    placed: Counter[str] = field(default_factory=Counter)
    unplaced: Counter[Reason] = field(default_factory=Counter)
    dropped: Counter[Reason] = field(default_factory=Counter)
    conflicts: Counter[Reason] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
