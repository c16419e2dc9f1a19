"""Settings of the discovery of pods through the Kubernetes API."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from aggregator.settings.types import (
    DURATION_EXPECTED,
    NameList,
    PositiveSeconds,
    SettingsGroup,
    define_setting,
    validate_each,
)

_NAMESPACES_EXPECTED = "names of namespaces, separated by commas"
_NAMESPACE_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


def check_namespace(name: str) -> None:
    """Raise ValueError unless a name is one that a namespace can have."""
    if not _NAMESPACE_PATTERN.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of a namespace")


Namespaces = Annotated[NameList, validate_each(check_namespace)]


class PodSettings(SettingsGroup):
    """Which pods are targets, and how the Kubernetes API is reached."""

    KUBERNETES: Literal["auto", "on", "off"] = define_setting(
        "auto",
        "on: find pods with a job through the Kubernetes API, from outside of a cluster with a kubeconfig file; "
        "auto: on in a pod with a service account",
        "auto, on or off",
    )
    KUBECONFIG: str | None = define_setting(
        None, "kubeconfig file, outside of a cluster", "path of a file", "~/.kube/config"
    )
    KUBERNETES_SERVICE_HOST: str | None = define_setting(
        None, "the Kubernetes API; Kubernetes sets it in every pod", "an IP address or host name", "none"
    )
    KUBERNETES_SERVICE_PORT: str | None = define_setting(
        None, "port of the Kubernetes API; Kubernetes sets it in every pod", "1 to 65535", "none"
    )
    NAMESPACES: Namespaces = define_setting((), "namespaces whose pods are targets", _NAMESPACES_EXPECTED, "all")
    POD_ANNOTATIONS: Literal["on", "off"] = define_setting(
        "off", "on: pods with the annotation prometheus.io/scrape are targets, too", "on or off"
    )
    CACHE_UPDATE_INTERVAL: PositiveSeconds = define_setting(
        10.0,
        "how often pods are listed where watching them is forbidden; elsewhere the shortest time between two lists",
        DURATION_EXPECTED,
    )
    SEND_TOKEN_NAMESPACES: Namespaces = define_setting(
        (),
        "namespaces whose pods get the token of the service account if they ask for it, over verified TLS",
        _NAMESPACES_EXPECTED,
        "none",
    )

    def find_conflicts(self) -> Iterator[str]:
        """Yield namespaces that would never be asked for pods."""
        yield from super().find_conflicts()
        if self.NAMESPACES and set(self.SEND_TOKEN_NAMESPACES) - set(self.NAMESPACES):
            yield "SEND_TOKEN_NAMESPACES: has a namespace that NAMESPACES lacks; expected: namespaces of NAMESPACES"
