"""What an examination found: frozen values, which `--json` prints as they are."""

from dataclasses import dataclass

from aggregator.quality import QualityTotals, UnfilledField


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or a note on what is not there and need not be.

    `code` is a constant word for programs, `what` the fact, `advice` what to do about it. `source` is the upstream
    that it is about, "" where it is about all of them.
    """

    code: str
    what: str
    advice: str
    source: str = ""


@dataclass(frozen=True)
class Seen:
    """What stands at an upstream's address: what it is, and how its clock differs from ours.

    `kind` is "" where nothing that answers PromQL was reached; `clock_ahead_seconds` and `answered_seconds`, how long
    its first answer took, are None then.
    """

    source: str
    url: str
    kind: str = ""
    version: str = ""
    clock_ahead_seconds: float | None = None
    answered_seconds: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether it answers queries."""
        return self.kind != ""


@dataclass(frozen=True)
class Report:
    """All that was found; without `totals` no refresh gave a topology."""

    version: str
    ok: bool
    upstreams: tuple[Seen, ...] = ()
    refresh_seconds: float | None = None
    totals: QualityTotals | None = None
    problems: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()
    unfilled_fields: tuple[UnfilledField, ...] = ()
