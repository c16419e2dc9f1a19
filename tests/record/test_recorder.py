"""Recording: what upstreams answer to a refresh is in the file, and nothing that is secret."""

import argparse
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from aggregator import cli
from aggregator.errors import MalformedError, QueryError, RefusedError, UnreachableError
from aggregator.models.catalog import CATALOG
from aggregator.querier.decode import decoder
from aggregator.querier.gather import Gatherer, Source
from aggregator.record.command import telling
from aggregator.record.progress import Counted, Progress
from aggregator.record.recorder import Beat, Recorder
from aggregator.recording import lines
from aggregator.recording.mask import LEFT_OUT, Mask, together
from aggregator.recording.tape import Tape, body_of
from aggregator.recording.writer import Writer
from aggregator.secrets import NONE_KNOWN, Secrets
from aggregator.settings import read
from aggregator.sources import sources_of, taker_of
from aggregator.take import Views
from aggregator.views import BY_NAME, v1
from tests import cases
from tests.samples import body
from tests.upstreams import NAMES, Said, Upstream, cluster

SECRET = "hunter2-hunter2"
QUIET = Progress(1, io.StringIO())
SALT = b"0123456789abcdef"


def beat() -> Beat:
    """Return a pace that waits for nothing."""
    return Beat(0.0, sleep=lambda _seconds: None)


@contextmanager
def recorder(
    path: Path, upstreams: Mapping[str, Upstream], mask: Mask | None = None, secrets: tuple[str, ...] = ()
) -> Iterator[Recorder]:
    """Return what records upstreams into a file."""
    gatherers = [Gatherer(upstream, 4, 60.0, Source(name)) for name, upstream in upstreams.items()]
    with Writer(path.open("wb"), [lines.Source(name) for name in upstreams], 0.0) as writer:
        yield Recorder(gatherers, writer, mask, Secrets(secrets))
    for gatherer in gatherers:
        gatherer.close()


def answers(path: Path, number: int = 0) -> dict[str, bytes | QueryError]:
    """Return what a refresh of a recording of one source was answered, by row."""
    with Tape(str(path)) as tape:
        return {
            answer.query: lines.error_of(answer.failure) if answer.failure else body_of(answer, frame, 2**20)
            for answer, frame in tape.answers(number)
        }


def unpacked(path: Path) -> str:
    """Return all that a recording holds."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        return reader.readall().decode()


def test_every_answer_of_every_source_is_written_as_it_came(tmp_path: Path) -> None:
    """Each row of each source of each refresh is in the file, in the order of reading, to the byte."""
    said = cluster(hosts=["n"])
    with recorder(tmp_path / "a", {"eu": Upstream(said), "us": Upstream()}) as made:
        assert made.record(2, beat(), QUIET)
    assert (made.counted.answers, made.counted.failures) == (4 * len(CATALOG), 0)
    with Tape(str(tmp_path / "a")) as tape:
        assert [source.name for source in tape.header.sources] == ["eu", "us"]
        for number in (0, 1):
            found = [(answer.query, answer.source) for answer, _ in tape.answers(number)]
            assert {row for row, _ in found} == {row.name for row in CATALOG}
            assert len(found) == 2 * len(CATALOG)
            assert (
                tape.body(number, ("eu", {v: k for k, v in NAMES.items()}["orchestrators"]), 2**20)
                == said["orchestrators"]
            )


def test_errors_are_written_with_their_reasons(tmp_path: Path) -> None:
    """A query that failed is in the file as what it was, so that a replay fails in the same way."""
    said: dict[str, QueryError | bytes] = {
        "uptime": RefusedError(422, "execution: x", 3.0),
        "memory_free": UnreachableError("gone"),
    }
    with recorder(tmp_path / "a", {"p": Upstream(said)}) as made:
        made.record(1, beat(), QUIET)
    found = answers(tmp_path / "a")
    for row, error in said.items():
        assert (type(found[row]), str(found[row])) == (type(error), str(error))
    assert made.counted.failures == 2


def test_what_is_no_answer_is_not_written(tmp_path: Path) -> None:
    """A page that stands where Prometheus should, whatever is in it, is recorded as an error, without it."""
    page = b'{"status":"success","login":"' + b"x" * 100 + SECRET.encode() + b'"}'
    with recorder(tmp_path / "a", {"p": Upstream({"uptime": page})}) as made:
        made.record(1, beat(), QUIET)
    assert isinstance(answers(tmp_path / "a")["uptime"], MalformedError)
    assert SECRET not in unpacked(tmp_path / "a")


def test_secrets_in_errors_are_stars(tmp_path: Path) -> None:
    """What an upstream or a library repeats of a password, a token or a URL's credentials is not in the file."""
    said: dict[str, Said] = {
        "uptime": RefusedError(401, f"wrong password {SECRET} for you"),
        "memory_free": UnreachableError("https://u:p4ss@host refused Bearer abcdefgh12345678"),
    }
    with recorder(tmp_path / "a", {"p": Upstream(said)}, secrets=(SECRET,)) as made:
        made.record(1, beat(), QUIET)
    text = unpacked(tmp_path / "a")
    assert not [word for word in (SECRET, "p4ss", "abcdefgh12345678") if word in text]
    assert "wrong password *** for you" in text


@pytest.mark.parametrize("mask", [None, Mask(["node"], SALT)])
@pytest.mark.parametrize("secret", [SECRET, 'a<b>&c"d\\e', "wörd-wörd"])
def test_secrets_in_answers_are_stars(tmp_path: Path, secret: str, mask: Mask | None) -> None:
    """What an upstream repeats in a label or beside the samples is not in the file, however JSON writes it."""
    answer = json.loads(body([({"pod": f"p {secret}", secret: "x", "node": "n"}, "7")], warnings=[f"no {secret}"]))
    answer["infos"] = {"about": secret}
    go: dict[str, int | str | None] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
    said: dict[str, Said] = {
        "uptime": json.dumps(answer).encode(),
        "memory_free": json.dumps(answer, ensure_ascii=False).translate(str.maketrans(go)).encode(),
    }
    with recorder(tmp_path / "a", {"p": Upstream(said)}, mask, secrets=(secret,)) as made:
        made.record(1, beat(), QUIET)
    assert made.counted.failures == 0
    text = unpacked(tmp_path / "a")
    assert not [form for form in (secret, json.dumps(secret)[1:-1], "wörd", "u003c") if form in text]
    with Tape(str(tmp_path / "a")) as tape:
        for row in said:
            answered = decoder(None)(tape.body(0, ("p", {v: k for k, v in NAMES.items()}[row]), 2**20))
            assert answered.samples[0].metric | {"node": "n"} == {"pod": "p ***", "***": "x", "node": "n"}
            assert answered.samples[0].value.text == "7"
            assert len(answered.warnings) == len(answered.remarks) == 1
            assert mask or (answered.warnings, answered.remarks) == (("no ***",), ('{"about":"***"}',))


def test_a_secret_in_the_place_of_a_value_is_not_written(tmp_path: Path) -> None:
    """An upstream that repeats a secret as the value of a sample is not quoted."""
    said: dict[str, Said] = {"uptime": body([({"node": "n"}, "s3cret-of-the-upstream")])}
    with recorder(tmp_path / "a", {"p": Upstream(said)}, secrets=("s3cret-of-the-upstream",)) as made:
        made.record(1, beat(), QUIET)
    assert "s3cret" not in unpacked(tmp_path / "a")


def test_answers_without_secrets_are_written_to_the_byte(tmp_path: Path) -> None:
    """What only looks like a secret stays in an answer, and so does each byte of one that holds none."""
    answer = body([({"pod": "Bearer abcdefgh12345678", "url": "http://u:p4ss@host"}, "7")])
    with recorder(tmp_path / "a", {"p": Upstream({"uptime": answer})}, secrets=(SECRET,)) as made:
        made.record(1, beat(), QUIET)
    assert answer.decode() in unpacked(tmp_path / "a")


def test_with_masked_labels_no_upstream_is_quoted(tmp_path: Path) -> None:
    """An error of the upstream may repeat what is masked: its status stays, its words do not."""
    said: dict[str, Said] = {
        "uptime": RefusedError(422, 'found duplicate series {pod="p-secret"}'),
        "memory_free": b"p-secret",
        "memory_total": UnreachableError("the connection broke or never stood (BadStatusLine: p-secret)"),
    }
    with recorder(tmp_path / "a", {"p": Upstream(said)}, Mask(["pod"], SALT)) as made:
        made.record(1, beat(), QUIET)
    assert str(answers(tmp_path / "a")["uptime"]) == f"HTTP 422: {LEFT_OUT}"
    assert "p-secret" not in unpacked(tmp_path / "a")


def objects(document: bytes) -> list[int]:
    """Return how many clusters, nodes, pods and containers a v1 document shows, cluster by cluster, without names."""
    clusters = json.loads(document).get("clusters", [])
    pods = [pod for each in clusters for pod in each.get("pods", [])]
    return [
        len(clusters),
        *sorted(len(each.get("nodes", [])) for each in clusters),
        *sorted(len(each.get("pods", [])) for each in clusters),
        sum("node" in pod for pod in pods),
        *sorted(len(pod.get("containers", [])) for pod in pods),
        *sorted(len(node.get("vulnerabilities", {})) for each in clusters for node in each.get("nodes", [])),
    ]


@pytest.mark.parametrize("case", cases.NAMES)
@pytest.mark.parametrize("mask", ["", "nodename,pod,image", "k8s_cluster_uid,icos_host_id,icos_host_name"])
def test_a_replay_shows_what_was_recorded(tmp_path: Path, case: str, mask: str) -> None:
    """The topology of a replay is that of the upstream; with masked labels it has the same shape."""
    said = {row: json.dumps(each["answer"]).encode() for row, each in cases.recorded(case).items()}
    masked = Mask(together(mask.split(","), telling()), SALT) if mask else None
    with recorder(tmp_path / "a", {"p": Upstream(said)}, masked) as made:
        made.record(1, beat(), QUIET)
    settings = read({"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"})
    sources = sources_of(settings, NONE_KNOWN)
    taker = taker_of(settings, sources, Views(BY_NAME, ()))
    expected = BY_NAME[v1.JSON](cases.topology(case), 0.0)
    try:
        document = taker.take(0.0, 0.0)[0].body(v1.JSON)
    finally:
        taker.close()
        assert sources.tape is not None
        sources.tape.close()
    assert objects(document) == objects(expected)
    assert mask or document == expected


def test_ctrl_c_leaves_a_file_that_can_be_replayed(tmp_path: Path) -> None:
    """Told to stop during the second refresh, the recorder says so, and the first is there."""
    upstream = Upstream(cluster(hosts=["n"]))
    moments = iter([0.0, 0.0, 1.0])

    def clock() -> float:
        return next(moments)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    with recorder(tmp_path / "a", {"p": upstream}) as made:
        assert not made.record(5, Beat(10.0, clock=clock, sleep=interrupted), QUIET)
    with Tape(str(tmp_path / "a")) as tape:
        assert len(tape.moments) == 1


def test_refreshes_are_as_far_apart_as_they_start() -> None:
    """A refresh starts one interval after the start of the last, or at once where that took longer."""
    slept: list[float] = []
    now = iter([0.0, 3.0, 25.0, 26.0])
    pace = Beat(10.0, clock=lambda: next(now), sleep=slept.append)
    for _ in range(4):
        pace.next()
    assert slept == [7.0, 9.0]


class Screen(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True


def test_progress_is_for_terminals() -> None:
    """On a terminal one line is written over and over and then taken away; elsewhere there is nothing."""
    screen, file = Screen(), io.StringIO()
    for out in (screen, file):
        progress = Progress(3, out)
        progress.show(1, Counted(answers=57), 2_500_000)
        progress.end()
    assert screen.getvalue().startswith("\r1 of 3 refreshes, 57 answers, 0 queries failed, 2.5 MB")
    assert screen.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""


@pytest.mark.parametrize(
    "arguments", [[], ["f", "--refreshes", "0"], ["f", "--refreshes", "x"], ["f", "--mask", "a,,b"], ["f", "g"]]
)
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    """What cannot be recorded is refused with status 2 before anything is asked."""
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(["record", *arguments])
    assert ended.value.code == 2


def run(environment: Mapping[str, str], *arguments: str) -> int:
    """Run the command in this process."""
    chosen: argparse.Namespace = cli.parser().parse_args(["record", *arguments])
    code: int = chosen.run(chosen, environment)
    return code


def test_a_recording_is_masked_by_recording_its_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording can be made into one with pseudonyms; labels that it had masked before are still told."""
    pods = body([({"k8s_cluster_uid": "u", "namespace": "n", "pod": "p-secret", "uid": "u-secret"}, "1")])
    with recorder(tmp_path / "a", {"p": Upstream({"pods": pods})}) as made:
        made.record(1, beat(), QUIET)
    assert "p-secret" in unpacked(tmp_path / "a")
    replayed = {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}", "LOG_FORMAT": "json"}
    assert run(replayed, str(tmp_path / "b"), "--mask", "pod,nothing") == 0
    told = capsys.readouterr()
    assert "1 of 1 refreshes, " in told.out
    assert "masked: k8s_pod_name, nothing, pod" in told.out
    assert told.err == "no answer has a label nothing\n"
    assert "p-secret" not in unpacked(tmp_path / "b")
    assert run(replayed | {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'b'}"}, str(tmp_path / "c"), "--mask", "uid") == 0
    with Tape(str(tmp_path / "c")) as tape:
        assert {"pod", "k8s_pod_name", "uid", "id"} <= set(tape.header.masked)


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written over without --force, and never the recording that is being replayed."""
    with recorder(tmp_path / "a", {"p": Upstream(cluster())}) as made:
        made.record(1, beat(), QUIET)
    (tmp_path / "b").write_text("mine")
    replayed = {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"}
    assert run(replayed, str(tmp_path / "b")) == 1
    assert "is there already; --force writes over it" in capsys.readouterr().err
    assert (tmp_path / "b").read_text() == "mine"
    assert run(replayed, str(tmp_path / "a"), "--force") == 1
    assert "is the recording that is replayed" in capsys.readouterr().err
    assert run(replayed, str(tmp_path / "b"), "--force") == 0
    assert run(replayed, str(tmp_path / "none" / "b")) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_an_upstream_that_answers_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no query has an answer the exit code is 1, with the reason; the errors are recorded all the same."""
    nobody = {"PROMETHEUS_ADDRESS": f"http://me:{SECRET}@127.0.0.1:9", "QUERY_TIMEOUT": "1"}
    assert run(nobody, str(tmp_path / "a")) == 1
    told = capsys.readouterr()
    assert f"nothing was answered: query {CATALOG[0].name}: connection refused" in told.err
    assert SECRET not in told.out + told.err + unpacked(tmp_path / "a")
    assert run({}, str(tmp_path / "b")) == 2
    assert capsys.readouterr().err.startswith("PROMETHEUS_ADDRESS: is not set")
    assert not (tmp_path / "b").exists()
