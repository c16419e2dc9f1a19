"""Where our answer to a parity case is not the Go service's: every path, and the defect of that service it comes from.

The reasons are the right-hand sides of the table in docs/parity.md. What is not listed here is equal.
"""

from collections.abc import Mapping

SEVERAL_ADDRESSES = "last series wins there; here the first global IPv4 address, and the mask that goes with it"
SEVERAL_ZONES = "last series wins there; here the temperature is that of the hottest zone"
SAME_POD_NAME = "one pod overwrites the other there; here the first namespace keeps the plain key, with its own pod"

_AWKWARD = '/cluster/edge <&> "quoted" ünïcode'
_HOST = f"{_AWKWARD}/node/höst-1"
_POD = f"{_AWKWARD}/pod/same-name"

OVER_HTTP: Mapping[str, Mapping[str, str]] = {
    "awkward": {
        f"{_HOST}/dynamicMetrics/cpuTemperature": SEVERAL_ZONES,
        f"{_HOST}/networkInterfaces/eth0/ip": SEVERAL_ADDRESSES,
        f"{_HOST}/networkInterfaces/eth0/subnetMask": SEVERAL_ADDRESSES,
        f"{_POD}/ip": SAME_POD_NAME,
        f"{_POD}/status": SAME_POD_NAME,
        f"{_POD}/numberOfContainers": SAME_POD_NAME,
        f"{_POD}/container/d": SAME_POD_NAME,
    },
    "defaults-without-uname": {},
    "empty": {},
    "etim-labels": {},
    "nuvla": {},
    "ocm-two-clusters": {},
    "ocm-without-name": {},
}

NAN = "one NaN anywhere is an empty body there; here the value is left out and the rest is served"
WITHOUT_ANSWER: Mapping[str, str] = {"nan": NAN}

COLLAPSED = "without `node` labels all nodes collapse to one with id '' there; here every node is told"
NO_UNAME = "no node_uname_info is no nodes there; here the telemetry agent's series makes them"
OVER_GRPC: Mapping[str, str] = {
    "awkward": COLLAPSED,
    "defaults-without-uname": NO_UNAME,
    "nan": COLLAPSED,
    "nuvla": COLLAPSED,
    "ocm-two-clusters": COLLAPSED,
    "ocm-without-name": COLLAPSED,
}
