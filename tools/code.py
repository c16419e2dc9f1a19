"""The Python code of the protobuf files, and reading and writing of generated files."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
PROTO_PACKAGE = "aggregator/pb"


class CompiledProto(NamedTuple):
    """The generated Python files by path, and the descriptors of all messages."""

    files: dict[str, str]
    descriptors: FileDescriptorSet


def compile_proto() -> CompiledProto:
    """Compile the protobuf files."""
    sources = sorted((ROOT / "proto").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as out:
        descriptor_set_path = Path(out) / "all.descriptors"
        command = [
            *(sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO_PACKAGE}=proto"),
            *(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}"),
            *(f"--descriptor_set_out={descriptor_set_path}", "--include_imports"),
            *(str(source.relative_to(ROOT)) for source in sources),
        ]
        subprocess.run(command, cwd=ROOT, check=True)
        files = {
            str(path.relative_to(out)): path.read_text(encoding="utf-8") for path in sorted(Path(out).rglob("*.py*"))
        }
        return CompiledProto(files, FileDescriptorSet.FromString(descriptor_set_path.read_bytes()))


def find_outdated_files(generated: dict[str, str]) -> list[str]:
    """Return the paths of generated files whose committed text differs."""
    return [path for path, text in generated.items() if _read_committed(path) != text]


def write_files(generated: dict[str, str]) -> None:
    """Write generated files."""
    for path, text in generated.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")


def _read_committed(path: str) -> str | None:
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.exists() else None
