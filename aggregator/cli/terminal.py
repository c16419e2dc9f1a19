"""Output of the commands: every text is escaped here, then colored and fitted to the width of the terminal."""

import contextlib
import io
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TextIO

from aggregator.errors import SettingsError

ELLIPSIS = "…"
_WHITESPACE_AS_SPACE = str.maketrans({"\r": " ", "\t": " "})


class TextColor(Enum):
    """Color of a text; the value is the SGR parameter of the terminal."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    CYAN = "36"


@dataclass(frozen=True)
class StyledText:
    """A piece of a line and its color."""

    text: str
    color: TextColor = TextColor.PLAIN


StyledLine = Sequence[StyledText]


@dataclass(frozen=True)
class TerminalStyle:
    """Width of a line in columns, None for unlimited, whether the terminal shows colors, and its height in lines."""

    width: int | None = None
    has_colors: bool = False
    height: int | None = None

    def fit_line(self, texts: StyledLine, optional_groups: Iterable[StyledLine] = ()) -> StyledLine:
        """Return the texts, followed by as many of the optional groups, two spaces apart, as fit the width."""
        groups = list(optional_groups)
        fitted = list(texts)
        for group in groups[: self.count_fitting(texts, groups)]:
            fitted += [StyledText("  "), *group]
        return _strip_trailing_spaces(list(self._truncate_texts([_escape_styled(each) for each in fitted])))

    def count_fitting(self, texts: StyledLine, optional_groups: Sequence[StyledLine]) -> int:
        """Return how many of the optional groups, two spaces apart, fit into the line after the texts."""
        if self.width is None:
            return len(optional_groups)
        used_columns = _measure_line(texts)
        for count, group in enumerate(optional_groups):
            used_columns += 2 + _measure_line(group)
            if used_columns > self.width:
                return count
        return len(optional_groups)

    def _truncate_texts(self, texts: StyledLine) -> Iterable[StyledText]:
        remaining_columns = self.width
        for each in texts:
            if remaining_columns is None:
                yield each
            elif remaining_columns > 0:
                text = truncate_to_width(each.text, remaining_columns)
                yield StyledText(text, each.color)
                remaining_columns = remaining_columns - display_width(text) if text == each.text else 0


class CommandOutput:
    """Standard output or standard error of a command.

    Commands write only through this class. Everything that it writes is escaped: texts from upstreams, gateways,
    recordings and settings cannot move the cursor, change colors, reorder text, or begin a new line.
    """

    def __init__(self, stream: TextIO, style: TerminalStyle | None = None) -> None:
        self.style = style or TerminalStyle()
        self._stream = stream

    @property
    def is_terminal(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def write_line(self, line: str | StyledLine = "") -> None:
        """Write one line."""
        texts = [StyledText(line)] if isinstance(line, str) else line
        self._write("".join(self._colorize(_escape_styled(each)) for each in texts) + "\n")

    def write_problems(self, error: Exception) -> None:
        """Write the problems of a SettingsError as lines, any other error as one line."""
        for problem in error.problems if isinstance(error, SettingsError) else [str(error)]:
            self.write_line(problem)

    def write_json(self, document: str) -> None:
        """Write a JSON document, with JSON escapes for the characters that a terminal might interpret."""
        is_utf8 = (self._stream.encoding or "utf-8").replace("-", "").lower() == "utf8"
        self._write(escape_json(document, only_ascii=not is_utf8) + "\n")

    def write_page(self, page: str) -> None:
        """Write a page of metrics: exact in a file or pipe, line by line and with escapes on a terminal."""
        if not self.is_terminal:
            self._write(page)
            return
        for line in page.removesuffix("\n").split("\n"):
            self.write_line(line)

    def clear_screen(self) -> None:
        """Clear a terminal; without a terminal, write an empty line."""
        self._write("\x1b[H\x1b[2J\x1b[3J" if self.is_terminal else "\n")

    def replace_line(self, text: str) -> None:
        """Overwrite the current line of a terminal; without a terminal, write nothing."""
        if self.is_terminal:
            self._write(f"\r{escape_control_characters(text)}\x1b[K")
            self.flush()

    def flush(self) -> None:
        """Send buffered output."""
        with self._discard_if_closed():
            self._stream.flush()

    def _write(self, text: str) -> None:
        with self._discard_if_closed():
            self._stream.write(text)

    @contextlib.contextmanager
    def _discard_if_closed(self) -> Iterator[None]:
        """Once the reader of a pipe has ended, as with `| head`, send everything to /dev/null and continue.

        Python writes buffered output at exit, so ignoring the error here is not enough.
        """
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _colorize(self, styled: StyledText) -> str:
        if not self.style.has_colors or styled.color is TextColor.PLAIN or not styled.text:
            return styled.text
        return f"\x1b[{styled.color.value}m{styled.text}\x1b[0m"


def escape_unencodable_output() -> None:
    """Let output in an encoding that lacks the characters of a name escape them instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def open_stdout(environ: Mapping[str, str]) -> CommandOutput:
    """Return standard output in the style of its terminal."""
    return CommandOutput(sys.stdout, detect_terminal_style(sys.stdout, environ))


def open_stderr() -> CommandOutput:
    """Return standard error, without colors."""
    return CommandOutput(sys.stderr)


def detect_terminal_style(stream: TextIO, environ: Mapping[str, str]) -> TerminalStyle:
    """Return the width of the terminal, and colors unless NO_COLOR is set; neither for a file or a pipe."""
    if not stream.isatty():
        return TerminalStyle()
    has_colors = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    columns, lines = shutil.get_terminal_size()
    return TerminalStyle(columns, has_colors, lines)


def escape_control_characters(text: str) -> str:
    r"""Return a text with escapes such as \x1b or \u202e for everything that is not printable.

    These are control characters (C0, C1), line separators, bidirectional formatting and lone surrogates.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def escape_json(document: str, *, only_ascii: bool = False) -> str:
    """Return the same JSON without unprintable characters other than line ends; optionally in ASCII.

    Valid JSON has raw control characters only as whitespace between tokens, and all others only within strings.
    """
    spaced = document.translate(_WHITESPACE_AS_SPACE)
    return "".join(
        _escape_json_character(character)
        if not (character.isprintable() or character == "\n") or (only_ascii and not character.isascii())
        else character
        for character in spaced
    )


def _escape_json_character(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def format_bytes(size_bytes: float) -> str:
    """Return a number of bytes with a unit of 1024."""
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size_bytes < 1024 or unit == "PiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"


def format_duration(seconds: float) -> str:
    """Return a time span in its largest unit, rounded down: `45 s`, `3 min`, `2 h`, `5 d`."""
    for unit_seconds, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_seconds:
            return f"{seconds // unit_seconds:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun: `1 node`, `2 nodes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def display_width(text: str) -> int:
    """Return the number of terminal columns of a text."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def truncate_to_width(text: str, width: int) -> str:
    """Return a text of at most `width` columns, with an ellipsis at the end if something is left out."""
    if display_width(text) <= width:
        return text
    truncated = ""
    remaining_columns = width - 1
    for character in text:
        remaining_columns -= _character_width(character)
        if remaining_columns < 0:
            break
        truncated += character
    return truncated + ELLIPSIS if width > 0 else ""


def pad_to_width(text: str, width: int) -> str:
    """Return a text, escaped, with trailing spaces up to a width."""
    escaped = escape_control_characters(text)
    return escaped + " " * max(0, width - display_width(escaped))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _measure_line(texts: StyledLine) -> int:
    return sum(display_width(escape_control_characters(each.text)) for each in texts)


def _escape_styled(styled: StyledText) -> StyledText:
    return StyledText(escape_control_characters(styled.text), styled.color)


def _strip_trailing_spaces(texts: list[StyledText]) -> StyledLine:
    while texts and not texts[-1].text.strip():
        texts.pop()
    if texts:
        texts[-1] = StyledText(texts[-1].text.rstrip(), texts[-1].color)
    return texts
