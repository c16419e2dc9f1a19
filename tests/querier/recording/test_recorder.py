"""Recording: the file contains the responses of a refresh, and no secrets."""

import argparse
import io
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from aggregator.app.sources import build_snapshot_collector, build_upstream_set
from aggregator.cli import main
from aggregator.cli.record import (
    ProgressLine,
    RecordCounts,
    RecordedQueries,
    Recorder,
    RecordingSchedule,
    interrupt_on_signals,
    iter_label_aliases,
)
from aggregator.cli.terminal import CommandOutput
from aggregator.errors import MalformedResponseError, QueryError, UnreachableError, UpstreamStatusError
from aggregator.observability.redaction import PATTERN_REDACTOR, Redactor
from aggregator.querier.prometheus.decode import create_decoder
from aggregator.querier.prometheus.source import PrometheusSource
from aggregator.querier.recording import file_format
from aggregator.querier.recording.file_format import RecordingWriter
from aggregator.querier.recording.pseudonyms import OMITTED_MESSAGE, Pseudonymizer, expand_labels
from aggregator.querier.recording.replay import RecordingReader, read_response_body
from aggregator.querier.source import SourceInfo
from aggregator.refresh.collector import ViewSet
from aggregator.settings.gateway import Settings
from aggregator.settings.settings import load_settings
from aggregator.views import v1_format
from aggregator.views.renderers import RENDERERS
from tests.support import parity_cases
from tests.support.catalog import CATALOG
from tests.support.fake_upstream import ROW_NAMES_BY_PROMQL, FakeUpstream, UpstreamResponse, build_cluster_responses
from tests.support.samples import encode_response

SECRET = "hunter2-hunter2"
SILENT_PROGRESS = ProgressLine(1, CommandOutput(io.StringIO()))
SALT = b"0123456789abcdef"


def build_unpaced_schedule() -> RecordingSchedule:
    """Return a schedule without pauses."""
    return RecordingSchedule(0.0, sleep=lambda _seconds: None)


@contextmanager
def run_recorder(
    path: Path, upstreams: Mapping[str, FakeUpstream], mask: Pseudonymizer | None = None, secrets: tuple[str, ...] = ()
) -> Iterator[Recorder]:
    """Yield a recorder of these upstreams."""
    sources = [PrometheusSource(upstream, 4, SourceInfo(name)) for name, upstream in upstreams.items()]
    with RecordingWriter(path.open("wb"), [file_format.RecordedSource(name) for name in upstreams], 0.0) as writer:
        yield Recorder(RecordedQueries(sources, CATALOG, 60.0), writer, mask, Redactor(secrets))
    for source in sources:
        source.close()


def read_responses(path: Path, number: int = 0) -> dict[str, bytes | QueryError]:
    """Return the recorded bodies and errors of one refresh of one source, by row."""
    with RecordingReader(str(path)) as reader:
        return {
            answer.row: file_format.restore_error(answer.failure)
            if answer.failure
            else read_response_body(answer, frame, 2**20)
            for answer, frame in reader.iterate_responses(number)
        }


def decompress_recording(path: Path) -> str:
    """Return the decompressed content of a recording."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        return reader.readall().decode()


def test_every_response_is_recorded_unchanged(tmp_path: Path) -> None:
    """The file contains every response of every source and refresh unchanged, in the order of reading."""
    responses = build_cluster_responses(hosts=["n"])
    with run_recorder(tmp_path / "a", {"eu": FakeUpstream(responses), "us": FakeUpstream()}) as made:
        assert made.record(2, build_unpaced_schedule(), SILENT_PROGRESS)
    assert (made.counts.response_count, made.counts.failure_count) == (4 * len(CATALOG), 0)
    with RecordingReader(str(tmp_path / "a")) as reader:
        assert [source.name for source in reader.header.sources] == ["eu", "us"]
        for number in (0, 1):
            found = [(answer.row, answer.source) for answer, _ in reader.iterate_responses(number)]
            assert {row for row, _ in found} == {row.name for row in CATALOG}
            assert len(found) == 2 * len(CATALOG)
            assert (
                reader.read_body(number, ("eu", {v: k for k, v in ROW_NAMES_BY_PROMQL.items()}["orchestrators"]), 2**20)
                == responses["orchestrators"]
            )


def test_errors_are_recorded(tmp_path: Path) -> None:
    """The error of a failed query is recorded, so that a replay fails in the same way."""
    responses: dict[str, QueryError | bytes] = {
        "uptime": UpstreamStatusError(422, "execution: x", 3.0),
        "memory_free": UnreachableError("gone"),
    }
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    found = read_responses(tmp_path / "a")
    for row, error in responses.items():
        assert (type(found[row]), str(found[row])) == (type(error), str(error))
    assert made.counts.failure_count == 2


def test_a_malformed_body_is_not_recorded(tmp_path: Path) -> None:
    """A page that is not a response of Prometheus is recorded as an error, without its content."""
    page = b'{"status":"success","login":"' + b"x" * 100 + SECRET.encode() + b'"}'
    with run_recorder(tmp_path / "a", {"p": FakeUpstream({"uptime": page})}) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert isinstance(read_responses(tmp_path / "a")["uptime"], MalformedResponseError)
    assert SECRET not in decompress_recording(tmp_path / "a")


def test_secrets_in_errors_are_redacted(tmp_path: Path) -> None:
    """Passwords, tokens and credentials in URLs are redacted in errors."""
    responses: dict[str, UpstreamResponse] = {
        "uptime": UpstreamStatusError(401, f"wrong password {SECRET} for you"),
        "memory_free": UnreachableError("https://u:p4ss@host refused Bearer abcdefgh12345678"),
    }
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}, secrets=(SECRET,)) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    text = decompress_recording(tmp_path / "a")
    assert not [word for word in (SECRET, "p4ss", "abcdefgh12345678") if word in text]
    assert "wrong password *** for you" in text


@pytest.mark.parametrize("mask", [None, Pseudonymizer(["node"], SALT)])
@pytest.mark.parametrize("secret", [SECRET, 'a<b>&c"d\\e', "wörd-wörd"])
def test_secrets_in_bodies_are_redacted(tmp_path: Path, secret: str, mask: Pseudonymizer | None) -> None:
    """Secrets in labels and messages are redacted, however JSON escapes them."""
    answer = json.loads(
        encode_response([({"pod": f"p {secret}", secret: "x", "node": "n"}, "7")], warnings=[f"no {secret}"])
    )
    answer["infos"] = {"about": secret}
    go: dict[str, int | str | None] = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
    responses: dict[str, UpstreamResponse] = {
        "uptime": json.dumps(answer).encode(),
        "memory_free": json.dumps(answer, ensure_ascii=False).translate(str.maketrans(go)).encode(),
    }
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}, mask, secrets=(secret,)) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert made.counts.failure_count == 0
    text = decompress_recording(tmp_path / "a")
    assert not [form for form in (secret, json.dumps(secret)[1:-1], "wörd", "u003c") if form in text]
    with RecordingReader(str(tmp_path / "a")) as reader:
        for row in responses:
            answered = create_decoder(None)(
                reader.read_body(0, ("p", {v: k for k, v in ROW_NAMES_BY_PROMQL.items()}[row]), 2**20)
            )
            assert answered.samples[0].labels | {"node": "n"} == {"pod": "p ***", "***": "x", "node": "n"}
            assert answered.samples[0].value.text == "7"
            assert len(answered.warnings) == len(answered.remarks) == 1
            assert mask or (answered.warnings, answered.remarks) == (("no ***",), ('{"about":"***"}',))


def test_a_secret_as_a_value_is_not_recorded(tmp_path: Path) -> None:
    """A secret as the value of a sample is not recorded."""
    responses: dict[str, UpstreamResponse] = {"uptime": encode_response([({"node": "n"}, "s3cret-of-the-upstream")])}
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}, secrets=("s3cret-of-the-upstream",)) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert "s3cret" not in decompress_recording(tmp_path / "a")


def test_bodies_without_secrets_are_unchanged(tmp_path: Path) -> None:
    """Bodies without known secrets are recorded unchanged."""
    answer = encode_response([({"pod": "Bearer abcdefgh12345678", "url": "http://u:p4ss@host"}, "7")])
    with run_recorder(tmp_path / "a", {"p": FakeUpstream({"uptime": answer})}, secrets=(SECRET,)) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert answer.decode() in decompress_recording(tmp_path / "a")


def test_masking_omits_error_texts(tmp_path: Path) -> None:
    """With masked labels, only the status of an error is recorded, because its text may quote them."""
    responses: dict[str, UpstreamResponse] = {
        "uptime": UpstreamStatusError(422, 'found duplicate series {pod="p-secret"}'),
        "memory_free": b"p-secret",
        "memory_total": UnreachableError("the connection broke or never stood (BadStatusLine: p-secret)"),
    }
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}, Pseudonymizer(["pod"], SALT)) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert str(read_responses(tmp_path / "a")["uptime"]) == f"HTTP 422: {OMITTED_MESSAGE}"
    assert "p-secret" not in decompress_recording(tmp_path / "a")


def count_objects(document: bytes) -> list[int]:
    """Return the numbers of nodes, pods and containers by cluster in a v1 document."""
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


@pytest.mark.parametrize("case", parity_cases.CASE_NAMES)
@pytest.mark.parametrize("mask", ["", "nodename,pod,image", "k8s_cluster_uid,icos_host_id,icos_host_name"])
def test_a_replay_has_the_recorded_topology(tmp_path: Path, case: str, mask: str) -> None:
    """The topology of a replay is that of the upstream; with masked labels it has the same structure."""
    responses = {
        row: json.dumps(each["answer"]).encode() for row, each in parity_cases.load_recorded_responses(case).items()
    }
    masked = Pseudonymizer(expand_labels(mask.split(","), iter_label_aliases(CATALOG)), SALT) if mask else None
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(responses)}, masked) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    settings = load_settings({"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"}, Settings)
    sources = build_upstream_set(settings, PATTERN_REDACTOR)
    collector = build_snapshot_collector(settings, sources, CATALOG, ViewSet(RENDERERS, ()))
    expected = RENDERERS[v1_format.V1_JSON](parity_cases.build_case_topology(case), 0.0)
    try:
        document = collector.collect(0.0, 0.0)[0].get_body(v1_format.V1_JSON)
    finally:
        collector.close()
        assert sources.recording is not None
        sources.recording.close()
    assert count_objects(document) == count_objects(expected)
    assert mask or document == expected


def test_ctrl_c_leaves_a_file_that_can_be_replayed(tmp_path: Path) -> None:
    """A recorder that is interrupted in the second refresh keeps the first one, and reports the interrupt."""
    upstream = FakeUpstream(build_cluster_responses(hosts=["n"]))
    moments = iter([0.0, 0.0, 1.0])

    def clock() -> float:
        return next(moments)

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    with run_recorder(tmp_path / "a", {"p": upstream}) as made:
        assert not made.record(5, RecordingSchedule(10.0, clock=clock, sleep=interrupted), SILENT_PROGRESS)
    with RecordingReader(str(tmp_path / "a")) as reader:
        assert len(reader.timestamps) == 1


def test_refreshes_start_one_interval_apart() -> None:
    """A refresh starts one interval after the start of the previous one, or at once if that took longer."""
    slept: list[float] = []
    now = iter([0.0, 3.0, 25.0, 26.0])
    pace = RecordingSchedule(10.0, clock=lambda: next(now), sleep=slept.append)
    for _ in range(4):
        pace.wait_for_next()
    assert slept == [7.0, 9.0]


class FakeTerminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_progress_is_for_terminals() -> None:
    """On a terminal one line is updated and finally removed; elsewhere nothing is written."""
    screen, file = FakeTerminal(), io.StringIO()
    for out in (screen, file):
        progress = ProgressLine(3, CommandOutput(out))
        progress.update(1, RecordCounts(response_count=57), 2_500_000)
        progress.clear()
    assert screen.getvalue().startswith("\r1 of 3 refreshes, 57 responses, 0 failed queries, 2.4 MiB")
    assert screen.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == ""


@pytest.mark.parametrize(
    "arguments", [[], ["f", "--refreshes", "0"], ["f", "--refreshes", "x"], ["f", "--mask", "a,,b"], ["f", "g"]]
)
def test_invalid_arguments_are_rejected(arguments: list[str]) -> None:
    """Invalid arguments end the command with exit code 2 before any query."""
    with pytest.raises(SystemExit) as ended:
        main.build_parser().parse_args(["record", *arguments])
    assert ended.value.code == 2


def run_command(environment: Mapping[str, str], *arguments: str) -> int:
    """Run the command in this process."""
    chosen: argparse.Namespace = main.build_parser().parse_args(["record", *arguments])
    code: int = chosen.run(chosen, environment)
    return code


def test_a_mask_that_matches_nothing_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If a label to mask is in no response, it may be misspelled: the command names it and exits with 1."""
    pods = encode_response([({"k8s_cluster_uid": "u", "namespace": "n", "pod": "p-secret", "uid": "u-secret"}, "1")])
    with run_recorder(tmp_path / "a", {"p": FakeUpstream({"pods": pods})}) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    replayed = {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}", "LOG_FORMAT": "json"}
    assert run_command(replayed, str(tmp_path / "b"), "--mask", "pod,pood") == 1
    assert capsys.readouterr().err == "not masked, because no response has the label: pood\n"


def test_a_recording_is_masked_by_recording_its_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recording can be recorded again with pseudonyms; the header lists labels that were masked before."""
    pods = encode_response([({"k8s_cluster_uid": "u", "namespace": "n", "pod": "p-secret", "uid": "u-secret"}, "1")])
    with run_recorder(tmp_path / "a", {"p": FakeUpstream({"pods": pods})}) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    assert "p-secret" in decompress_recording(tmp_path / "a")
    replayed = {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}", "LOG_FORMAT": "json"}
    assert run_command(replayed, str(tmp_path / "b"), "--mask", "pod") == 0
    output = capsys.readouterr()
    assert "1 of 1 refreshes, " in output.out
    assert "masked: pod\n" in output.out
    assert output.err == ""
    assert "p-secret" not in decompress_recording(tmp_path / "b")
    assert (
        run_command(replayed | {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'b'}"}, str(tmp_path / "c"), "--mask", "uid")
        == 0
    )
    with RecordingReader(str(tmp_path / "c")) as reader:
        assert {"pod", "k8s_pod_name", "uid", "id"} <= set(reader.header.masked)


def test_an_existing_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file is overwritten without --force, and never a FIFO or the recording that is being replayed."""
    with run_recorder(tmp_path / "a", {"p": FakeUpstream(build_cluster_responses())}) as made:
        made.record(1, build_unpaced_schedule(), SILENT_PROGRESS)
    (tmp_path / "b").write_text("mine")
    replayed = {"PROMETHEUS_ADDRESS": f"replay:{tmp_path / 'a'}"}
    assert run_command(replayed, str(tmp_path / "b")) == 1
    assert "exists already; use --force to overwrite it" in capsys.readouterr().err
    assert (tmp_path / "b").read_text() == "mine"
    assert run_command(replayed, str(tmp_path / "a"), "--force") == 1
    assert "is the recording that is being replayed" in capsys.readouterr().err
    assert run_command(replayed, str(tmp_path / "b"), "--force") == 0
    os.mkfifo(tmp_path / "fifo")
    assert run_command(replayed, str(tmp_path / "fifo"), "--force") == 1
    assert "fifo: is a FIFO; a recording is a regular file" in capsys.readouterr().err
    assert run_command(replayed, str(tmp_path / "none" / "b")) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_an_upstream_without_answers_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If all queries fail the exit code is 1, with the reason; the errors are recorded."""
    nobody = {"PROMETHEUS_ADDRESS": f"http://me:{SECRET}@127.0.0.1:9", "QUERY_TIMEOUT": "1"}
    assert run_command(nobody, str(tmp_path / "a")) == 1
    output = capsys.readouterr()
    assert f"all queries failed: query {CATALOG[0].name}: connection refused" in output.err
    assert SECRET not in output.out + output.err + decompress_recording(tmp_path / "a")
    assert run_command({}, str(tmp_path / "b")) == 2
    assert capsys.readouterr().err.startswith("PROMETHEUS_ADDRESS: is not set")
    assert not (tmp_path / "b").exists()


class InterruptedDestructor:
    """An object in whose destructor a signal arrives."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_a_destructor_is_not_lost() -> None:
    """A signal whose exception Python drops, because it arrived in a destructor, ends the next sleep."""
    with interrupt_on_signals() as sleep:
        InterruptedDestructor()
        with pytest.raises(KeyboardInterrupt):
            sleep(60)
