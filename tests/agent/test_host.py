"""Numbers of the host."""

from pathlib import Path
from typing import NamedTuple

from aggregator.agent.host import CpuLoadMeter, read_host, select_partitions


class Mount(NamedTuple):
    """A mount, as psutil lists it."""

    device: str
    mountpoint: str
    fstype: str = "ext4"


def test_a_device_counts_once(tmp_path: Path) -> None:
    """Of several mounts of a device, the one with the shortest path counts; files and other kinds are left out."""
    folder, file = tmp_path / "folder", tmp_path / "f"
    folder.mkdir()
    file.touch()
    mounts = [
        Mount("/dev/sda1", str(folder)),
        Mount("/dev/sda1", "/"),
        Mount("/dev/sda2", str(file)),
        Mount("/dev/sda2", str(folder)),
        Mount("/dev/loop1", "/", "squashfs"),
    ]
    assert [(each.device, each.mountpoint) for each in select_partitions(mounts)] == [
        ("/dev/sda1", "/"),
        ("/dev/sda2", str(folder)),
    ]


def test_this_host_can_be_read() -> None:
    """Psutil reads memory, processors and interfaces of the host of the tests."""
    host = read_host()
    assert 0 < host.memory_available_bytes <= host.memory_total_bytes
    assert host.cpu_seconds[0]["idle"] > 0
    assert "lo" in {each.name for each in host.interfaces}


def test_the_load_is_that_since_the_last_reading() -> None:
    """The first reading of the load is 0, later ones are percentages."""
    meter = CpuLoadMeter()
    assert meter.read_percent() == 0.0
    assert 0.0 <= meter.read_percent() <= 100.0
