"""Variables that are no settings but look like one: most likely misspelled, and then silently without effect."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

# How alike two names have to be, from 0 to 1: JWKS_URI is taken for JWKS_URL, METRICS_PATH not for METRICS_PORT.
ALIKE = 0.87
# Shorter names have too many neighbours that mean something else.
SHORTEST = 5
_NAME = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
# OpenTelemetry reads dozens of these itself.
_FOREIGN = "OTEL_"


def lookalikes(environment: Mapping[str, str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is set, known to nobody here and named nearly like a setting, and that setting."""
    names = sorted(known)
    for variable in sorted(environment.keys() - set(names)):
        is_ours_to_judge = len(variable) >= SHORTEST and _NAME.fullmatch(variable) and environment[variable].strip()
        if is_ours_to_judge and not variable.startswith(_FOREIGN):
            for meant in difflib.get_close_matches(variable.upper(), names, 1, ALIKE):
                yield variable, meant
