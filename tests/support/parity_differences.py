"""Every path where the response to a parity case differs from that of the Go service, with the defect that causes it.

The reasons are those in the table of docs/parity.md. All other paths are equal.
"""

from collections.abc import Mapping

SEVERAL_ADDRESSES = "Go: the last series wins. Gateway: the first global IPv4 address with its netmask."
SEVERAL_ZONES = "Go: the last series wins. Gateway: the temperature of the hottest zone."
SAME_POD_NAME = "Go: one pod overwrites the other. Gateway: the pod of the first namespace has the plain key."

_AWKWARD_CLUSTER_PATH = '/cluster/edge <&> "quoted" ünïcode'
_AWKWARD_NODE_PATH = f"{_AWKWARD_CLUSTER_PATH}/node/höst-1"
_AWKWARD_POD_PATH = f"{_AWKWARD_CLUSTER_PATH}/pod/same-name"

HTTP_DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "awkward": {
        f"{_AWKWARD_NODE_PATH}/dynamicMetrics/cpuTemperature": SEVERAL_ZONES,
        f"{_AWKWARD_NODE_PATH}/networkInterfaces/eth0/ip": SEVERAL_ADDRESSES,
        f"{_AWKWARD_NODE_PATH}/networkInterfaces/eth0/subnetMask": SEVERAL_ADDRESSES,
        f"{_AWKWARD_POD_PATH}/ip": SAME_POD_NAME,
        f"{_AWKWARD_POD_PATH}/status": SAME_POD_NAME,
        f"{_AWKWARD_POD_PATH}/numberOfContainers": SAME_POD_NAME,
        f"{_AWKWARD_POD_PATH}/container/d": SAME_POD_NAME,
    },
    "defaults-without-uname": {},
    "empty": {},
    "etim-labels": {},
    "nuvla": {},
    "ocm-two-clusters": {},
    "ocm-without-name": {},
}

NAN_VALUE = "Go: one NaN causes an empty body. Gateway: the value is omitted and the rest is served."
CASES_WITHOUT_GO_RESPONSE: Mapping[str, str] = {"nan": NAN_VALUE}

COLLAPSED_NODES = (
    "Go: without `node` labels, all nodes become one node with the ID ''. Gateway: every node is returned."
)
MISSING_UNAME = "Go: no nodes without node_uname_info. Gateway: the series of the telemetry agent create them."
GRPC_DIFFERENCES: Mapping[str, str] = {
    "awkward": COLLAPSED_NODES,
    "defaults-without-uname": MISSING_UNAME,
    "nan": COLLAPSED_NODES,
    "nuvla": COLLAPSED_NODES,
    "ocm-two-clusters": COLLAPSED_NODES,
    "ocm-without-name": COLLAPSED_NODES,
}
