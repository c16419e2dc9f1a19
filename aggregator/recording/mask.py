"""Pseudonyms for the values of labels: the same for the same value, so that what belongs together still does."""

import hashlib
from collections.abc import Iterable

from aggregator.recording.rewrite import rewritten

LEFT_OUT = "left out, because labels are masked"
_PSEUDONYM_BYTES = 8


class Mask:
    """Replaces the values of some labels by pseudonyms, by a random salt that is nowhere but here."""

    def __init__(self, labels: Iterable[str], salt: bytes) -> None:
        self.labels: frozenset[str] = frozenset(labels)
        self.seen: set[str] = set()
        self._salt = salt

    def pseudonym(self, value: str) -> str:
        """Return what stands for a value; white space around it does not count, and nothing stays nothing."""
        bare = value.strip()
        if not bare:
            return ""
        # Labels may hold lone surrogates, where an exporter sent bytes that are no text.
        digest = hashlib.blake2b(bare.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=_PSEUDONYM_BYTES)
        return f"masked-{digest.hexdigest()}"

    def body(self, body: bytes) -> bytes:
        """Return the body of an answer with pseudonyms, and nothing else of it than its samples.

        Raises MalformedError for what is no answer. Of what the upstream said beside the samples only how many texts
        it were is kept: they may repeat what was masked.
        """
        return rewritten(body, self._masked, lambda said: [LEFT_OUT] * len(said))

    def _masked(self, metric: dict[str, str]) -> dict[str, str]:
        for label in self.labels.intersection(metric):
            metric[label] = self.pseudonym(metric[label])
            self.seen.add(label)
        return metric


def together(labels: Iterable[str], telling: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the labels and, of `telling`, each second label that tells what a first one among them does."""
    told_by: dict[str, set[str]] = {}
    for label, other in telling:
        told_by.setdefault(label, set()).add(other)
    found: set[str] = set()
    waiting = list(labels)
    while waiting:
        label = waiting.pop()
        if label not in found:
            found.add(label)
            waiting += told_by.get(label, ())
    return frozenset(found)
