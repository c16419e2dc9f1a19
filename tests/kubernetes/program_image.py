"""An image of the program from this checkout and its installed dependencies, without Docker and without a registry.

It has what the image of the Dockerfile has: the same user can run it, and `python -m aggregator` starts it.
"""

import contextlib
import importlib.metadata
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.image.base_image import BaseImage, write_base_image
from tests.kubernetes.container_images import ContainerImage

ROOT = Path(__file__).parents[2]
PACKAGES = "opt/aggregator"


def build_program_images(folder: Path, *tags: str) -> list[ContainerImage]:
    """Return the same image under several tags; its layers are written to a folder."""
    layers = [folder / "base.tar", folder / "program.tar"]
    with tarfile.open(layers[0], "w") as tar:
        write_base_image(BaseImage(tar))
    with tarfile.open(layers[1], "w") as tar:
        _write_program(BaseImage(tar))
    environment = (
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH=/usr/local/lib",
        f"PYTHONPATH=/{PACKAGES}",
        "PYTHONDONTWRITEBYTECODE=1",
    )
    return [
        ContainerImage(
            f"docker.io/library/aggregator:{tag}",
            ["python", "-m", "aggregator"],
            layers=layers,
            environment=environment,
        )
        for tag in tags
    ]


def _write_program(image: BaseImage) -> None:
    image.add_tree(ROOT / "aggregator", f"{PACKAGES}/aggregator")
    for distribution in _list_distributions():
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
                image.add(path, f"{PACKAGES}/{file}")


def _list_distributions() -> Iterator[importlib.metadata.Distribution]:
    """Yield the distribution of the program, and the installed ones of requirements.lock."""
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    # The program reads its own version from its metadata.
    for name in ("aggregator", *locked):
        # Some are only for other systems.
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield importlib.metadata.distribution(name)
