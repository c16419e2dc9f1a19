"""The JSON of `/get-data`, as the Docker data exporter writes it. Aggregators of that program read it."""

import json
from typing import Any

from aggregator.agent.collect import Collection, ContainerReading
from aggregator.docker.facts import EngineFacts
from aggregator.docker.usage import compute_memory_percent

# An aggregator of that program writes texts into labels without escaping, so that one quote costs it all hosts.
_SAFE_TEXT = str.maketrans({'"': "'", "\\": "/", "\n": " ", "\r": " "})
_COMMIT_CHARACTERS = 7
_SHORT_ID_CHARACTERS = 12


def render_legacy_data(collection: Collection, host_name: str, *, is_verbatim: bool) -> bytes:
    """Return the document of a collection. While the Engine does not run, it has two keys and no line end."""
    document: dict[str, Any] = {"hostname": host_name, "docker-running": collection.engine is not None}
    if collection.engine is None:
        return _encode(document, is_verbatim=is_verbatim)
    document |= _describe_engine(collection.engine)
    document["containers"] = [_describe_container(reading) for reading in collection.containers]
    return _encode(document, is_verbatim=is_verbatim) + b"\n"


def _encode(document: dict[str, Any], *, is_verbatim: bool) -> bytes:
    return json.dumps(document if is_verbatim else _make_safe(document)).encode()


def _make_safe(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_SAFE_TEXT)
    if isinstance(value, list):
        return [_make_safe(item) for item in value]
    if isinstance(value, dict):
        return {key: _make_safe(item) for key, item in value.items()}
    return value


def _describe_engine(engine: EngineFacts) -> dict[str, Any]:
    build = f" (build {engine.git_commit[:_COMMIT_CHARACTERS]})" if engine.git_commit else ""
    return {
        "docker-version": engine.version + build,
        "swarm-mode": engine.is_swarm_active,
        "image-count": engine.image_count,
        "total-container-count": engine.container_count,
        "running-container-count": engine.running_count,
    }


def _describe_container(reading: ContainerReading) -> dict[str, Any]:
    """Return the object of a container; one whose numbers were late keeps its last ones, at first zeros."""
    container, usage = reading.container, reading.last_usage
    labels = container.labels or {}
    return {
        "id": container.id[:_SHORT_ID_CHARACTERS],
        "name": container.name,
        "image": container.image,
        "image-label": ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
        "user": container.name.rpartition("--")[2],
        "state": container.state,
        "status": container.status,
        "created-at": container.created_seconds,
        "cpu-percent": round(reading.cpu_percent, 2),
        "mem-percent": round(compute_memory_percent(usage), 2) if usage else 0.0,
        "network-bytes-in": sum(each.receive_bytes for each in usage.networks) if usage else 0,
        "network-bytes-out": sum(each.transmit_bytes for each in usage.networks) if usage else 0,
        "block-bytes-in": usage.read_bytes if usage else 0,
        "block-bytes-out": usage.write_bytes if usage else 0,
    }
