"""Converters from the text of a sample value or label to a value of the topology.

A converter returns None if the text means "unknown". It raises ValueError with a constant message if the value is
invalid; the builder counts dropped values by that message.
"""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from aggregator.util.runtime import iter_chunks

TextConverter = Callable[[str], object]

NOT_FINITE = "not a finite number"
OUT_OF_RANGE = "out of range"
NOT_A_NUMBER = "not a number"
NOT_A_BOOLEAN = "not true or false"

# The first second of the year 10000, the first one that protobuf's Timestamp cannot hold.
TIMESTAMP_LIMIT_SECONDS = 253402300800

MAX_LATITUDE = 90.0
MAX_LONGITUDE = 180.0

SENSOR_MINIMUM_CELSIUS = -55
SENSOR_MAXIMUM_CELSIUS = 150

# The integers of the topology are smaller.
INT64_LIMIT = 2**63

# Names of architectures in Go (GOARCH) and the different names that `uname -m` has for them.
_UNAME_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}

_CONTAINER_ID_PATTERN = re.compile("[0-9a-f]{64}")

_DIGEST_PATTERN = re.compile("sha(?:256|512):[0-9a-f]+")

# The states of containers in the Docker Engine API, and what Kubernetes calls them.
_DOCKER_STATES = {
    "running": "running",
    "created": "waiting",
    "restarting": "waiting",
    "paused": "waiting",
    "removing": "terminated",
    "exited": "terminated",
    "dead": "terminated",
}
_NO_HEALTH_CHECK = "none"

_CONDITION_STATUSES = {1: "true", 0: "false", -1: "unknown"}

_POD_PHASES = {1: "Pending", 2: "Running", 3: "Succeeded", 4: "Failed", 5: "Unknown"}


def parse_float(text: str) -> float:
    """Return a finite number."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(NOT_A_NUMBER) from None
    if not math.isfinite(number):
        raise ValueError(NOT_FINITE)
    return number


def parse_timestamp(text: str) -> float:
    """Return a Unix time that protobuf's Timestamp can hold."""
    seconds = parse_float(text)
    if not 0 <= seconds < TIMESTAMP_LIMIT_SECONDS:
        raise ValueError(OUT_OF_RANGE)
    return seconds


def parse_int(text: str) -> int:
    """Return the integer part of a number; it must fit into a signed 64-bit integer."""
    number = parse_float(text)
    if not -INT64_LIMIT <= number < INT64_LIMIT:
        raise ValueError(OUT_OF_RANGE)
    return int(number)


def parse_unsigned_int(text: str) -> int:
    """Return the integer part of a number that cannot be negative, such as bytes or hertz."""
    number = parse_int(text)
    if number < 0:
        raise ValueError(OUT_OF_RANGE)
    return number


def parse_unsigned_float(text: str) -> float:
    """Return a number that cannot be negative."""
    number = parse_float(text)
    if not 0 <= number < INT64_LIMIT:
        raise ValueError(OUT_OF_RANGE)
    return number


def parse_cores_limit(text: str) -> float | None:
    """Return a limit in CPU cores, None for a number that means that there is no limit: 0 or less."""
    number = parse_float(text)
    return parse_unsigned_float(text) if number > 0 else None


def parse_bytes_limit(text: str) -> int | None:
    """Return a limit in bytes, None for a number that means that there is no limit: 0 or less."""
    number = parse_int(text)
    return number if number > 0 else None


def parse_temperature(text: str) -> float | None:
    """Return a temperature in °C, None if no silicon sensor can measure it: then no sensor is connected."""
    celsius = parse_float(text)
    return celsius if SENSOR_MINIMUM_CELSIUS <= celsius <= SENSOR_MAXIMUM_CELSIUS else None


def parse_bool(text: str) -> bool:
    """Return whether the integer part of a gauge is 1."""
    return int(parse_float(text)) == 1


def parse_bool_text(text: str) -> bool | None:
    """Return the boolean that "true" or "false" means."""
    if text in ("true", "false"):
        return text == "true"
    if text:
        raise ValueError(NOT_A_BOOLEAN)
    return None


def parse_endpoint_readiness(text: str) -> bool:
    """Return whether an endpoint is ready; Kubernetes counts an endpoint of unknown readiness as ready."""
    return parse_bool_text(text) is not False


def confirm(_text: str) -> bool:
    """Return True: for fields that are true for each object with a sample."""
    return True


def parse_text(raw: str) -> str:
    """Return the text unchanged, even if it is empty."""
    return raw


def parse_optional_text(text: str) -> str | None:
    """Return the text, None if it is empty."""
    return text or None


def parse_owner(text: str) -> str | None:
    """Return the kind or name of an owner; kube-state-metrics before 2.5 writes "<none>" if there is no owner."""
    return text if text not in ("", "<none>") else None


def parse_digest(image_id: str) -> str | None:
    """Return the digest of an image from its ID at the container runtime, or the ID if it contains none."""
    match = _DIGEST_PATTERN.search(image_id)
    return match[0] if match else image_id or None


def remove_scheme(container_id: str) -> str | None:
    """Return the ID of a container without the runtime, such as "containerd://"."""
    return container_id.rpartition("://")[2] or None


def parse_engine(version: str) -> str | None:
    """Return the name of a container runtime from its name and version, such as "containerd://1.7.2"."""
    return version.partition("://")[0] or None


def parse_stripped_text(text: str) -> str | None:
    """Return the text without surrounding white space: machine IDs have the newline of /etc/machine-id."""
    return text.strip() or None


def parse_pod_phase(text: str) -> str | None:
    """Return the phase of a pod from the number that OpenTelemetry's receiver reports for it."""
    try:
        return _POD_PHASES[parse_int(text)]
    except KeyError:
        raise ValueError(OUT_OF_RANGE) from None


def parse_condition_status(text: str) -> str:
    """Return the status of a condition of a node from the number that OpenTelemetry's receiver reports for it."""
    try:
        return _CONDITION_STATUSES[parse_int(text)]
    except KeyError:
        raise ValueError(OUT_OF_RANGE) from None


def parse_docker_state(text: str) -> str | None:
    """Return the state of a container in the words of Kubernetes, from its state in Docker; None if it is unknown."""
    return _DOCKER_STATES.get(text)


def parse_docker_reason(text: str) -> str | None:
    """Return why a container does not run: its state in Docker."""
    return text if text != "running" else None


def parse_health(text: str) -> str | None:
    """Return the result of the health check of a container, None if it has no health check."""
    return text if text not in ("", _NO_HEALTH_CHECK) else None


def parse_container_id(text: str) -> str:
    """Return the ID of a container from the path of its cgroup, or the path if it contains none."""
    match = _CONTAINER_ID_PATTERN.search(text)
    return match[0] if match else text


def parse_mac_address(text: str) -> str | None:
    """Return the MAC address, None for interfaces without one, such as `lo`."""
    return text if text.strip("0:") else None


def parse_architecture(text: str) -> str | None:
    """Return the name that `uname -m` has for an architecture, from its name in Go."""
    return _UNAME_ARCHITECTURES.get(text, text) or None


def parse_latitude(text: str) -> float | None:
    """Return a latitude in degrees, None for 0, which hosts without a position report."""
    return _check_magnitude(_parse_degrees(text), MAX_LATITUDE)


def parse_longitude(text: str) -> float | None:
    """Return a longitude in degrees, None for 0, which hosts without a position report."""
    return _check_magnitude(_parse_degrees(text), MAX_LONGITUDE)


def parse_reported_degrees(text: str) -> float | None:
    """Return degrees that may be out of range, None if they are unknown or not a number.

    They are not counted as dropped, because parse_latitude or parse_longitude reads the same text.
    """
    try:
        return _parse_degrees(text)
    except ValueError:
        return None


def _parse_degrees(text: str) -> float | None:
    if text != text.strip() or "_" in text or not text.isascii():
        raise ValueError(NOT_A_NUMBER)
    return (parse_float(text) or None) if text else None


def _check_magnitude(number: float | None, limit: float) -> float | None:
    if number is not None and abs(number) > limit:
        raise ValueError(OUT_OF_RANGE)
    return number


def convert_all(convert: TextConverter, texts: list[str]) -> list[Any] | None:
    """Return the converted texts, None if one of them is invalid.

    The converters of numbers, the most frequent ones, have counterparts that convert a whole list in a few calls. Other
    texts, such as labels, repeat: each is converted once, and the objects share the value.
    """
    list_parser = _LIST_PARSERS.get(convert)
    values: list[Any] = []
    converted: dict[str, Any] = {}
    try:
        for chunk in iter_chunks(texts):
            if list_parser is None:
                converted.update((text, convert(text)) for text in set(chunk).difference(converted))
                values += map(converted.__getitem__, chunk)
            else:
                values += list_parser(chunk)
    except ValueError:
        return None
    return values


def _parse_floats(texts: Iterable[str]) -> list[float]:
    numbers = list(map(float, texts))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(NOT_FINITE)
    return numbers


def _parse_timestamps(texts: Iterable[str]) -> list[float]:
    return _check_range(0, TIMESTAMP_LIMIT_SECONDS, _parse_floats(texts))


def _parse_ints(texts: Iterable[str]) -> list[int]:
    return list(map(int, _check_range(-INT64_LIMIT, INT64_LIMIT, _parse_floats(texts))))


def _parse_unsigned_ints(texts: Iterable[str]) -> list[int]:
    numbers = _parse_ints(texts)
    if min(numbers) < 0:
        raise ValueError(OUT_OF_RANGE)
    return numbers


def _parse_unsigned_floats(texts: Iterable[str]) -> list[float]:
    return _check_range(0, INT64_LIMIT, _parse_floats(texts))


def _check_range(minimum: float, end: float, numbers: list[float]) -> list[float]:
    if min(numbers) < minimum or max(numbers) >= end:
        raise ValueError(OUT_OF_RANGE)
    return numbers


_LIST_PARSERS: dict[TextConverter, Callable[[list[str]], list[Any]]] = {
    parse_float: _parse_floats,
    parse_timestamp: _parse_timestamps,
    parse_int: _parse_ints,
    parse_unsigned_int: _parse_unsigned_ints,
    parse_unsigned_float: _parse_unsigned_floats,
}
