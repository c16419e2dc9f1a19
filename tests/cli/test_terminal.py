"""What commands write: whatever a text contains, it cannot control the terminal."""

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator import cli
from aggregator.cli.terminal import (
    CommandOutput,
    StyledText,
    TerminalStyle,
    TextColor,
    detect_terminal_style,
    display_width,
    escape_control_characters,
    escape_json,
    format_bytes,
    format_duration,
    truncate_to_width,
)
from aggregator.errors import SettingsError

# Characters that change what a terminal shows elsewhere, or that end a line for some programs.
DANGEROUS_CHARACTERS = {
    "ESC": "\x1b",
    "BEL": "\x07",
    "CR": "\r",
    "LF": "\n",
    "TAB": "\t",
    "NUL": "\0",
    "DEL": "\x7f",
    "NEL": "\x85",
    "CSI": "\x9b",
    "OSC": "\x9d",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    **{f"bidi U+{code:04X}": chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    "lone surrogate": "\ud800",
    "tag": "\U000e0041",
}


class FakeTerminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


@pytest.mark.parametrize("character", DANGEROUS_CHARACTERS.values(), ids=DANGEROUS_CHARACTERS.keys())
def test_dangerous_characters_are_escaped(character: str) -> None:
    """Lines, colored lines, problems and progress show an escape in place of the character."""
    stream = FakeTerminal()
    output = CommandOutput(stream, TerminalStyle(has_colors=True))
    text = f"a{character}b"
    escaped = f"a{ascii(character)[1:-1]}b"
    output.write_line(text)
    output.write_line([StyledText(text, TextColor.RED)])
    output.write_problems(SettingsError([text, text]))
    output.write_problems(ValueError(text))
    output.replace_line(text)
    assert stream.getvalue() == f"{escaped}\n\x1b[31m{escaped}\x1b[0m\n" + f"{escaped}\n" * 3 + f"\r{escaped}\x1b[K"


@pytest.mark.parametrize("character", DANGEROUS_CHARACTERS.values(), ids=DANGEROUS_CHARACTERS.keys())
def test_json_is_escaped_as_json(character: str) -> None:
    """A JSON document keeps its value, and has no raw character that a terminal might interpret."""
    stream = io.StringIO()
    CommandOutput(stream).write_json(json.dumps({"a": [character]}, ensure_ascii=False, indent=2))
    assert json.loads(stream.getvalue()) == {"a": [character]}
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_escaped_json_has_the_same_value(value: object) -> None:
    """Escaping changes no value, whatever whitespace is between the tokens."""
    document = json.dumps(value, ensure_ascii=False, separators=(",\r\n\t", ":\t"))
    expected = json.loads(document)
    assert json.loads(escape_json(document)) == expected
    assert all(line.isprintable() for line in escape_json(document).split("\n"))


@given(st.text())
def test_printable_text_is_unchanged(text: str) -> None:
    """Escaping is idempotent, and leaves printable characters alone."""
    escaped = escape_control_characters(text)
    assert escaped.isprintable()
    assert escape_control_characters(escaped) == escaped
    assert escaped == text or not text.isprintable()


def test_commands_write_in_no_other_way() -> None:
    """No module of the commands but terminal.py uses sys.stdout, sys.stderr or print."""
    for path in Path(str(cli.__file__)).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if path.name != "terminal.py":
            assert attributes.isdisjoint(("stdout", "stderr")), path
            assert "print" not in names, path


def test_a_closed_pipe_ends_the_output_silently(tmp_path: Path) -> None:
    """Once the reader of a pipe is gone, further output is discarded without an error."""

    class ClosedPipe(io.StringIO):
        def __init__(self, target: io.TextIOWrapper) -> None:
            super().__init__()
            self._target = target

        def write(self, _text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            return self._target.fileno()

    with (tmp_path / "pipe").open("w", encoding="utf-8") as target:
        CommandOutput(ClosedPipe(target)).write_line("a")
        target.write("this goes to /dev/null")
    assert (tmp_path / "pipe").read_text(encoding="utf-8") == ""


def test_progress_is_written_to_terminals_only() -> None:
    """A file gets no line that is overwritten."""
    stream = io.StringIO()
    CommandOutput(stream).replace_line("1 of 2")
    assert stream.getvalue() == ""


@given(st.text(), st.integers(1, 30))
def test_a_truncated_text_fits(text: str, width: int) -> None:
    """Wide characters count twice, combining characters not at all, as terminals show them."""
    assert display_width(truncate_to_width(text, width)) <= width


@pytest.mark.parametrize(
    ("environ", "has_colors"),
    [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_no_color_turns_colors_off(environ: dict[str, str], *, has_colors: bool) -> None:
    """NO_COLOR and a dumb terminal turn colors off; the width of the terminal is used in any case."""
    style = detect_terminal_style(FakeTerminal(), environ)
    assert style.has_colors is has_colors
    assert style.width is not None


def test_a_file_gets_whole_lines_without_colors() -> None:
    """A file or a pipe has no width and no colors."""
    assert detect_terminal_style(io.StringIO(), {}) == TerminalStyle(None, has_colors=False)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (150 * 2**20, "150 MiB"), (2**60, "1024 PiB")],
)
def test_bytes_have_units_of_1024(size_bytes: int, text: str) -> None:
    """At most three significant digits and a binary unit."""
    assert format_bytes(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "59 min"), (7300, "2 h"), (200_000, "2 d")],
)
def test_a_time_span_has_one_unit(seconds: float, text: str) -> None:
    """A time span is rounded down to its largest unit; a negative one is none."""
    assert format_duration(seconds) == text


def test_only_a_terminal_is_cleared() -> None:
    """On a terminal the screen is cleared; elsewhere an empty line separates what follows."""
    for stream, written in ((FakeTerminal(), "\x1b[H\x1b[2J\x1b[3J"), (io.StringIO(), "\n")):
        CommandOutput(stream).clear_screen()
        assert stream.getvalue() == written


def test_json_for_a_terminal_without_utf8_is_ascii() -> None:
    """Characters that the encoding of the terminal lacks are escapes of JSON, so the document stays valid."""
    document = json.dumps({"name": "Škofja Loka 😀"}, ensure_ascii=False)
    escaped = escape_json(document, only_ascii=True)
    assert escaped.isascii()
    assert json.loads(escaped) == json.loads(document)


def test_a_page_is_escaped_on_a_terminal_only() -> None:
    """A page of metrics is exact in a file or pipe; on a terminal, its texts cannot control it."""
    page = 'a{b="\x1b[2J\u202e"} 1\nc 2\n'
    pipe, terminal = io.StringIO(), FakeTerminal()
    CommandOutput(pipe).write_page(page)
    CommandOutput(terminal).write_page(page)
    assert pipe.getvalue() == page
    assert terminal.getvalue() == 'a{b="\\x1b[2J\\u202e"} 1\nc 2\n'
