"""The worked example in CONTRIBUTING.md, followed in a copy of the repository."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

ROOT = Path(__file__).parents[2]
RUN_TIMEOUT_SECONDS = 300.0
COPIED_DIRECTORIES = ("aggregator", "demo", "deploy", "docs", "proto", "tests", "tools")
NODE_EXPORTER_PATH = "aggregator/models/catalog/node_exporter.py"
KUBERNETES_PATH = "aggregator/models/catalog/kubernetes.py"
MODEL_PATH = "aggregator/models/topology.py"
PROTO_PATH = "proto/aggregator/v1/topology.proto"
NOTES_PATH = "tools/field_notes.py"
# Tests that a new metric could break: the golden files, the catalog, and the comparison of the model with the proto.
TESTS = ("tests/views/test_golden.py", "tests/models/catalog", "tests/repository/test_model_fields.py")
# The same steps for another kind of object, which one family cannot fill.
CONTAINER_ROW = """\
Row(
    "container_swap",
    max_by("container_memory_swap" + CADVISOR_MATCHERS, CADVISOR_LABELS),
    CADVISOR_CONTAINER,
    (FieldMapping("swap_bytes", parse_unsigned_int),),
    "swap space that a container uses",
    CADVISOR,
),
"""
CONTAINER_NOTE = '    "Container.swap_bytes": _give_reason("no query reads it", DOCKER),\n'
# Prints what each format, the filters and the build stats contain of the new field.
INSPECTION_SCRIPT = """
import json
from aggregator.lookup.request import LookupPlan, LookupOptions, Resource
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1_format, v1_protobuf
from tests.support.samples import build_from_series

topology, stats = build_from_series({
    "orchestrators": [({"type": "ocm", "agent_name": "x", "k8s_cluster_uid": "u"}, "1")],
    "nodes_by_uname": [({"k8s_cluster_uid": "u", "icos_host_id": "id-one", "nodename": "one"}, "1")],
    "battery": [({"icos_host_id": "id-one"}, "87.5")],
})
node = pb.Topology.FromString(v1_protobuf.render_v1_protobuf(topology, 0)).clusters[0].nodes[0]
is_match = LookupPlan(Resource.NODES, LookupOptions(filter="battery_percent>=80")).build_predicate(topology)
print(json.dumps({
    "json": json.loads(v1_format.render_v1_json(topology, 0))["clusters"][0]["nodes"][0].get("batteryPercent"),
    "protobuf": node.battery_percent,
    "filters": [is_match(each) for each in topology.nodes.values()],
    "placed samples": stats.placed_samples["battery"],
}))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Copy the parts of the repository that the example changes, and their tests."""
    for directory in COPIED_DIRECTORIES:
        shutil.copytree(ROOT / directory, tmp_path / directory, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "ui").mkdir()
    for name in ("pyproject.toml", "requirements.lock", "ui/package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def extract_code_blocks(language: str) -> list[str]:
    """Return the code blocks of the worked example in one language, without their indentation."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^ +```{language}\n(.*?)^ +```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in blocks]


def insert_text(path: Path, text: str, before: str) -> None:
    """Insert text in front of the first occurrence of `before` in a file."""
    before_text = path.read_text(encoding="utf-8")
    assert before in before_text
    path.write_text(before_text.replace(before, text + before, 1), encoding="utf-8")


def append_row(path: Path, row: str) -> None:
    """Append a row to the rows of a telemetry family, which end with the file."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("),\n)\n")
    path.write_text(text.removesuffix(")\n") + indent(row, "    ") + ")\n", encoding="utf-8")


def run_python(directory: Path, *arguments: str) -> str:
    """Run Python in a directory; return its output."""
    completed = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
        check=False,
    )
    assert completed.returncode == 0, (completed.stdout + completed.stderr)[-2000:]
    return completed.stdout


def test_a_metric_is_a_row_and_a_line_in_the_model_and_the_proto(repository: Path) -> None:
    """The steps put a metric into both formats, filters, quality and docs, and the tests of the repository pass."""
    row, model_line = extract_code_blocks("python")
    (proto_line,) = extract_code_blocks("proto")
    model, proto = repository / MODEL_PATH, repository / PROTO_PATH
    append_row(repository / NODE_EXPORTER_PATH, row)
    append_row(repository / KUBERNETES_PATH, CONTAINER_ROW)
    insert_text(model, indent(model_line, "    "), "    interfaces: Mapping[str, Interface] = {}\n")
    insert_text(model, "    swap_bytes: int | None = None\n", "    image: str | None = None\n")
    insert_text(proto, f"  {proto_line}", "  repeated Interface interfaces = 37;\n")
    insert_text(proto, "  optional int64 swap_bytes = 11;\n", "  optional string image = 4;\n")
    with pytest.raises(AssertionError, match=r"Container\.swap_bytes has no entry in the table of fields for docker"):
        run_python(repository, "-m", "tools.generate")
    insert_text(repository / NOTES_PATH, CONTAINER_NOTE, '    "Workload": ')
    run_python(repository, "-m", "tools.generate")
    assert json.loads(run_python(repository, "-c", INSPECTION_SCRIPT)) == {
        "json": 87.5,
        "protobuf": 87.5,
        "filters": [True],
        "placed samples": 1,
    }
    for page, field in (
        ("metrics.md", "Node.battery_percent"),
        ("metrics.md", "Container.swap_bytes"),
        ("fields.md", "| `battery_percent` | node_exporter [battery] |"),
        ("fields.md", "| `swap_bytes` | cAdvisor [container_swap] |"),
        ("openapi.yaml", "batteryPercent"),
        ("openapi.yaml", "swapBytes"),
    ):
        assert field in (repository / "docs" / page).read_text(encoding="utf-8")
    run_python(repository, "-m", "tools.generate", "--check")
    run_python(repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", *TESTS)


def test_a_forgotten_line_in_the_model_is_reported(repository: Path) -> None:
    """Generating code for a field that the model lacks fails and says where to add it."""
    insert_text(repository / PROTO_PATH, "  optional int64 swap_bytes = 11;\n", "  optional string image = 4;\n")
    with pytest.raises(AssertionError, match=f"Container.swap_bytes is in {PROTO_PATH}"):
        run_python(repository, "-m", "tools.generate")
