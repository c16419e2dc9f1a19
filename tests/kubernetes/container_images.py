"""Container images, most of them with busybox and one program each, as an archive that containerd imports."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
NAME_ANNOTATION = "io.containerd.image.name"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# The commands of busybox that the containers use.
COMMANDS = ("httpd", "sh", "sleep", "tail", "true")


@dataclass(frozen=True)
class ContainerImage:
    """An image: its full name, its entry point, and the program at /bin/NAME that it has besides busybox.

    `layers` are the paths of tars that it has instead of busybox.
    """

    name: str
    entrypoint: Sequence[str]
    program: Path | None = None
    layers: Sequence[Path] = ()
    environment: Sequence[str] = ("PATH=/bin",)


def write_image_archive(archive: Path, busybox: Path, images: Sequence[ContainerImage]) -> None:
    """Write the images to a tar in the OCI image layout."""
    with tarfile.open(archive, "w") as tar:
        writer = _LayoutWriter(tar)
        base = writer.add_blob(_build_layer(busybox, [f"bin/{command}" for command in COMMANDS]), LAYER_TYPE)
        manifests = [_add_image(writer, image, base) for image in images]
        writer.add_file("oci-layout", _encode({"imageLayoutVersion": "1.0.0"}))
        writer.add_file("index.json", _encode({"schemaVersion": 2, "manifests": manifests}))


class _LayoutWriter:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._digests: set[str] = set()

    def add_file(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))

    def add_blob(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Add a blob, unless it is already there, and return its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._digests:
            self._digests.add(digest)
            self.add_file(f"blobs/sha256/{digest}", content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _add_image(writer: _LayoutWriter, image: ContainerImage, base: dict[str, Any]) -> dict[str, Any]:
    """Add an image and return the descriptor of its manifest, with its name."""
    layers = [writer.add_blob(layer.read_bytes(), LAYER_TYPE) for layer in image.layers] or [base]
    if image.program is not None:
        layers.append(writer.add_blob(_build_layer(image.program), LAYER_TYPE))
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": image.entrypoint, "Env": list(image.environment)},
        # The layers are not compressed, so that their digests are those of their contents.
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": writer.add_blob(_encode(config), CONFIG_TYPE),
        "layers": layers,
    }
    return {**writer.add_blob(_encode(manifest), MANIFEST_TYPE), "annotations": {NAME_ANNOTATION: image.name}}


def _build_layer(program: Path, links: Sequence[str] = ()) -> bytes:
    """Return a tar with a program in /bin, and symbolic links to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(f"bin/{program.name}")
        member.size, member.mode = program.stat().st_size, 0o755
        with program.open("rb") as content:
            tar.addfile(member, content)
        for name in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, program.name
            tar.addfile(link)
    return buffer.getvalue()


def _encode(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
