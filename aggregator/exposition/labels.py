"""Labels as the text format writes them: escape, parse, format."""

import re
from collections.abc import Iterable

# A label as `format_labels` writes it. Possessive quantifiers keep the time linear for any text.
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+(?:\\.[^"\\]*+)*+)",?+')
_ESCAPE_SEQUENCE = re.compile(r'\\(["\\n])')
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def escape_label_value(value: str) -> str:
    """Escape backslashes, quotes and line ends."""
    return value.translate(_ESCAPES)


def unescape_label_value(text: str) -> str:
    """Undo `escape_label_value`. A backslash before any other character stays, as Prometheus does it."""
    if "\\" not in text:
        return text
    return _ESCAPE_SEQUENCE.sub(lambda match: "\n" if match[1] == "n" else match[1], text)


def format_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Return the text between the braces of a sample."""
    return ",".join(f'{name}="{escape_label_value(value)}"' for name, value in labels)


def parse_labels(label_text: str) -> list[tuple[str, str]]:
    """Return the names and unescaped values of a text that `format_labels` could have written."""
    return [(name, unescape_label_value(value)) for name, value in _LABEL.findall(label_text)]
