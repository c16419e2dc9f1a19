"""The pods of a host at a time: lasting replicas, replicas that are replaced, pending pods and completed jobs.

A slot is a place for one pod, numbered across the fleet. The generation counts the pods that a slot has had.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from demo.fleet_parts import APPS, DAEMON_SET_APPS, JOB_APP, SimulatedApp
from demo.inventory import SimulatedHost
from demo.motion import compute_phase

SHORT_LIVED_RATIO = 1 / 24
POD_LIFETIME_SECONDS = 90
REPLACEMENT_STAGGER_SECONDS = 30
POD_STARTUP_SECONDS = 4
PENDING_SLOTS = frozenset({11, 47})
FAILED_JOB_SLOT = 23
SUCCEEDED_JOB_SLOT = 53
NAME_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of Kubernetes, which spells no words


@dataclass(frozen=True, slots=True)
class SimulatedPod:
    """One pod at one time; `ip` is empty while the pod is pending."""

    slot: int
    name: str
    app: SimulatedApp
    uid: str
    ip: str
    phase: str
    owner_kind: str
    owner: str
    uses_host_network: bool

    @property
    def is_running(self) -> bool:
        """Whether its containers have processes to measure."""
        return self.phase == "Running"


def generate_host_pods(host: SimulatedHost, slots: range, seed: int, at_seconds: float) -> Iterator[SimulatedPod]:
    """Yield the pods of a host, one per slot; the first slots are for daemon sets."""
    for position, slot in enumerate(slots):
        daemon = DAEMON_SET_APPS[position] if position < len(DAEMON_SET_APPS) else None
        yield _generate_pod(host, position, slot, daemon, seed, at_seconds)


def _generate_pod(
    host: SimulatedHost, position: int, slot: int, daemon: SimulatedApp | None, seed: int, at_seconds: float
) -> SimulatedPod:
    generation, age_seconds = _compute_generation(slot, at_seconds) if daemon is None else (0, at_seconds)
    status = "Running" if daemon else _select_phase(slot, age_seconds)
    digest = hashlib.blake2b(f"{seed}/{slot}/{generation}".encode(), digest_size=16).digest()
    app, kind, owner = _select_owner(slot, daemon, generation)
    uses_host_network = daemon is DAEMON_SET_APPS[0]
    if status == "Pending":
        ip = ""
    elif uses_host_network:
        ip = host.ip
    else:
        ip = f"10.{42 + host.cluster_index // 256}.{host.cluster_index % 256}.{position + 2}"
    name = f"{owner}-{encode_name_suffix(slot * 7_368_787 + generation * 1_299_709, 5)}"
    return SimulatedPod(
        slot, name, app, str(uuid.UUID(bytes=digest, version=4)), ip, status, kind, owner, uses_host_network
    )


def _select_owner(slot: int, daemon: SimulatedApp | None, generation: int) -> tuple[SimulatedApp, str, str]:
    if daemon:
        return daemon, "DaemonSet", daemon.name
    if slot in (FAILED_JOB_SLOT, SUCCEEDED_JOB_SLOT):
        return JOB_APP, "Job", f"{JOB_APP.name}-{29_000_000 + slot}"
    app = APPS[slot % len(APPS)]
    rollout = sum(app.name.encode()) * 104_729 + generation * 15_485_863
    return app, "ReplicaSet", f"{app.name}-{encode_name_suffix(rollout, 9)}"


def _compute_generation(slot: int, at_seconds: float) -> tuple[int, float]:
    """Return how often the pod of a slot was replaced, and the age of the current one in seconds.

    A third of the short-lived slots is replaced every 30 seconds; all others keep their pod for ever.
    """
    if not _is_short_lived(slot):
        return 0, at_seconds
    shifted = at_seconds + slot % 3 * REPLACEMENT_STAGGER_SECONDS
    return int(shifted // POD_LIFETIME_SECONDS), shifted % POD_LIFETIME_SECONDS


def _select_phase(slot: int, age_seconds: float) -> str:
    if slot in PENDING_SLOTS:
        return "Pending"
    if slot == FAILED_JOB_SLOT:
        return "Failed"
    if slot == SUCCEEDED_JOB_SLOT:
        return "Succeeded"
    return "Pending" if _is_short_lived(slot) and age_seconds < POD_STARTUP_SECONDS else "Running"


def _is_short_lived(slot: int) -> bool:
    return compute_phase(slot) < SHORT_LIVED_RATIO


def encode_name_suffix(number: int, length: int) -> str:
    """Return a number in the alphabet of Kubernetes; different numbers below 27**length have different names."""
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(NAME_SUFFIX_ALPHABET))
        letters.append(NAME_SUFFIX_ALPHABET[rest])
    return "".join(letters)
