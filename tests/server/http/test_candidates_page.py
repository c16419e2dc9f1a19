"""Every example of docs/candidates.md works on the demo, and its tables are complete."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.pb.aggregator.v1 import topology_pb2_grpc as rpc
from aggregator.refresh.snapshot import Snapshot
from tests.server.running_servers import ServerPorts
from tests.server.snapshot_provider import FakeSnapshotProvider

PAGE = (Path(__file__).parents[3] / "docs" / "candidates.md").read_text(encoding="utf-8")
CURL_COMMANDS = re.findall(r"^curl .*$", PAGE, re.MULTILINE)
COMMAND_TIMEOUT_SECONDS = 60.0


@pytest.fixture
def source(source: FakeSnapshotProvider, demo: Sequence[Snapshot]) -> FakeSnapshotProvider:
    """The servers without tokens, with the first topology of the demo recording."""
    source.current_snapshot = demo[0]
    return source


@pytest.mark.parametrize("command", CURL_COMMANDS)
def test_curl_examples_find_candidates(source: FakeSnapshotProvider, ports: ServerPorts, command: str) -> None:
    """Each curl command returns candidates."""
    assert source.failure is None
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = command.replace("localhost:8080", f"127.0.0.1:{ports.http}")
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, timeout=COMMAND_TIMEOUT_SECONDS
    )
    assert json.loads(done.stdout)["candidates"]


def test_the_grpcurl_example_finds_candidates(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """The request of the grpcurl command is valid and returns candidates."""
    assert source.failure is None
    (text,) = re.findall(r"^grpcurl -plaintext -d '(.*)' localhost:8181 \S+/FindCandidates$", PAGE, re.MULTILINE)
    with grpc.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        stub = rpc.TopologyServiceStub(channel)  # type: ignore[no-untyped-call] # generated code
        assert stub.FindCandidates(json_format.Parse(text, pb.FindCandidatesRequest())).candidates


def test_the_python_example_finds_candidates(
    source: FakeSnapshotProvider, ports: ServerPorts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python example prints candidates near its position."""
    assert source.failure is None
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    program = program.replace("localhost:8181", f"127.0.0.1:{ports.grpc}")
    exec(program.replace("from aggregator.v1", "from aggregator.pb.aggregator.v1"), {})  # noqa: S102 - our own page
    assert "athens-master" in capsys.readouterr().out


def test_every_field_of_a_request_is_explained() -> None:
    """The page names each field of a request, each criterion and each reason."""
    names = [field.name for message in (pb.FindCandidatesRequest, pb.Ranking) for field in message.DESCRIPTOR.fields]
    reasons = [name.removeprefix("REJECTION_REASON_") for name in pb.RejectionReason.DESCRIPTOR.values_by_name]
    names += [name for name in reasons if not name.startswith("UN") or name == "UNTOLERATED_TAINT"]
    assert [name for name in names if f"`{name}`" not in PAGE] == []
