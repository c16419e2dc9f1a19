"""Reads a page in the text format 0.0.4 or in OpenMetrics. One invalid line makes the whole page invalid."""

import math
import re
from collections.abc import Callable

from aggregator.errors import PageError
from aggregator.exposition.labels import format_labels, unescape_label_value
from aggregator.exposition.page import UNTYPED, Family, Page, PageLimits, SampleLine

OPENMETRICS = "application/openmetrics-text"
# Lines per sample that a page may have: HELP, TYPE, UNIT and an empty line for each.
MAX_LINES_PER_SAMPLE = 5
MAX_LABELS_PER_SAMPLE = 1000
# A page is searched in parts, so that a huge one is refused at its limit and not after all of its lines are in memory.
_PART_CHARACTERS = 1 << 16

# Every line is matched by exactly one alternative: a sample as nearly all exporters write it, a comment, or any other
# line, which is read again with care. The labels are checked separately. Quantifiers are possessive, so that the time
# is linear for any text.
_LINE = re.compile(
    r"""
    (?:([a-zA-Z_:][a-zA-Z0-9_:]*+)
       (?:\{([^{}"\n]*+(?:"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"[^{}"\n]*+)*+)\})?+
       [ ]([-+]?+[0-9]{1,40}+(?:\.[0-9]{0,60}+)?+(?:[eE][-+]?+[0-9]{1,2}+)?+|[-+]Inf|NaN)
       (?:[ ](-?+[0-9]{1,18}+))?+
      |\#([^\n]*+)
      |([^\n]*+)
    )(?:\n|\Z)
    """,
    re.VERBOSE,
)
# A sample with any white space, quoted names, and an exemplar.
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_SAMPLE = re.compile(
    rf"""
    (?:([a-zA-Z_:][a-zA-Z0-9_:]*+)[ \t]*+)?+
    (?:\{{((?:[^{{}}"]++|{_QUOTED})*+)\}}[ \t]*+)?+
    (?<=[ \t}}])([^ \t{{}}]++)
    (?:[ \t]++(-?[0-9][^ \t]*+))?+
    (?:[ \t]++\#[ \t]*+(\{{(?:[^{{}}"]++|{_QUOTED})*+\}}.*+))?+
    """,
    re.VERBOSE,
)
# A label, or the name of the metric between quotes, with any white space around its parts.
_SPACED_LABEL = re.compile(
    rf"""
    [ \t]*+([a-zA-Z_][a-zA-Z0-9_]*+|{_QUOTED})[ \t]*+
    (?:=[ \t]*+({_QUOTED})[ \t]*+)?+
    (?:,|\Z)
    """,
    re.VERBOSE,
)
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*+")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*+")
_NUMBER = re.compile(
    r"[-+]?+(?:(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:e[-+]?+[0-9]++)?+|inf(?:inity)?+)|nan", re.IGNORECASE
)
_TIMESTAMP = re.compile(r"-?[0-9]{1,18}")
# The word, the name and the rest of a comment with metadata.
_METADATA = re.compile(rf"[ \t]++(HELP|TYPE)[ \t]++({_QUOTED}|[^ \t]++)(?:[ \t]++(.*+)|[ \t]*+)")
_HELP_ESCAPE = re.compile(r"\\([\\n])")
_OPENMETRICS_HELP_ESCAPE = re.compile(r'\\([\\n"])')

# For each kind: the suffix of a sample, the suffix of the family in which it is written, and the kind of that family.
_TEXT_SUFFIXES = {
    "counter": (("", "", "counter"),),
    "gauge": (("", "", "gauge"),),
    "histogram": tuple((suffix, "", "histogram") for suffix in ("", "_bucket", "_sum", "_count")),
    "summary": tuple((suffix, "", "summary") for suffix in ("", "_sum", "_count")),
    UNTYPED: (("", "", UNTYPED),),
}
# The text format has fewer kinds than OpenMetrics, and its counters are named with `_total`.
_OPENMETRICS_SUFFIXES = {
    "counter": (("_total", "_total", "counter"), ("_created", "_created", "gauge")),
    "gauge": (("", "", "gauge"),),
    "gaugehistogram": tuple((suffix, suffix, "gauge") for suffix in ("_bucket", "_gsum", "_gcount")),
    "histogram": (*_TEXT_SUFFIXES["histogram"], ("_created", "_created", "gauge")),
    "info": (("_info", "_info", "gauge"),),
    "stateset": (("", "", "gauge"),),
    "summary": (*_TEXT_SUFFIXES["summary"], ("_created", "_created", "gauge")),
    "unknown": (("", "", UNTYPED),),
    UNTYPED: (("", "", UNTYPED),),
}


class ParsingStoppedError(Exception):
    """Nobody needs the page any longer."""


def parse_page(
    body: bytes, limits: PageLimits, content_type: str = "", should_stop: Callable[[], bool] = lambda: False
) -> Page:
    """Return the families of a page, or raise a `PageError`.

    Without a content type, a page whose last line is `# EOF` is OpenMetrics. Exemplars are removed and counted.
    Raises ParsingStoppedError soon after `should_stop` returns True.
    """
    if len(body) > limits.max_bytes:
        raise PageError("too_large", f"more than {limits.max_bytes} bytes")
    if body.count(b"\n") > limits.max_samples * MAX_LINES_PER_SAMPLE:
        raise PageError("too_large", f"more than {limits.max_samples * MAX_LINES_PER_SAMPLE} lines")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise PageError("not_text", "invalid UTF-8", body.count(b"\n", 0, error.start) + 1) from None
    has_end = ("\n" + text).removesuffix("\n").endswith("\n# EOF")
    is_openmetrics = OPENMETRICS in content_type.lower() or (not content_type and has_end)
    if is_openmetrics and not has_end:
        raise PageError("not_text", "the page does not end with # EOF", text.count("\n") + 1)
    reader = _PageReader(limits.max_samples, is_openmetrics=is_openmetrics)
    reader.read(text, should_stop)
    return Page(reader.build_families(), reader.dropped_exemplars, frozenset(reader.label_orders))


class _PageReader:
    """Collects the samples by name and the metadata, then builds the families."""

    def __init__(self, max_samples: int, *, is_openmetrics: bool) -> None:
        self._max_samples = max_samples
        self._is_openmetrics = is_openmetrics
        self._suffixes = _OPENMETRICS_SUFFIXES if is_openmetrics else _TEXT_SUFFIXES
        self._kinds: dict[str, str] = {}
        self._helps: dict[str, str] = {}
        self._samples: dict[str, list[SampleLine]] = {}
        # Names of metadata and samples, in the order of their first appearance.
        self._names: dict[str, None] = {}
        # What stands between the values of label texts that were checked: the same for all series of a metric.
        self._valid_label_names: set[tuple[str, ...]] = set()
        self.label_orders: set[tuple[str, ...]] = set()
        self.dropped_exemplars = 0

    def read(self, text: str, should_stop: Callable[[], bool]) -> None:
        position = 0
        line_number = 1
        count = 0
        while position < len(text):
            newline = text.find("\n", position + _PART_CHARACTERS)
            end = newline + 1 if newline >= 0 else len(text)
            count += self._read_lines(_LINE.findall(text, position, end), line_number)
            if max(count, len(self._names)) > self._max_samples:
                raise PageError("too_large", f"more than {self._max_samples} samples or families")
            if should_stop():
                raise ParsingStoppedError
            line_number += text.count("\n", position, end)
            position = end

    def _read_lines(self, lines: list[tuple[str, str, str, str, str, str]], first_line_number: int) -> int:
        """Store samples and metadata, and return the number of samples."""
        count = 0
        last_name = ""
        samples: list[SampleLine] = []
        append = samples.append
        valid_label_names = self._valid_label_names
        is_openmetrics = self._is_openmetrics
        for line_number, (name, label_text, value, timestamp, comment, other) in enumerate(lines, first_line_number):
            if name:
                if label_text and ("\\" in label_text or tuple(label_text.split('"')[::2]) not in valid_label_names):
                    label_text = self._check_labels(label_text, line_number)  # noqa: PLW2901 # the usual form of it
                if is_openmetrics and timestamp:
                    timestamp = _convert_timestamp(timestamp, line_number)  # noqa: PLW2901 # the same in milliseconds
                if name != last_name:
                    last_name = name
                    append = self._get_samples(name).append
                append(SampleLine(last_name, label_text, value, timestamp or None))
                count += 1
            elif comment:
                self._read_comment(comment, line_number)
            elif other and not other.isspace():
                sample = self._read_sample(other.strip(" \t\r"), line_number)
                self._get_samples(sample.name).append(sample)
                count += 1
        return count

    def build_families(self) -> list[Family]:
        """Return the families in the order in which their names appeared first."""
        families_by_sample = self._map_sample_names()
        families: dict[str, Family] = {}
        for name in self._names:
            if name in self._kinds or name in self._helps:
                kind = self._kinds.get(name, UNTYPED)
                _, suffix, family_kind = self._suffixes[kind][0]
                families.setdefault(name + suffix, Family(name + suffix, family_kind, self._helps.get(name)))
            if name in self._samples:
                family = families_by_sample.get(name) or Family(name)
                families.setdefault(family.name, family).samples.extend(self._samples[name])
        return list(families.values())

    def _map_sample_names(self) -> dict[str, Family]:
        """Return the families with metadata by the names of their samples. A name with metadata is its own family."""
        families_by_sample: dict[str, Family] = {}
        for name in [name for name in self._names if name in self._kinds or name in self._helps]:
            for sample_suffix, suffix, kind in self._suffixes[self._kinds.get(name, UNTYPED)]:
                family = Family(name + suffix, kind, self._helps.get(name))
                if sample_suffix:
                    families_by_sample.setdefault(name + sample_suffix, family)
                else:
                    families_by_sample[name] = family
        return families_by_sample

    def _get_samples(self, name: str) -> list[SampleLine]:
        self._names[name] = None
        return self._samples.setdefault(name, [])

    def _check_labels(self, label_text: str, line_number: int) -> str:
        """Return the labels as `format_labels` writes them; raise an error if they are invalid."""
        name, labels = _read_labels(label_text, line_number)
        if name:
            raise PageError("not_text", "a second name of the metric", line_number)
        self.label_orders.add(tuple(label for label, _ in labels))
        normalized = format_labels(labels)
        if normalized == label_text and "\\" not in label_text:
            self._valid_label_names.add(tuple(label_text.split('"')[::2]))
        return normalized

    def _read_sample(self, line: str, line_number: int) -> SampleLine:
        """Return the sample of a line that is not in the most frequent form."""
        match = _SAMPLE.fullmatch(line)
        if not match:
            raise PageError("not_text", "not a sample", line_number)
        name, label_text, value, timestamp, exemplar = match.groups()
        quoted_name, labels = _read_labels(label_text or "", line_number)
        if bool(name) == bool(quoted_name):
            raise PageError("not_text", "a sample needs one name", line_number)
        _check_number(value, line_number)
        self.dropped_exemplars += exemplar is not None
        if timestamp and self._is_openmetrics:
            timestamp = _convert_timestamp(timestamp, line_number)
        elif timestamp and not _TIMESTAMP.fullmatch(timestamp):
            raise PageError("not_text", "a timestamp must be an integer", line_number)
        self.label_orders.add(tuple(label for label, _ in labels))
        return SampleLine(name or quoted_name, format_labels(labels), value, timestamp)

    def _read_comment(self, comment: str, line_number: int) -> None:
        match = _METADATA.fullmatch(comment.rstrip(" \t\r"))
        if not match:
            return
        word, name, text = match.groups()
        name = _read_metric_name(name, line_number)
        if word == "HELP":
            escape = _OPENMETRICS_HELP_ESCAPE if self._is_openmetrics else _HELP_ESCAPE
            self._helps.setdefault(name, escape.sub(lambda found: "\n" if found[1] == "n" else found[1], text or ""))
        elif text in _OPENMETRICS_SUFFIXES:
            self._kinds.setdefault(name, text if text in self._suffixes else UNTYPED)
        else:
            raise PageError("not_text", f"{name} has an unknown type", line_number)
        self._names[name] = None


def _read_labels(text: str, line_number: int) -> tuple[str, list[tuple[str, str]]]:
    """Return the name of the metric, if it is among the labels, and the labels."""
    metric_name = ""
    labels: list[tuple[str, str]] = []
    position = 0
    text = text.strip(" \t")
    while position < len(text):
        match = _SPACED_LABEL.match(text, position)
        if not match:
            raise PageError("not_text", "invalid labels", line_number)
        name, value = match.groups()
        if value is not None:
            labels.append((_read_label_name(name, line_number), unescape_label_value(value[1:-1])))
        elif position == 0 and name.startswith('"'):
            metric_name = _read_metric_name(name, line_number)
        else:
            raise PageError("not_text", "a label without a value", line_number)
        if len(labels) > MAX_LABELS_PER_SAMPLE:
            raise PageError("too_large", f"more than {MAX_LABELS_PER_SAMPLE} labels", line_number)
        position = match.end()
    _check_unique([name for name, _ in labels], line_number)
    return metric_name, labels


def _read_metric_name(text: str, line_number: int) -> str:
    name = unescape_label_value(text[1:-1]) if text.startswith('"') else text
    if not _METRIC_NAME.fullmatch(name):
        raise PageError("not_text", "a name of a metric with other characters than [a-zA-Z0-9_:]", line_number)
    return name


def _read_label_name(text: str, line_number: int) -> str:
    name = unescape_label_value(text[1:-1]) if text.startswith('"') else text
    if not _LABEL_NAME.fullmatch(name):
        raise PageError("not_text", "a name of a label with other characters than [a-zA-Z0-9_]", line_number)
    return name


def _check_unique(names: list[str], line_number: int) -> None:
    if len(set(names)) < len(names) or "__name__" in names:
        raise PageError("not_text", "the same label twice", line_number)


def _check_number(text: str, line_number: int) -> None:
    """Accept what Prometheus and Python read as a number. A number that is too large is an error for Prometheus."""
    if not _NUMBER.fullmatch(text) or (math.isinf(float(text)) and "inf" not in text.lower()):
        raise PageError("not_text", "the value is not a number", line_number)


def _convert_timestamp(seconds: str, line_number: int) -> str:
    """Return the milliseconds of a timestamp of OpenMetrics."""
    if not _NUMBER.fullmatch(seconds) or not math.isfinite(float(seconds)):
        raise PageError("not_text", "the timestamp is not a number", line_number)
    return str(round(float(seconds) * 1000))
