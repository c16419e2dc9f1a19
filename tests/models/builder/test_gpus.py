"""GPUs as the exporters of NVIDIA, AMD and Intel report them, from the published format of each exporter."""

from aggregator.models.topology import Gpu, Node
from aggregator.refresh.snapshot import list_build_gaps
from tests.support.scenarios import build_scenario, read_scraped

MEBIBYTE = 2**20


def build_gpu_host(exporter: str) -> Node:
    """Build the topology of one host with node_exporter and a GPU exporter."""
    host = read_scraped("node_exporter-sensors", job="node", instance="gpu1:9100")
    topology, stats = build_scenario(host + read_scraped(exporter, job="gpu", instance="gpu1:9400"))
    (node,) = topology.nodes.values()
    assert not list_build_gaps(stats)
    assert not stats.limited
    return node


def test_default_counters_of_dcgm() -> None:
    """Each GPU has its values. Its memory is the sum of used, free and reserved memory, as there is no total."""
    node = build_gpu_host("dcgm-exporter-default")
    assert list(node.gpus.values()) == [
        Gpu(
            "GPU-6d5c0ac5-74d7-3130-46f1-e93ed57f469a",
            model="Tesla T4",
            memory_bytes=15358 * MEBIBYTE,
            used_memory_bytes=0,
            utilization_percent=0,
            temperature_celsius=41,
            frequency_hertz=585_000_000,
            power_watts=13.5,
            energy_joules=5000,
        ),
        Gpu(
            "GPU-7e75c9ab-0ed7-8a57-75f5-23761b9f053f",
            model="Tesla T4",
            memory_bytes=15358 * MEBIBYTE,
            used_memory_bytes=5120 * MEBIBYTE,
            utilization_percent=73,
            temperature_celsius=67,
            frequency_hertz=1_590_000_000,
            power_watts=68.25,
            energy_joules=9000,
        ),
    ]
    assert (node.gpu_count, node.gpu_memory_bytes, node.gpu_energy_joules) == (2, 2 * 15358 * MEBIBYTE, 14000)
    assert (node.gpu_frequency_hertz, node.gpu_temperature_celsius) == (1_590_000_000, 67)


def test_instances_of_a_gpu() -> None:
    """Each instance that MIG creates is listed with its profile, memory and utilization; the GPU counts once."""
    node = build_gpu_host("dcgm-exporter-mig")
    described = {
        name: (gpu.mig_profile, gpu.memory_bytes, gpu.utilization_percent, gpu.temperature_celsius)
        for name, gpu in node.gpus.items()
    }
    assert described == {
        "GPU-1f027ee8/3": ("2g.20gb", 19968 * MEBIBYTE, 50, 30),
        "GPU-1f027ee8/5": ("2g.20gb", 19968 * MEBIBYTE, None, 30),
        "GPU-c07eb90d": (None, 81228 * MEBIBYTE, 5, 28),
    }
    assert (node.gpu_count, node.gpu_energy_joules) == (2, 8000)
    assert node.gpu_memory_bytes == (2 * 19968 + 81228) * MEBIBYTE


def test_a_reported_total_takes_precedence() -> None:
    """If the counters of DCGM include the total, it is the memory of the GPU."""
    exporter = 'DCGM_FI_DEV_FB_{}{{gpu="0",UUID="GPU-1",job="gpu",instance="gpu1:9400"}} {}\n'
    text = "".join(exporter.format(*each) for each in (("TOTAL", 100), ("USED", 10), ("FREE", 80)))
    topology, _ = build_scenario(read_scraped("node_exporter-sensors", job="node", instance="gpu1:9100") + text)
    (node,) = topology.nodes.values()
    assert (node.gpus["GPU-1"].memory_bytes, node.gpu_memory_bytes) == (100 * MEBIBYTE, 100 * MEBIBYTE)


def test_gpus_of_amd() -> None:
    """The device metrics exporter of AMD fills the same fields."""
    node = build_gpu_host("amd-device-metrics-exporter")
    assert node.gpus == {
        "2/0": Gpu(
            "2/0",
            model="AMD Instinct MI300X OAM",
            memory_bytes=196592 * MEBIBYTE,
            used_memory_bytes=283 * MEBIBYTE,
            utilization_percent=12,
            temperature_celsius=44,
            power_watts=137,
            energy_joules=8000,
        )
    }
    assert (node.gpu_count, node.gpu_memory_bytes) == (1, 196592 * MEBIBYTE)


def test_gpus_of_intel() -> None:
    """XPU Manager 2 fills the same fields; the memory of the tiles of a GPU adds up."""
    node = build_gpu_host("intel-xpu-manager-2")
    assert list(node.gpus.values()) == [
        Gpu(
            "0000:03:00.0",
            model="Intel(R) Arc(TM) Pro B60 Graphics",
            memory_bytes=25_669_140_480,
            used_memory_bytes=8_589_934_592,
            utilization_percent=12.5,
            temperature_celsius=36,
            frequency_hertz=960_000_000,
            power_watts=31.5,
            energy_joules=5000,
        ),
        Gpu(
            "0000:05:00.0",
            model="Intel(R) Data Center GPU Max 1550",
            memory_bytes=137_438_953_472,
            used_memory_bytes=3_000_000,
            temperature_celsius=53,
        ),
    ]
    assert (node.gpu_count, node.gpu_memory_bytes) == (2, 25_669_140_480 + 137_438_953_472)


def test_gpus_of_intel_in_the_older_format() -> None:
    """XPU Manager 1 does not report the size of the memory, and its card is no GPU of its own."""
    node = build_gpu_host("intel-xpu-manager-1")
    assert list(node.gpus.values()) == [
        Gpu(
            "0000:4d:00.0",
            model="Intel(R) Data Center GPU Flex 170",
            used_memory_bytes=1_000_000,
            utilization_percent=50,
            temperature_celsius=45,
            frequency_hertz=1_950_000_000,
            power_watts=37.5,
            energy_joules=7000,
        ),
        Gpu(
            "0000:9a:00.0",
            model="Intel(R) Data Center GPU Max 1100",
            used_memory_bytes=3_000_000,
            utilization_percent=25,
            temperature_celsius=48,
            power_watts=80,
        ),
    ]
    assert (node.gpu_count, node.gpu_memory_bytes) == (2, None)


def test_the_gpu_of_a_jetson() -> None:
    """all-smi describes the GPU of a Jetson; its memory is that of the host."""
    node = build_gpu_host("all-smi-jetson")
    assert node.gpus == {
        "JetsonGPU": Gpu(
            "JetsonGPU",
            model="NVIDIA Jetson AGX Orin Developer Kit",
            memory_bytes=65_898_807_296,
            used_memory_bytes=9_663_676_416,
            utilization_percent=42.5,
            temperature_celsius=51,
            frequency_hertz=1_300_000_000,
            power_watts=12.75,
        )
    }
    assert (node.gpu_count, node.gpu_memory_bytes) == (1, None)


def test_other_gpus_of_all_smi_are_left_to_their_exporters() -> None:
    """A GPU that DCGM reports, too, is not listed twice."""
    all_smi = read_scraped("all-smi-jetson", job="gpu", instance="gpu1:9090").replace("JetsonGPU", "GPU-6d5c0ac5")
    topology, _ = build_scenario(read_scraped("node_exporter-sensors", job="node", instance="gpu1:9100") + all_smi)
    (node,) = topology.nodes.values()
    assert (node.gpus, node.gpu_count) == ({}, None)
