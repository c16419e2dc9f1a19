"""Exposition text as it grows: the lines of one metric stay together, below their # TYPE line."""

# Counters whose names do not say so.
UNSUFFIXED_COUNTERS = frozenset({"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"})


class Page:
    """Lines by metric, in the order of first mention."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, metric: str, labels: str, value: float) -> None:
        """Add one sample; `labels` is what stands between the braces."""
        lines = self._lines.get(metric)
        if lines is None:
            kind = "counter" if metric.endswith("_total") or metric in UNSUFFIXED_COUNTERS else "gauge"
            lines = self._lines[metric] = [f"# TYPE {metric} {kind}"]
        lines.append(f"{metric}{{{labels}}} {value}")

    def text(self) -> str:
        """Return everything, with a newline at the end as the format wants it."""
        return "\n".join("\n".join(lines) for lines in self._lines.values()) + "\n"


def labels(**pairs: str) -> str:
    """Write label pairs; values of this simulation hold nothing that needs an escape."""
    return ",".join(f'{name}="{value}"' for name, value in pairs.items())
