"""Which pods are scrape targets: their labels and annotations as targets of a job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import msgspec

OPTION_PREFIX = "metrics-aggregator.apawel.me/"
PROMETHEUS_PREFIX = "prometheus.io/"
DEFAULT_PORT = 80
DEFAULT_TIMEOUT_SECONDS = 5.0
_FINISHED_PHASES = frozenset({"Succeeded", "Failed"})
# What a path of a URL may contain without being quoted; a `?` begins the query.
_URL_CHARACTERS = "/?%:@!$&'()*+,;=~"
_POD_TEMPLATE_HASH = "pod-template-hash"

Value = TypeVar("Value")


class OwnerReference(msgspec.Struct, frozen=True):
    """The object that created a pod."""

    kind: str = ""
    name: str = ""
    controller: bool = False


class PodMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """The metadata of a pod, as far as targets need them."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[OwnerReference, ...] = ()


class ContainerPort(msgspec.Struct, frozen=True, rename="camel"):
    """A port that a container declares."""

    container_port: int = 0


class PodContainer(msgspec.Struct, frozen=True):
    """A container, as far as targets need it."""

    ports: tuple[ContainerPort, ...] = ()


class PodSpec(msgspec.Struct, frozen=True):
    """The specification of a pod, as far as targets need it."""

    containers: tuple[PodContainer, ...] = ()


class PodStatus(msgspec.Struct, frozen=True):
    """The status of a pod, as far as targets need it."""

    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")


class PodObject(msgspec.Struct, frozen=True):
    """A pod as the Kubernetes API returns it; other fields are not read."""

    metadata: PodMetadata = PodMetadata()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


@dataclass(frozen=True, slots=True)
class PodTarget:
    """A pod to scrape. `problem` describes an option with an invalid value; such a pod is not scraped, but down."""

    job: str
    namespace: str
    pod: str
    ip: str
    port: int = DEFAULT_PORT
    path: str = "/metrics"
    scheme: str = "http"
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    verifies_tls: bool = True
    sends_token: bool = False
    problem: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels that each sample of the pod gets, in their order."""
        return {"instance": self.pod, "job": self.job, "pod_namespace": self.namespace, "pod_ip": self.ip}

    @property
    def address(self) -> str:
        """The address and the port."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"

    @property
    def url(self) -> str:
        """The URL of the page. Only the path contains what a pod has written, and it is quoted."""
        return f"{self.scheme}://{self.address}{quote(self.path, safe=_URL_CHARACTERS)}"


@dataclass(frozen=True, slots=True)
class PodRules:
    """Settings: whether the annotations `prometheus.io/…` count, and whose pods may get the token."""

    reads_prometheus_annotations: bool = False
    token_namespaces: frozenset[str] = frozenset()

    def build_target(self, pod: PodObject) -> PodTarget | None:
        """Return the target of a pod, None if it is not one: unlabelled, finished, or without an address."""
        if not pod.status.pod_ip or pod.status.phase in _FINISHED_PHASES:
            return None
        metadata = pod.metadata
        options = _select_options(metadata.labels, OPTION_PREFIX) | _select_options(metadata.annotations, OPTION_PREFIX)
        job = options.get("job-name")
        if job:
            return self._build_from_options(pod, job, options)
        options = _select_options(metadata.annotations, PROMETHEUS_PREFIX)
        if self.reads_prometheus_annotations and options.get("scrape") == "true":
            return _build_from_prometheus_annotations(pod, options)
        return None

    def _build_from_options(self, pod: PodObject, job: str, options: Mapping[str, str]) -> PodTarget:
        namespace = pod.metadata.namespace
        is_tls = options.get("tls-enabled") == "true"
        verifies_tls = options.get("tls-verify", "true") == "true"
        problems: list[str] = []
        return PodTarget(
            job=job,
            namespace=namespace,
            pod=pod.metadata.name,
            ip=pod.status.pod_ip,
            port=_parse_option(options, "port", _parse_port, DEFAULT_PORT, problems),
            path="/" + options.get("endpoint", "metrics").lstrip("/"),
            scheme="https" if is_tls else "http",
            timeout_seconds=_parse_option(
                options, "scrape-timeout-seconds", _parse_seconds, DEFAULT_TIMEOUT_SECONDS, problems
            ),
            verifies_tls=verifies_tls,
            sends_token=options.get("send-token") == "true"
            and namespace in self.token_namespaces
            and is_tls
            and verifies_tls,
            problem="; ".join(problems),
        )


def _build_from_prometheus_annotations(pod: PodObject, options: Mapping[str, str]) -> PodTarget:
    declared_ports = [port.container_port for container in pod.spec.containers for port in container.ports]
    scheme = options.get("scheme", "http")
    problems = [] if scheme in ("http", "https") else ["scheme must be http or https"]
    return PodTarget(
        job=f"{pod.metadata.namespace}/{_find_owner_name(pod.metadata)}",
        namespace=pod.metadata.namespace,
        pod=pod.metadata.name,
        ip=pod.status.pod_ip,
        port=_parse_option(options, "port", _parse_port, next(iter(declared_ports), DEFAULT_PORT), problems),
        path="/" + options.get("path", "metrics").lstrip("/"),
        scheme=scheme,
        problem="; ".join(problems),
    )


def _find_owner_name(metadata: PodMetadata) -> str:
    """Return the name of the workload: of a Deployment, not of its ReplicaSet; of the pod if nothing controls it."""
    owner = next((owner for owner in metadata.owner_references if owner.controller), None)
    if owner is None:
        return metadata.name
    template_hash = (metadata.labels or {}).get(_POD_TEMPLATE_HASH)
    return owner.name.removesuffix(f"-{template_hash}") if template_hash else owner.name


def _select_options(values: Mapping[str, str] | None, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in (values or {}).items() if name.startswith(prefix)}


def _parse_option(
    options: Mapping[str, str], name: str, parse: Callable[[str], Value], default: Value, problems: list[str]
) -> Value:
    """Return the value of an option; an invalid one is noted, and the default returned."""
    text = options.get(name)
    if text is None:
        return default
    try:
        return parse(text)
    except ValueError as error:
        problems.append(f"{name} {error}")
        return default


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise ValueError("must be a number from 1 to 65535")
    return int(text)


def _parse_seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) > 0):
        raise ValueError("must be a whole number of seconds")
    return float(text)
