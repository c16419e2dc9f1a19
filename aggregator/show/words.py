"""What is said of each object of the topology, in words and bars."""

from collections.abc import Iterator, Mapping

from aggregator.models.topology import Cluster, Container, Node, Pod
from aggregator.show.paper import Colour, Word

BAR_PLACES = 10
WARM_CELSIUS = 70
HOT_CELSIUS = 85
HIGH_SHARE = 0.75
FULL_SHARE = 0.9

_FULL, _EMPTY = "█", "░"
_PHASES: Mapping[str, Colour] = {
    "Running": Colour.GREEN,
    "Succeeded": Colour.FAINT,
    "Pending": Colour.YELLOW,
    "Failed": Colour.RED,
    "Unknown": Colour.RED,
}
# The worst first; others follow in the order of their names.
_SEVERITIES: Mapping[str, Colour] = {
    "Critical": Colour.RED,
    "High": Colour.RED,
    "Medium": Colour.YELLOW,
    "Low": Colour.PLAIN,
    "Untriaged": Colour.PLAIN,
}

Said = list[Word]


def of_cluster(cluster: Cluster, nodes: int, pods: int) -> Iterator[Said]:
    """Yield what is said behind the name of a cluster, the most important first."""
    if cluster.type:
        yield [Word(cluster.type, Colour.CYAN)]
    yield [Word(f"{_number(nodes, 'node')}, {_number(pods, 'pod')}")]
    if cluster.is_linked:
        yield [Word("linked", Colour.FAINT)]


def of_node(node: Node) -> Iterator[Said]:
    """Yield what is said behind the name of a node, the most important first."""
    if node.cpu_cores is not None or node.cpu_usage_percent is not None:
        yield _processors(node)
    if node.free_memory_bytes is not None or node.memory_bytes is not None:
        yield _memory(node)
    if node.temperature_celsius is not None:
        yield [Word(f"{node.temperature_celsius:.0f} °C", _warmth(node.temperature_celsius))]
    if node.vulnerabilities:
        yield _vulnerabilities(node.vulnerabilities)
    if node.devices:
        there = sum(device.is_attached for device in node.devices.values())
        yield [Word(f"{there} of {_number(len(node.devices), 'device')}")]
    if node.architecture:
        yield [Word(node.architecture, Colour.FAINT)]


def of_pod(pod: Pod) -> Iterator[Said]:
    """Yield what is said behind the name of a pod, the most important first."""
    yield [Word(pod.phase or "no phase", _PHASES.get(pod.phase or "", Colour.FAINT))]
    yield [Word(_number(len(pod.containers), "container"))]
    if pod.ip:
        yield [Word(pod.ip, Colour.FAINT)]


def of_container(container: Container) -> Iterator[Said]:
    """Yield what is said behind the name of a container, the most important first."""
    if container.cpu_usage_cores is not None:
        yield [Word(f"cpu {container.cpu_usage_cores:.3f}")]
    if container.memory_bytes is not None:
        yield [Word(bytes_text(container.memory_bytes))]
    if container.image:
        yield [Word(container.image, Colour.FAINT)]


def _processors(node: Node) -> Said:
    cores = f" of {node.cpu_cores:g}" if node.cpu_cores is not None else ""
    if node.cpu_usage_percent is None:
        return [Word(f"cpu{cores.replace(' of', '')}")]
    share = node.cpu_usage_percent / 100
    return [Word("cpu "), *bar(share), Word(f" {node.cpu_usage_percent:3.0f} %{cores}")]


def _memory(node: Node) -> Said:
    total = node.memory_bytes if node.memory_bytes is not None else node.host_memory_bytes
    if node.free_memory_bytes is None:
        return [Word(f"mem {bytes_text(total or 0)}")]
    free = bytes_text(node.free_memory_bytes)
    if not total:
        return [Word(f"mem {free} free")]
    return [Word("mem "), *bar(1 - node.free_memory_bytes / total), Word(f" {free} of {bytes_text(total)} free")]


def _vulnerabilities(found: Mapping[str, int]) -> Said:
    order = [*(name for name in _SEVERITIES if name in found), *sorted(set(found) - set(_SEVERITIES))]
    said = [Word("vuln")]
    for name in order:
        said += [Word(" "), Word(f"{found[name]} {name.lower()}", _SEVERITIES.get(name, Colour.PLAIN))]
    return said


def _warmth(celsius: float) -> Colour:
    if celsius >= HOT_CELSIUS:
        return Colour.RED
    return Colour.YELLOW if celsius >= WARM_CELSIUS else Colour.PLAIN


def bar(share: float) -> Said:
    """Return a bar that shows how much of a whole is taken."""
    held = min(max(share, 0.0), 1.0)
    full = round(held * BAR_PLACES)
    colour = Colour.GREEN
    if held >= HIGH_SHARE:
        colour = Colour.RED if held >= FULL_SHARE else Colour.YELLOW
    return [Word(_FULL * full, colour), Word(_EMPTY * (BAR_PLACES - full), Colour.FAINT)]


def bytes_text(size_bytes: float) -> str:
    """Return a number of bytes as a person reads it."""
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if size_bytes < 1024 or unit == "PiB":
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" or size_bytes >= 100 else f"{size_bytes:.1f} {unit}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
