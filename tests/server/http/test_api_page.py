"""Every example of docs/api.md works on the demo, as a reader would try it."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import grpc
import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.summary import SUMMARY_COLUMNS
from aggregator.models.topology import Cluster, Container, Node, Pod, Taint, Topology, add_version
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.refresh.snapshot import Snapshot
from tests.integration.gateway_process import wait_until
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import FakeSnapshotProvider, build_snapshot
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if "localhost" in block]
LOOP = next(block for block in BLOCKS if "while" in block)
BAD_CONTAINER = Container(
    "bad",
    reason="CrashLoopBackOff",
    restart_count=7,
    last_termination_reason="OOMKilled",
    is_ready=False,
    health="unhealthy",
    oom_kill_count=1,
)
# A node, a pod and a container without problems, and others with all of them.
PROBLEMS = add_version(
    Topology(
        clusters={"athens": Cluster(key="athens", uid="u")},
        nodes={
            ("athens", "bad"): Node(
                cluster="athens",
                key="bad",
                conditions={"Ready": "unknown", "DiskPressure": "true"},
                is_unschedulable=True,
                is_reporting=False,
                taints={"key/NoExecute": Taint("key/NoExecute", "key", effect="NoExecute")},
            ),
            ("athens", "good"): Node(
                cluster="athens",
                key="good",
                conditions={"Ready": "true", "DiskPressure": "false"},
                is_unschedulable=False,
                is_reporting=True,
            ),
        },
        pods={
            ("athens", "bad"): Pod(
                cluster="athens",
                key="bad",
                name="bad",
                containers={"bad": BAD_CONTAINER},
                is_ready=False,
                reason="Evicted",
                alerts={"KubePodCrashLooping": "warning"},
            ),
            ("athens", "good"): Pod(
                cluster="athens",
                key="good",
                name="good",
                containers={"good": Container("good", restart_count=0, health="healthy", oom_kill_count=0)},
                is_ready=True,
            ),
        },
    )
)
COMMAND_TIMEOUT_SECONDS = 60.0
TOKEN_PLACEHOLDER = "TOKEN"


def list_commands() -> Iterator[str]:
    """Yield the commands of all blocks but the loop, each with its continuation lines."""
    for block in BLOCKS:
        if block is not LOOP:
            yield from re.findall(r"^(?:\$ )?((?:curl|grpcurl) .*(?:(?<=[|])\n .*)*)", block, re.MULTILINE)


COMMANDS = list(list_commands())
CURL_COMMANDS = [command for command in COMMANDS if command.startswith("curl")]
GRPC_COMMANDS = [command for command in COMMANDS if command.startswith("grpcurl")]


def list_table_rows(header: str) -> list[list[str]]:
    """Return the cells of the rows of the table with this header."""
    table = PAGE.partition(f"\n{header}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[1:]]


def list_kind_examples() -> list[tuple[str, str]]:
    """Return the kind of objects and the filter of each example of a field."""
    return [
        (kind, example)
        for kind, examples in list_table_rows("| Objects | Examples |")
        for example in re.findall("`([^`]+)`", examples)
    ]


def list_requirement_examples() -> list[str]:
    """Return the examples of requirements."""
    examples = (cell for cell, _ in list_table_rows("| Requirement | Matches |"))
    return [example for cell in examples for example in re.findall("`([^`]+)`", cell) if example[0] not in "<>"]


@pytest.fixture
def source(source: FakeSnapshotProvider, demo: Sequence[Snapshot]) -> FakeSnapshotProvider:
    """The servers without tokens, with the first topology of the demo recording."""
    source.current_snapshot = demo[0]
    return source


def prepare(script: str, port: int) -> list[str]:
    """Return the command line of a script of the page, for the port of a test; skip the test without its programs."""
    for program in ("bash", "curl", *(["jq"] if "jq " in script else [])):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return ["bash", "-c", script.replace("localhost:8080", f"127.0.0.1:{port}")]


def run(script: str, port: int) -> str:
    """Return the output of a script of the page."""
    command = prepare(script, port)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT_SECONDS)
    return done.stdout


def test_the_page_has_examples() -> None:
    """The examples of the page are found."""
    assert len(CURL_COMMANDS) > 4
    assert len(GRPC_COMMANDS) == 2
    assert len(list_kind_examples()) > 15
    assert len(list_requirement_examples()) > 10


def test_curl_examples_work(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Each curl command returns objects, or the error that the page shows; a node was added since the past."""
    assert source.failure is None
    topology = source.current_snapshot.topology
    nodes = {key: node for key, node in topology.nodes.items() if node.name != "athens-master"}
    past = msgspec.structs.replace(topology, nodes=nodes, pods={})
    source.past.snapshot = build_snapshot(topology=add_version(past))
    token = ""
    for command in CURL_COMMANDS:
        output = run(command.replace(TOKEN_PLACEHOLDER, token), ports.http)
        shown = PAGE.partition(f"$ {command}\n")[2].partition("```")[0]
        if shown:
            expected = re.escape(re.sub(r"\n *", "", shown)).replace("…", ".*")
            assert re.fullmatch(expected, output.strip())
        else:
            assert re.search(r"athens-master|bratislava-master|patra", output), command
            token = (re.findall('"continueToken":"([^"]+)"', output) or [token])[0]


def test_grpcurl_examples_work(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """Each request of a grpcurl command is valid and returns objects."""
    assert source.failure is None
    for command in GRPC_COMMANDS:
        matched = re.fullmatch(
            r"grpcurl -plaintext(?: -d '(.*)')?(?: -H '(.*): (.*)')? localhost:8181 aggregator\.v1\.(\w+)/(\w+)",
            command,
        )
        assert matched is not None
        text, key, value, service, method = matched.groups()
        request_type: type[Message] = getattr(pb, f"{method}Request")
        request = json_format.Parse(text or "{}", request_type()).SerializeToString()
        metadata = [(key, value)] if key else []
        result = call_method(ports.grpc, f"/aggregator.v1.{service}/{method}", metadata, request)
        assert result.code is grpc.StatusCode.OK
        assert len(result.body) > 100


def test_the_loop_prints_each_change(source: FakeSnapshotProvider, ports: ServerPorts, tmp_path: Path) -> None:
    """The loop prints the failed pods, and again when they change, but not when something else does."""
    topology = source.current_snapshot.topology
    first, second, *_ = topology.pods
    states = [{}, {first: "Failed"}, {first: "Failed"}, {first: "Failed", second: "Failed"}]
    versions = [build_phases(topology, phases, number) for number, phases in enumerate(states)]
    source.current_snapshot = build_snapshot(topology=versions[0])
    command = prepare(LOOP, ports.http)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True) as loop:
        try:
            assert loop.stdout is not None
            counts = [re.findall(rb'"totalCount":(\d+)', loop.stdout.readline())]
            for version in versions[1:]:
                wait_until(lambda: source.waiters, "the loop waits")
                source.publish(build_snapshot(topology=version))
            counts += [re.findall(rb'"totalCount":(\d+)', loop.stdout.readline()) for _ in range(2)]
        finally:
            # Also the curl that the loop waits for.
            os.killpg(loop.pid, signal.SIGKILL)
    assert counts == [[b"0"], [b"1"], [b"2"]]


def build_phases(topology: Topology, phases: dict[tuple[str, str], str], number: int) -> Topology:
    """Return a topology whose pods run except those with other phases; the number makes it another version."""
    pods = {
        key: msgspec.structs.replace(pod, phase=phases.get(key, "Running"), last_seen_seconds=1e9 + number)
        for key, pod in topology.pods.items()
    }
    return add_version(msgspec.structs.replace(topology, pods=pods))


@pytest.mark.parametrize(("kind", "example"), list_kind_examples())
def test_examples_of_fields_match(
    source: FakeSnapshotProvider, ports: ServerPorts, demo: Sequence[Snapshot], kind: str, example: str
) -> None:
    """Each example of a field matches objects of the demo."""
    counts = []
    for snapshot in demo:
        source.current_snapshot = snapshot
        answer = send_request(ports.http, f"/api/v1/{kind}?{urlencode({'filter': example, 'fields': 'name'})}")
        assert answer.status == 200
        counts.append(answer.json()["totalCount"])
    assert any(counts)


def list_problem_filters() -> list[tuple[str, str]]:
    """Return the kind of objects and the filter of each example of a problem."""
    return [
        (kind, example)
        for kind, examples in list_table_rows("| Objects | Filters |")
        for example in re.findall("`([^`]+)`", examples)
    ]


@pytest.mark.parametrize(("kind", "example"), list_problem_filters())
def test_filters_find_problems(source: FakeSnapshotProvider, ports: ServerPorts, kind: str, example: str) -> None:
    """Each filter for problems finds exactly the object that has the problem."""
    source.current_snapshot = build_snapshot(topology=PROBLEMS)
    answer = send_request(ports.http, f"/api/v1/{kind}?{urlencode({'filter': example, 'fields': 'name'})}")
    assert [each["name"] for each in answer.json()[kind]] == ["bad"]


@pytest.mark.parametrize("example", list_requirement_examples())
def test_examples_of_requirements_are_valid(source: FakeSnapshotProvider, ports: ServerPorts, example: str) -> None:
    """Each example of a requirement is valid for a kind of objects."""
    assert source.failure is None
    paths = [f"/api/v1/{kind.value}?{urlencode({'filter': example})}" for kind in ObjectKind]
    assert 200 in {send_request(ports.http, path).status for path in paths}


@pytest.mark.parametrize("path", re.findall(r"`(/api/v1/[^`{]+/[^`{]+)`", PAGE))
def test_example_paths_exist(source: FakeSnapshotProvider, ports: ServerPorts, path: str) -> None:
    """Each path to an object that the page names exists in the demo."""
    assert source.failure is None
    assert send_request(ports.http, path).status == 200


@pytest.mark.parametrize("kind", ObjectKind)
def test_the_page_lists_the_columns_of_summaries(kind: ObjectKind) -> None:
    """The page has the columns of each summary, in their order."""
    listed = PAGE.partition("## Summaries\n")[2].partition(f"\n* {kind.value}: ")[2].partition("\n* ")[0]
    names = re.findall("`([^`]+)`", listed.partition("\n\n")[0])
    assert names == [column.name for column in SUMMARY_COLUMNS[kind]]
