"""Merged pages are what the parser of prometheus_client reads from the pages one by one: it is the judge."""

import contextlib
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from aggregator.errors import PageError
from aggregator.exposition.labels import escape_label_value
from aggregator.exposition.merge import merge_pages
from aggregator.exposition.page import Page, PageLimits
from aggregator.exposition.parse import parse_page
from aggregator.exposition.relabel import relabel
from aggregator.exposition.write import write_families
from aggregator.scrape.job_page import write_job_page
from aggregator.scrape.pod_targets import PodTarget
from tests.fuzz.fuzz_settings import fuzz_examples

# The value as text, because NaN differs from itself, and the timestamp.
Series = dict[tuple[str, frozenset[tuple[str, str]]], tuple[str, float | None]]

LABEL_VALUES = st.text(st.sampled_from('ab"\\\n{}=, #é\u2028'), max_size=6)
LABELS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "_c", "instance"]), LABEL_VALUES), unique_by=lambda label: label[0]
)
NUMBERS = st.one_of(
    st.sampled_from(
        ["NaN", "+Inf", "-Inf", "inf", "1e5", ".5", "5.", "-0", "1E-300", "123456789012345678901234567890"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
)
TIMESTAMPS = st.one_of(st.just(""), st.integers(-(10**12), 10**15).map(lambda number: f" {number}"))
SPACES = st.sampled_from(["", "", "", " ", "\t "])
HELP_TEXTS = st.text(st.sampled_from('ab"\\n #'), max_size=6)
# The judge appends `_total` to the samples of counters, so all names of counters have it, and no other names.
NAMES_AND_KINDS = {
    "requests_total": ["counter", "untyped", ""],
    "temperature": ["gauge", "summary", "histogram", "untyped", ""],
    "lat": ["histogram", "summary", "gauge", ""],
    "lat_sum": ["gauge", ""],
}
SAMPLE_SUFFIXES = {"histogram": ["_bucket", "_sum", "_count"], "summary": ["", "_sum", "_count"]}


@st.composite
def draw_sample_line(draw: st.DrawFn, name: str) -> str:
    """Draw a sample with any labels, white space, value and timestamp."""
    labels = [
        f'{draw(SPACES)}{label}{draw(SPACES)}={draw(SPACES)}"{escape_label_value(value)}"{draw(SPACES)}'
        for label, value in draw(LABELS)
    ]
    last_comma = draw(st.sampled_from(["", ","] if labels else [""]))
    braces = f"{{{','.join(labels)}{last_comma}}}" if labels else draw(st.sampled_from(["", "{}"]))
    return f"{draw(SPACES)}{name}{draw(SPACES)}{braces} {draw(SPACES)}{draw(NUMBERS)}{draw(TIMESTAMPS)}{draw(SPACES)}"


@st.composite
def draw_page(draw: st.DrawFn) -> str:
    """Draw a page whose families may be scattered, without samples, and with other types than on other pages."""
    lines = []
    for name in draw(st.lists(st.sampled_from(list(NAMES_AND_KINDS)), unique=True)):
        kind = draw(st.sampled_from(NAMES_AND_KINDS[name]))
        if draw(st.booleans()):
            lines.append(f"# HELP {name} {draw(HELP_TEXTS)}")
        if kind:
            lines.append(f"# TYPE {name} {kind}")
        suffixes = draw(st.lists(st.sampled_from(SAMPLE_SUFFIXES.get(kind, [""])), max_size=4))
        lines += [draw(draw_sample_line(name + suffix)) for suffix in suffixes]
        lines += draw(st.lists(st.sampled_from(["", "# comment", "#", "  "]), max_size=1))
    lines = draw(st.one_of(st.just(lines), st.permutations(lines)))
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n"]))


def judge(text: str) -> list[Metric]:
    """Parse a page with the parser of prometheus_client."""
    return list(text_string_to_metric_families(text))


def read_series(metrics: Iterable[Metric]) -> Series:
    """Return the first sample of each series."""
    series: Series = {}
    for metric in metrics:
        for sample in metric.samples:
            key = sample.name, frozenset((name, value) for name, value in sample.labels.items() if value)
            timestamp = None if sample.timestamp is None else float(str(sample.timestamp))
            series.setdefault(key, (str(float(sample.value)), timestamp))
    return series


def parse(text: str) -> Page:
    """Parse a page with the default limits."""
    return parse_page(text.encode(), PageLimits(), "text/plain")


@fuzz_examples(60)
@given(st.lists(draw_page(), min_size=1, max_size=4))
def test_merged_pages_contain_each_series_once_and_unchanged(texts: list[str]) -> None:
    """No sample is lost, doubled or changed, and every page that the judge accepts is accepted."""
    merged = merge_pages(map(parse, texts))
    written = write_families(merged.families).decode()
    expected: Series = {}
    for text in texts:
        for key, value in read_series(judge(text)).items():
            expected.setdefault(key, value)
    read = [sample for metric in judge(written) for sample in metric.samples]
    assert read_series(judge(written)) == expected
    assert len(read) == len(expected)
    assert len(read) + merged.dropped_duplicates == sum(page.count_samples() for page in map(parse, texts))


@fuzz_examples(60)
@given(st.lists(draw_page(), min_size=1, max_size=4))
def test_every_family_of_merged_pages_is_there_once(texts: list[str]) -> None:
    """Each family has one HELP, that of the first page that has one, and one TYPE."""
    merged = merge_pages(map(parse, texts))
    metadata = [line for line in write_families(merged.families).decode().split("\n") if line.startswith("# ")]
    assert len({tuple(line.split(" ")[1:3]) for line in metadata}) == len(metadata)
    helps: dict[str, str] = {}
    for text in texts:
        for family in parse(text).families:
            if family.help is not None:
                helps.setdefault(family.name, family.help)
    assert {family.name: family.help for family in merged.families if family.help is not None} == helps


@fuzz_examples(40)
@given(draw_page(), st.sampled_from(["one", 'two "2"\\\n']))
def test_relabeled_pages_have_the_labels_of_their_target(text: str, instance: str) -> None:
    """Every series of a relabelled page has the label of the target, and its own as `exported_instance`."""
    page = relabel(merge_page(parse(text)), {"instance": instance})
    expected: Series = {}
    for (name, labels), value in read_series(judge(text)).items():
        own = {f"exported_{label}" if label == "instance" else label: text for label, text in labels}
        expected[name, frozenset({**own, "instance": instance}.items())] = value
    assert read_series(judge(write_families(page.families).decode())) == expected


@fuzz_examples(40)
@given(st.lists(draw_page(), min_size=1, max_size=3))
def test_every_page_of_a_job_is_valid(texts: list[str]) -> None:
    """The page of a job in the layout of the older program has every series once, and `up` of each pod."""
    targets = [PodTarget("j", "ns", f"pod-{number}", "10.0.0.1") for number in range(len(texts))]
    job_page = write_job_page((target, parse(text)) for target, text in zip(targets, texts, strict=True))
    read = [sample for metric in judge(job_page.body.decode()) for sample in metric.samples]
    expected: Series = {}
    for target, text in zip(targets, texts, strict=True):
        up_labels = frozenset(target.labels.items())
        expected["up", up_labels] = ("1.0", None)
        for (name, labels), value in read_series(judge(text)).items():
            expected.setdefault((name, frozenset({**dict(labels), **target.labels}.items())), value)
    assert len(read) == len(expected)
    assert read_series(judge(job_page.body.decode())) == expected


def merge_page(page: Page) -> Page:
    """Return a page without duplicates."""
    return Page(merge_pages([page]).families)


MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([*'{}",= \\#\t\n\r1e.a_:+-N\u00a0', ""])),
    min_size=1,
    max_size=4,
)


@fuzz_examples(150)
@given(draw_page(), MUTATIONS)
def test_what_is_read_from_a_damaged_page_is_valid(text: str, mutations: list[tuple[float, str]]) -> None:
    """A damaged page is an error, or is read as the judge reads it, and written so that the judge accepts it."""
    for place, character in mutations:
        position = int(place * len(text))
        text = text[:position] + character + text[position + 1 :]
    try:
        page = parse(text)
    except PageError:
        return
    written = write_families(page.families)
    read = read_series(judge(written.decode()))
    assert read == read_series(judge(write_families(parse(written.decode()).families).decode()))
    with contextlib.suppress(ValueError):
        if page.dropped_exemplars == 0:
            assert read == read_series(judge(text))
