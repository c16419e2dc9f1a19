"""aggregator/exposition/parse.py: reads pages in the text format and in OpenMetrics."""

import pytest

from aggregator.errors import PageError
from aggregator.exposition.page import Family, Page, PageLimits, SampleLine
from aggregator.exposition.parse import ParsingStoppedError, parse_page


def parse(text: str, content_type: str = "") -> Page:
    """Parse a page with the default limits."""
    return parse_page(text.encode(), PageLimits(), content_type)


def parse_sample(line: str) -> SampleLine:
    """Return the only sample of a page with one line."""
    (family,) = parse(f"{line}\n").families
    (sample,) = family.samples
    return sample


def test_metadata_and_samples_form_families() -> None:
    """HELP and TYPE belong to the family of their name, and the samples of a histogram to one family."""
    page = parse(
        "# HELP lat Latency\n# TYPE lat histogram\n"
        'lat_bucket{le="0.1"} 1\nlat_bucket{le="+Inf"} 2\nlat_sum 0.3\nlat_count 2\n'
        "other 1\n"
    )
    assert page.families == [
        Family(
            "lat",
            "histogram",
            "Latency",
            [
                SampleLine("lat_bucket", 'le="0.1"', "1"),
                SampleLine("lat_bucket", 'le="+Inf"', "2"),
                SampleLine("lat_sum", "", "0.3"),
                SampleLine("lat_count", "", "2"),
            ],
        ),
        Family("other", samples=[SampleLine("other", "", "1")]),
    ]


def test_scattered_samples_are_gathered() -> None:
    """The samples of a family are together, even if the page has others between them, or the TYPE after them."""
    page = parse('a 1\nb 2\n# TYPE a gauge\na{x="1"} 3\n')
    assert [(family.name, family.kind, len(family.samples)) for family in page.families] == [
        ("a", "gauge", 2),
        ("b", "untyped", 1),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("m 1", SampleLine("m", "", "1")),
        ("m 1 1700000000000", SampleLine("m", "", "1", "1700000000000")),
        ("m\t+Inf\t-5", SampleLine("m", "", "+Inf", "-5")),
        ('  m { a = "1" , b="2", }  1e3 \r', SampleLine("m", 'a="1",b="2"', "1e3")),
        ('m{a="1",} 1', SampleLine("m", 'a="1"', "1")),
        ("m{} 1", SampleLine("m", "", "1")),
        ('m{a="x}y"} 1', SampleLine("m", 'a="x}y"', "1")),
        ('m{a="{b=\\"c\\"}"} NaN', SampleLine("m", 'a="{b=\\"c\\"}"', "NaN")),
        ('{"m",a="1"} 1', SampleLine("m", 'a="1"', "1")),
        ('m{"a"="1"} infinity', SampleLine("m", 'a="1"', "infinity")),
    ],
)
def test_every_valid_form_of_a_sample(line: str, expected: SampleLine) -> None:
    """White space, a last comma and quoted names change nothing; values and timestamps keep their text."""
    assert parse_sample(line) == expected


def test_label_values_are_unescaped() -> None:
    """The labels of a sample are the values that the target meant."""
    assert parse_sample('m{esc="a\\"b\\\\c\\nd",comma="x,y"} 3').labels == [("esc", 'a"b\\c\nd'), ("comma", "x,y")]


@pytest.mark.parametrize(
    "line",
    [
        "garbage",
        "<html><body>hi there</body></html>",
        "not found here {x} y",
        "m",
        "m one",
        "m 1_000",
        "m 0x10",
        "m 1e999",
        "m 1 2 3",
        "m 1 1.5",
        "1m 1",
        'm{a="1"b="2"} 1',
        'm{a="1",a="2"} 1',
        'm{a="1",,b="2"} 1',
        'm{,a="1"} 1',
        'm{a="1} 1',
        "m{a} 1",
        'm{a=1"} 1',
        'm{__name__="n"} 1',
        '{"with.dot"} 1',
        'm{"with.dot"="1"} 1',
        '{a="1"} 1',
        'm{"n",a="1"} 1',
        "# TYPE m bogus",
        "# TYPE m",
        "# HELP 1m text",
    ],
)
def test_one_invalid_line_makes_the_page_invalid(line: str) -> None:
    """The error names the line, and no sample of the page is used."""
    with pytest.raises(PageError) as caught:
        parse(f"good 1\n\n# comment\n{line}\ngood 2\n")
    assert (caught.value.reason, caught.value.line) == ("not_text", 4)


def test_a_page_that_is_not_utf_8_is_invalid() -> None:
    """The error names the line with the first invalid byte."""
    with pytest.raises(PageError) as caught:
        parse_page(b'm 1\nm{a="\xff"} 1\n', PageLimits())
    assert (caught.value.reason, caught.value.line) == ("not_text", 2)


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (b"m 1\n" * 4, PageLimits(max_bytes=15)),
        (b"m 1\n" * 4, PageLimits(max_samples=3)),
        (b"\n" * 100, PageLimits(max_samples=3)),
    ],
)
def test_a_page_beyond_its_limits_is_an_error(body: bytes, limits: PageLimits) -> None:
    """Bytes, samples and lines are limited."""
    with pytest.raises(PageError) as caught:
        parse_page(body, limits)
    assert caught.value.reason == "too_large"


def test_exemplars_are_removed_whole_and_counted() -> None:
    """The sample before an exemplar keeps its value and timestamp."""
    page = parse('m 1 # {trace_id="1"} 0.5\nn{a="#"} 2 1700000000000 # {t="a } # b"} 0.5 1700000000.5\n')
    assert [family.samples for family in page.families] == [
        [SampleLine("m", "", "1")],
        [SampleLine("n", 'a="#"', "2", "1700000000000")],
    ]
    assert page.dropped_exemplars == 2


OPENMETRICS_PAGE = """\
# TYPE req counter
# UNIT req seconds
# HELP req Requests \\"x\\".
req_total{code="200"} 5.0 1700000000.5 # {trace_id="1"} 0.5
req_created{code="200"} 1.7e9
# TYPE build info
build_info{version="1"} 1
# TYPE strange unknown
strange 2
# TYPE sizes gaugehistogram
sizes_bucket{le="+Inf"} 2
sizes_gsum 3
sizes_gcount 2
# EOF
"""


@pytest.mark.parametrize("content_type", ["", "application/openmetrics-text; version=1.0.0; charset=utf-8"])
def test_openmetrics_is_read_as_families_of_the_text_format(content_type: str) -> None:
    """Names of counters get `_total`, kinds that the text format lacks become gauges, timestamps milliseconds."""
    page = parse(OPENMETRICS_PAGE, content_type)
    assert [(family.name, family.kind, family.help, len(family.samples)) for family in page.families] == [
        ("req_total", "counter", 'Requests "x".', 1),
        ("req_created", "gauge", 'Requests "x".', 1),
        ("build_info", "gauge", None, 1),
        ("strange", "untyped", None, 1),
        ("sizes_bucket", "gauge", None, 1),
        ("sizes_gsum", "gauge", None, 1),
        ("sizes_gcount", "gauge", None, 1),
    ]
    assert page.families[0].samples == [SampleLine("req_total", 'code="200"', "5.0", "1700000000500")]
    assert page.dropped_exemplars == 1


def test_openmetrics_without_its_end_is_invalid() -> None:
    """A page that was cut off is not used."""
    with pytest.raises(PageError):
        parse("# TYPE a gauge\na 1\n", "application/openmetrics-text; version=1.0.0")


def test_an_end_marker_in_the_text_format_is_a_comment() -> None:
    """`# EOF` inside of a page in the text format has no meaning, and its timestamps are milliseconds."""
    page = parse("a 1 1700000000000\n# EOF\nb 2\n")
    assert [family.samples[0].timestamp for family in page.families] == ["1700000000000", None]
    assert parse("a 1 1700000000000\n# EOF\n", "text/plain").families[0].samples[0].timestamp == "1700000000000"


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"# TYPE a{number} gauge\n" for number in range(11)),
        "a{" + ",".join(f'b{number}="1"' for number in range(1001)) + "} 1\n",
    ],
)
def test_families_and_labels_are_limited(text: str) -> None:
    """A page of more families than samples are allowed is too large, and so is one with a thousand labels."""
    with pytest.raises(PageError) as caught:
        parse_page(text.encode(), PageLimits(max_samples=10))
    assert caught.value.reason == "too_large"


def test_parsing_can_be_stopped() -> None:
    """Nothing is read after the caller has lost interest."""
    with pytest.raises(ParsingStoppedError):
        parse_page(b"a 1\n", PageLimits(), should_stop=lambda: True)
