"""aggregator/scrape/job_page.py: the page of a job, compared with pages recorded from the older aggregator."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.errors import PageError
from aggregator.exposition.page import Page, PageLimits
from aggregator.exposition.parse import parse_page
from aggregator.scrape.job_page import write_job_page
from aggregator.scrape.pod_targets import PodTarget

RECORDED = Path(__file__).parents[1] / "data" / "older-programs"


def read_recorded(name: str) -> str:
    """Return a recorded page."""
    return (RECORDED / name).read_text(encoding="utf-8")


def read_input(port: int) -> Page:
    """Return the page that a pod had while the recordings were made."""
    return parse_page((RECORDED / f"001_input_target_{port}.txt").read_bytes(), PageLimits(), "text/plain")


def make_target(job: str, pod: str, namespace: str = "ns2") -> PodTarget:
    """Return a target with the address of all recorded pods."""
    return PodTarget(job, namespace, pod, "127.0.0.1")


def write(*pages: tuple[PodTarget, Page | None]) -> str:
    """Return the text of a job's page."""
    return write_job_page(pages).body.decode()


def replace_once(text: str, replacements: dict[str, str]) -> str:
    """Replace texts that occur exactly once."""
    for old, new in replacements.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_a_job_with_two_pods_and_two_that_are_down() -> None:
    """The page of a job is the recorded one, with these differences.

    - A type conflict makes the family untyped, and the first HELP wins; the last pod decided both.
    - TYPE without HELP is written; it was dropped.
    - Escaped quotes survive; the value ended before them, which made the page invalid.
    - Timestamps survive; they were written as the value, or made the line invalid.
    - `le` is sorted as a number, so that +Inf is last.
    - `up` is last, once per pod; that of the pods themselves has the same labels, and was written as well.
    """
    page = write(
        (make_target("j", "a-0", "ns1"), read_input(9301)),
        (make_target("j", "b-0"), read_input(9302)),
        (make_target("j", "c-0"), None),
        (make_target("j", "d-0"), None),
    )
    pod_a = 'instance="a-0",job="j",pod_namespace="ns1",pod_ip="127.0.0.1"'
    pod_b = 'instance="b-0",job="j",pod_namespace="ns2",pod_ip="127.0.0.1"'
    up_start, up_end = "# HELP up Up\n# TYPE up gauge\n", f"up{{{pod_a}}} 1\nup{{{pod_b}}} 1\n"
    recorded = read_recorded("001_head_j.txt")
    up_lines = "".join(line for line in recorded.splitlines(keepends=True) if line.startswith('up{job="j"'))
    infinite = f'lat_bucket{{le="+Inf",{pod_a}}} 2\nlat_bucket{{le="+Inf",{pod_b}}} 2\n'
    finite = f'lat_bucket{{le="0.1",{pod_a}}} 1\nlat_bucket{{le="0.1",{pod_b}}} 1\n'
    assert page == replace_once(
        recorded,
        {
            "# HELP foo_total Other help.\n# TYPE foo_total gauge\n": (
                "# HELP foo_total Foo help.\n# TYPE foo_total untyped\n"
            ),
            f'esc="a\\",comma="x,y",{pod_a}': f'esc="a\\"b",comma="x,y",{pod_a}',
            f'esc="a\\",comma="x,y",{pod_b}': f'esc="a\\"b",comma="x,y",{pod_b}',
            f"{up_start}{up_end}{up_lines}": "",
            f"notyped{{{pod_a}}}": f"# TYPE notyped gauge\nnotyped{{{pod_a}}}",
            f'ts_metric{{a="b",{pod_a}}}': f'ts_metric{{a="b",{pod_a}}} 7',
            f'ts_metric{{a="b",{pod_b}}}': f'ts_metric{{a="b",{pod_b}}} 7',
            f"ts_plain 7{{{pod_a}}}": f"ts_plain{{{pod_a}}} 7",
            f"ts_plain 7{{{pod_b}}}": f"ts_plain{{{pod_b}}} 7",
            f"{infinite}{finite}": f"{finite}{infinite}",
            "} 2\n\n": f"}} 2\n{up_start}{up_lines}\n",
        },
    )


def test_escapes_and_exemplars() -> None:
    """The page of unusual lines is the recorded one, with these differences.

    - White space and a last comma within labels are removed.
    - Escaped quotes survive.
    - An exemplar is removed whole; the labels were added inside of it.
    - Lines are sorted by the name and the labels alone.
    """
    pod = 'instance="h",job="jh",pod_namespace="ns2",pod_ip="127.0.0.1"'
    first = f'foo{{ d="z", e="q",{pod}}} 4\n'
    middle = f'foo{{a="b c",{pod}}} 1\nfoo{{b="x}}y",{pod}}} 2\n'
    escaped, exemplar = f'foo{{c="x=\\",{pod}}} 3\n', f'foo 1 # {{trace_id="1",{pod}}} 0.5\n'
    expected = replace_once(
        read_recorded("001_head_jh.txt"),
        {
            f"{first}{middle}{escaped}{exemplar}": (
                f'{middle}foo{{c="x=\\"y",{pod}}} 3\nfoo{{d="z",e="q",{pod}}} 4\nfoo{{{pod}}} 1\n'
            )
        },
    )
    job_page = write_job_page([(make_target("jh", "h"), read_input(9306))])
    assert job_page.body.decode() == expected
    assert job_page.dropped_exemplars == 1


@pytest.mark.parametrize(("job", "pod", "port"), [("j404", "e-0", 9304), ("jbad", "bad", 9305)])
def test_a_pod_with_an_invalid_page_is_down(job: str, pod: str, port: int) -> None:
    """A page that is not one of metrics, or has an invalid line, costs its pod; it was written with `up` 1."""
    with pytest.raises(PageError):
        read_input(port)
    up_line = read_recorded(f"001_head_{job}.txt").splitlines()[-2]
    assert write((make_target(job, pod), None)) == replace_once(up_line, {"} 1": "} 0"}) + "\n\n"


def test_own_labels_are_overwritten_in_their_place() -> None:
    """An own label of the name of a pod's label keeps its place, others are appended in their order."""
    page = parse_page(b'm{pod_ip="x",code="1",empty="",job="own"} 1\n', PageLimits())
    sample, up, end = write((make_target("j", "a"), page)).split("\n", 2)
    assert sample == 'm{pod_ip="127.0.0.1",code="1",job="j",instance="a",pod_namespace="ns2"} 1'
    assert up == 'up{job="j",instance="a",pod_namespace="ns2",pod_ip="127.0.0.1"} 1'
    assert end == "\n"


def test_an_own_up_with_other_labels_stays() -> None:
    """An `up` of what the pod itself scrapes is another series, and is together with that of the pod."""
    page = parse_page(b'up{backend="x"} 0\nup 0\nafter 1\n', PageLimits())
    job_page = write_job_page([(make_target("j", "a"), page)])
    lines = job_page.body.decode().splitlines()
    assert [line.partition("{")[0] for line in lines] == ["after", "up", "up", ""]
    assert lines[2] == 'up{job="j",instance="a",pod_namespace="ns2",pod_ip="127.0.0.1"} 1'
    assert job_page.dropped_duplicates == 1


def test_bounds_are_sorted_as_numbers() -> None:
    """Buckets are in the order of their bounds, wherever `le` is; a bound that is not a number is sorted as text."""
    page = parse_page(
        b'b{x="1",le="10"} 1\nb{x="1",le="+Inf"} 1\nb{x="1",le="9"} 1\nb{x="0",le="11"} 1\nb{x="1",le="a"} 1\n',
        PageLimits(),
    )
    lines = write((make_target("j", "a"), page)).splitlines()
    bounds = [line.partition('le="')[2].partition('"')[0] for line in lines if line.startswith("b{")]
    assert bounds == ["11", "9", "10", "+Inf", "a"]


def test_the_judge_accepts_the_page() -> None:
    """The parser of prometheus_client reads each series once."""
    text = write(*((make_target("j", pod), read_input(9301)) for pod in ("a", "b")))
    series = [
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    assert len(series) == len(set(series)) == 2 * (read_input(9301).count_samples())


def test_the_page_of_a_job_without_pods_is_empty() -> None:
    """Only the blank line remains."""
    assert write() == "\n"
