"""The worked example of CONTRIBUTING, done as printed in a copy of the project."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 120.0
# What has to come of it: run in the copy, it prints what each format and each place has of the new field.
LOOK = """
import json
from aggregator.lookup.plan import Asked, Plan, Resource
from aggregator.models.build import build
from aggregator.models.catalog import CATALOG
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.views import v1
from tests.samples import body
from tests.upstreams import cluster

said = cluster(hosts=["one"]) | {"battery": body([({"icos_host_id": "id-one"}, "87.5")])}
answers = {row.name: row.query.decode(said[row.name]).samples for row in CATALOG if row.name in said}
topology, tally = build(answers, CATALOG)
node = pb.Topology.FromString(v1.render_protobuf(topology, 0)).clusters[0].nodes[0]
test = Plan(Resource.NODES, Asked(filter="battery_percent>=80")).test
print(json.dumps({
    "json": json.loads(v1.render_json(topology, 0))["clusters"][0]["nodes"][0].get("batteryPercent"),
    "protobuf": node.battery_percent,
    "filters": [test(each) for each in topology.nodes.values()],
    "quality": tally.placed["battery"],
}))
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what the example changes and what it takes to see that."""
    for folder in ("aggregator", "demo", "docs", "proto", "tests", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    return tmp_path


def printed(language: str) -> list[str]:
    """Return the blocks of code of the worked example in one language, without their indentation."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^ +```{language}\n(.*?)^ +```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in blocks]


def put(path: Path, what: str, before: str) -> None:
    """Put text in front of the first line that is `before`, in a file."""
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, what + before, 1), encoding="utf-8")


def said_by(folder: Path, *arguments: str) -> str:
    """Run Python in a folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_metric_is_a_row_and_a_line(copy: Path) -> None:
    """The row and the line in the proto put the metric into both formats, filters, quality and docs."""
    (row,) = printed("python")
    (line,) = printed("proto")
    # So that it is whole Python, the row is printed as a table of its own.
    put(copy / "aggregator" / "models" / "catalog.py", f"    *{row.strip()},\n", "    # --- nodes: condition\n")
    put(copy / "proto" / "aggregator" / "v1" / "topology.proto", f"  {line}", "  repeated Interface interfaces = 37;\n")
    said_by(copy, "-m", "tools.generate")
    assert json.loads(said_by(copy, "-c", LOOK)) == {
        "json": 87.5,
        "protobuf": 87.5,
        "filters": [True],
        "quality": 1,
    }
    for page, field in (("metrics.md", "battery_percent"), ("openapi.yaml", "batteryPercent")):
        assert field in (copy / "docs" / page).read_text(encoding="utf-8")
    said_by(copy, "-m", "tools.generate", "--check")
