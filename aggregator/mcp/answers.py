"""The answers of the tools: one JSON document, bounded in size, after notes in plain text.

A model reads the whole answer and pays for it, so that a long list is cut, and a note says what is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

# About 8,000 tokens. Clients of models warn about answers above 10,000, or cut them without a note.
MAX_ANSWER_BYTES = 32 * 1024

INCOMPLETE_NOTE = "the topology is incomplete: explain_missing_data says what is missing"


@dataclass(frozen=True)
class Answer:
    """What a tool found. `advice` says how to ask for less.

    `totals` are the numbers of members of lists of which the content has a part already.
    """

    content: Mapping[str, Any]
    advice: str
    totals: Mapping[str, int] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def render(self, max_bytes: int = MAX_ANSWER_BYTES) -> str:
        """Return the text of the answer: notes, each on a line, and the document on the last line."""
        content = _cut_lists(self.content, max_bytes)
        notes = [*self.notes, *self._list_cuts(content)]
        document = msgspec.json.encode(content)
        if len(document) > max_bytes:
            notes.append(f"cut at {max_bytes} of {len(document)} bytes, so it is not valid JSON; {self.advice}")
        return "\n".join([*notes, document[:max_bytes].decode(errors="ignore")])

    def _list_cuts(self, content: Mapping[str, Any]) -> Iterator[str]:
        for name, value in content.items():
            if isinstance(value, list):
                total = self.totals.get(name, len(self.content[name]))
                if len(value) < total:
                    yield f"{name} cut at {len(value)} of {total}; {self.advice}"


def _cut_lists(content: Mapping[str, Any], max_bytes: int) -> Mapping[str, Any]:
    """Return a document without the ends of its longest lists."""
    excess = len(msgspec.json.encode(content)) - max_bytes
    if excess <= 0:
        return content
    sizes = {
        name: [len(msgspec.json.encode(each)) + 1 for each in value]
        for name, value in content.items()
        if isinstance(value, list)
    }
    totals = {name: sum(each) for name, each in sizes.items()}
    while excess > 0 and any(totals.values()):
        longest = max(totals, key=lambda name: totals[name])
        last = sizes[longest].pop()
        totals[longest] -= last
        excess -= last
    return {name: value[: len(sizes[name])] if name in sizes else value for name, value in content.items()}
