"""Which host a series tells of that lacks its cluster's uid: the one of that machine id, if there is only one."""

from collections.abc import Iterable
from typing import Any

from aggregator.models.draft import Identity, reader
from aggregator.models.membership import CONTROLLER

BY_MACHINE = ("k8s_cluster_uid", "icos_host_id")


def same_hosts(metrics: Iterable[Any]) -> dict[Identity, Identity]:
    """Return the identities without a cluster's uid that hosts have which are also told of with it.

    The controller's hosts are not looked for: what they are told of is no part of the topology.
    """
    uids: dict[str, set[str]] = {}
    for metric in metrics:
        uid, machine = reader(metric.__class__, BY_MACHINE)(metric)
        uids.setdefault(machine.strip(), set()).add(uid.strip())
    return {
        (BY_MACHINE, ("", machine)): (BY_MACHINE, (max(found), machine))
        for machine, found in uids.items()
        if machine and "" in found and len(found) == 2 and max(found) != CONTROLLER
    }
