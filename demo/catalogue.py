"""What a simulated fleet is made of: machines one can buy, cities one can visit, software one can run."""

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Hardware:
    """One kind of machine; `weight` is its share among the machines of a fleet."""

    name: str
    go_arch: str
    machine: str
    cores: int
    memory_bytes: int
    disk_bytes: int
    max_hertz: int
    watts: float
    zones: tuple[str, ...]
    second_device: str
    weight: int
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class City:
    """A place where machines stand, with coordinates in degrees."""

    name: str
    region: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class App:
    """Software that runs in pods; `component` is set where ICOS deployed it as part of an application."""

    name: str
    namespace: str
    application: str = ""
    component: str = ""


PI = Hardware(
    "raspberry-pi-5", "arm64", "aarch64", 4, 8 * GIB, 64 * GIB, 2_400_000_000, 6, ("cpu-thermal",), "wlan0", 30
)
NUC = Hardware("nuc-13", "amd64", "x86_64", 4, 16 * GIB, 512 * GIB, 3_700_000_000, 22, ("x86_pkg_temp",), "", 45)
SERVER = Hardware(
    "edge-server", "amd64", "x86_64", 8, 64 * GIB, 1920 * GIB, 3_200_000_000, 95, ("x86_pkg_temp", "acpitz"), "eth1", 20
)
GPU_SERVER = Hardware(
    "gpu-server",
    "amd64",
    "x86_64",
    16,
    128 * GIB,
    3840 * GIB,
    3_500_000_000,
    180,
    ("x86_pkg_temp", "acpitz"),
    "eth1",
    5,
    2,
)
MACHINES = (PI, NUC, SERVER, GPU_SERVER)

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
DAEMONS = (App("cilium", "kube-system"), App("telemetry-agent", "icos-system"))
APPS = (
    App("mqtt-broker", "smart-farm", "smart-farm", "broker"),
    App("image-classifier", "smart-farm", "smart-farm", "classifier"),
    App("dashboard", "smart-farm", "smart-farm", "dashboard"),
    App("train-localisation", "rail", "rail-alert", "localisation"),
    App("track-events", "rail", "rail-alert", "events"),
    App("ev-charging", "energy", "home-energy", "charging"),
    App("load-forecast", "energy", "home-energy", "forecast"),
    App("web", "shop"),
    App("checkout", "shop"),
    App("redis", "shop"),
    App("coredns", "kube-system"),
    App("metrics-server", "kube-system"),
    App("registry-mirror", "platform"),
)
JOB = App("nightly-report", "platform")
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
