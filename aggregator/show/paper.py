"""What is drawn on: lines of coloured words, cut to the width that there is."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

ELLIPSIS = "…"


class Colour(Enum):
    """What a word is painted with; the value is what a terminal understands."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


@dataclass(frozen=True)
class Word:
    """A piece of a line; what comes from telemetry is shown as it is, but for what would steer a terminal."""

    text: str
    colour: Colour = Colour.PLAIN


@dataclass(frozen=True)
class Paper:
    """How wide a line may be, None for as wide as it is, and whether there are colours."""

    width: int | None = None
    has_colours: bool = False

    def line(self, words: Sequence[Word], rest: Iterable[Sequence[Word]] = ()) -> str:
        """Return the words as a line, and behind them as many of `rest`, two spaces apart, as there is room for."""
        shown = [Word(printable(word.text), word.colour) for word in words]
        used = sum(width_of(word.text) for word in shown)
        for group in rest:
            more = [Word(printable(word.text), word.colour) for word in group]
            needed = 2 + sum(width_of(word.text) for word in more)
            if self.width is not None and used + needed > self.width:
                break
            shown += [Word("  "), *more]
            used += needed
        kept = list(self._cut(shown))
        while kept and not kept[-1].text.strip():
            kept.pop()
        return "".join([*map(self._painted, kept[:-1]), *(self._painted(_bare(word)) for word in kept[-1:])])

    def _cut(self, words: Sequence[Word]) -> Iterable[Word]:
        left = self.width
        for word in words:
            if left is None:
                yield word
            elif left > 0:
                text = cut(word.text, left)
                yield Word(text, word.colour)
                left = left - width_of(text) if text == word.text else 0

    def _painted(self, word: Word) -> str:
        if not self.has_colours or word.colour is Colour.PLAIN or not word.text:
            return word.text
        return f"\x1b[{word.colour.value}m{word.text}\x1b[0m"


def _bare(word: Word) -> Word:
    return Word(word.text.rstrip(), word.colour)


def printable(text: str) -> str:
    """Return a text without what would move the cursor, change colours, or cannot be written at all."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def width_of(text: str) -> int:
    """Return how many places of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_places(letter) for letter in text)


def _places(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return a text that is at most so wide, with an ellipsis where something is left out."""
    if width_of(text) <= width:
        return text
    kept = ""
    room = width - 1
    for letter in text:
        room -= _places(letter)
        if room < 0:
            break
        kept += letter
    return kept + ELLIPSIS if width > 0 else ""


def padded(text: str, width: int) -> str:
    """Return a text with spaces behind it up to a width."""
    shown = printable(text)
    return shown + " " * max(0, width - width_of(shown))
