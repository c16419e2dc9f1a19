"""Which pods a host runs at a time: lasting replicas, replicas that are replaced, stuck pods and ended jobs.

A slot is a place for one pod, numbered through the fleet. Who sits in it may change: the generation tells how often.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from demo.catalogue import APPS, DAEMONS, JOB, App
from demo.inventory import Host
from demo.motion import phase

SHORT_LIVED_SHARE = 1 / 24
LIFE_SECONDS = 90
STAGGER_SECONDS = 30
STARTING_SECONDS = 4
STUCK_SLOTS = frozenset({11, 47})
FAILED_JOB_SLOT = 23
DONE_JOB_SLOT = 53
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own, which spells no words


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod at one time; `ip` is empty while it is pending."""

    slot: int
    name: str
    app: App
    uid: str
    ip: str
    phase: str
    owner_kind: str
    owner: str
    uses_host_network: bool

    @property
    def is_running(self) -> bool:
        """Whether its containers have processes that can be measured."""
        return self.phase == "Running"


def on_host(host: Host, slots: range, seed: int, at_seconds: float) -> Iterator[Pod]:
    """Yield the pods of a host, one per slot; the first slots hold what runs on every node."""
    for position, slot in enumerate(slots):
        daemon = DAEMONS[position] if position < len(DAEMONS) else None
        yield _pod(host, position, slot, daemon, seed, at_seconds)


def _pod(host: Host, position: int, slot: int, daemon: App | None, seed: int, at_seconds: float) -> Pod:
    generation, age_seconds = _generation(slot, at_seconds) if daemon is None else (0, at_seconds)
    status = "Running" if daemon else _phase(slot, age_seconds)
    digest = hashlib.blake2b(f"{seed}/{slot}/{generation}".encode(), digest_size=16).digest()
    app, kind, owner = _owner(slot, daemon, generation)
    uses_host_network = daemon is DAEMONS[0]
    if status == "Pending":
        ip = ""
    elif uses_host_network:
        ip = host.ip
    else:
        ip = f"10.{42 + host.position // 256}.{host.position % 256}.{position + 2}"
    name = f"{owner}-{spell(slot * 7_368_787 + generation * 1_299_709, 5)}"
    return Pod(slot, name, app, str(uuid.UUID(bytes=digest, version=4)), ip, status, kind, owner, uses_host_network)


def _owner(slot: int, daemon: App | None, generation: int) -> tuple[App, str, str]:
    if daemon:
        return daemon, "DaemonSet", daemon.name
    if slot in (FAILED_JOB_SLOT, DONE_JOB_SLOT):
        return JOB, "Job", f"{JOB.name}-{29_000_000 + slot}"
    app = APPS[slot % len(APPS)]
    rollout = sum(app.name.encode()) * 104_729 + generation * 15_485_863
    return app, "ReplicaSet", f"{app.name}-{spell(rollout, 9)}"


def _generation(slot: int, at_seconds: float) -> tuple[int, float]:
    """Return how often the slot's pod was replaced and the age of the present one, in seconds.

    A third of the short-lived slots is replaced every 30 seconds; all others keep their pod for ever.
    """
    if not _is_short_lived(slot):
        return 0, at_seconds
    shifted = at_seconds + slot % 3 * STAGGER_SECONDS
    return int(shifted // LIFE_SECONDS), shifted % LIFE_SECONDS


def _phase(slot: int, age_seconds: float) -> str:
    if slot in STUCK_SLOTS:
        return "Pending"
    if slot == FAILED_JOB_SLOT:
        return "Failed"
    if slot == DONE_JOB_SLOT:
        return "Succeeded"
    return "Pending" if _is_short_lived(slot) and age_seconds < STARTING_SECONDS else "Running"


def _is_short_lived(slot: int) -> bool:
    return phase(slot) < SHORT_LIVED_SHARE


def spell(number: int, length: int) -> str:
    """Write a number in Kubernetes' alphabet; numbers that differ below 27**length are spelled differently."""
    letters = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[rest])
    return "".join(letters)
