"""The parts of a simulated fleet: hardware models, cities, peripherals and applications."""

from dataclasses import dataclass

GIB_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class HardwareModel:
    """One kind of machine; `weight` is its share in a fleet."""

    name: str
    go_arch: str
    uname_machine: str
    cores: int
    memory_bytes: int
    disk_bytes: int
    max_hertz: int
    mean_watts: float
    thermal_zones: tuple[str, ...]
    second_interface: str
    weight: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class City:
    """The location of machines, with coordinates in degrees."""

    name: str
    region: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class SimulatedApp:
    """Software that runs in pods; `component` is set where ICOS deployed it as part of an application."""

    name: str
    namespace: str
    application: str = ""
    component: str = ""


PI = HardwareModel(
    "raspberry-pi-5",
    "arm64",
    "aarch64",
    4,
    8 * GIB_BYTES,
    64 * GIB_BYTES,
    2_400_000_000,
    6,
    ("cpu-thermal",),
    "wlan0",
    30,
)
NUC = HardwareModel(
    "nuc-13", "amd64", "x86_64", 4, 16 * GIB_BYTES, 512 * GIB_BYTES, 3_700_000_000, 22, ("x86_pkg_temp",), "", 45
)
SERVER = HardwareModel(
    "edge-server",
    "amd64",
    "x86_64",
    8,
    64 * GIB_BYTES,
    1920 * GIB_BYTES,
    3_200_000_000,
    95,
    ("x86_pkg_temp", "acpitz"),
    "eth1",
    20,
)
GPU_SERVER = HardwareModel(
    "gpu-server",
    "amd64",
    "x86_64",
    16,
    128 * GIB_BYTES,
    3840 * GIB_BYTES,
    3_500_000_000,
    180,
    ("x86_pkg_temp", "acpitz"),
    "eth1",
    5,
    2,
)
HARDWARE_MODELS = (PI, NUC, SERVER, GPU_SERVER)

GPU_MODEL = "NVIDIA L4"
GPU_MEMORY_MEBIBYTES = 23_034
GPU_MAX_MEGAHERTZ = 2_040

CITIES = (
    City("athens", "south", 37.9838, 23.7275),
    City("barcelona", "south", 41.3874, 2.1686),
    City("bologna", "south", 44.4949, 11.3426),
    City("braunschweig", "central", 52.2689, 10.5268),
    City("bratislava", "central", 48.1486, 17.1077),
    City("copenhagen", "north", 55.6761, 12.5683),
    City("geneva", "central", 46.2044, 6.1432),
    City("kranj", "south", 46.2389, 14.3556),
    City("madrid", "south", 40.4168, -3.7038),
    City("oslo", "north", 59.9139, 10.7522),
    City("poznan", "central", 52.4064, 16.9252),
    City("tampere", "north", 61.4978, 23.7610),
    City("turin", "south", 45.0703, 7.6869),
)

# On every Kubernetes node, in this order; the rest of a node's pods are replicas of APPS.
DAEMON_SET_APPS = (SimulatedApp("cilium", "kube-system"), SimulatedApp("telemetry-agent", "icos-system"))
APPS = (
    SimulatedApp("mqtt-broker", "smart-farm", "smart-farm", "broker"),
    SimulatedApp("image-classifier", "smart-farm", "smart-farm", "classifier"),
    SimulatedApp("dashboard", "smart-farm", "smart-farm", "dashboard"),
    SimulatedApp("train-localisation", "rail", "rail-alert", "localisation"),
    SimulatedApp("track-events", "rail", "rail-alert", "events"),
    SimulatedApp("ev-charging", "energy", "home-energy", "charging"),
    SimulatedApp("load-forecast", "energy", "home-energy", "forecast"),
    SimulatedApp("web", "shop"),
    SimulatedApp("checkout", "shop"),
    SimulatedApp("redis", "shop"),
    SimulatedApp("coredns", "kube-system"),
    SimulatedApp("metrics-server", "kube-system"),
    SimulatedApp("registry-mirror", "platform"),
)
JOB_APP = SimulatedApp("nightly-report", "platform")
DOCKER_APPS = (
    "nuvlaedge-agent",
    "compute-api",
    "telemetry-leaf",
    "mosquitto",
    "node-red",
    "camera-stream",
    "vpn-client",
)
SIDECARS = ("proxy", "log-shipper", "config-reloader", "metrics")

# Device name and the resource under which a scheduler offers it, as device discovery reports them.
PERIPHERALS = (
    ("usb-video_046d_0825", "squat.ai/video"),
    ("usb-video_1b3f_2247", "squat.ai/video"),
    ("usb-storage_174c_1156", "none"),
    ("usb-human-interface_0627_0001", "none"),
    ("usb-serial_10c4_ea60", "squat.ai/serial"),
)
