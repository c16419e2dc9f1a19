"""A gateway that is asked the same over HTTP and over gRPC: both have to tell the same."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server import grpc_v1
from tests.server import call, exchange
from tests.server.serving import Ports

# What a request's fields are called over HTTP, where that is another name.
PARAMETERS = {"label_selector": "labels", "continue_token": "continue"}


@dataclass(frozen=True)
class Both:
    """A connection and a channel to one gateway."""

    connection: http.client.HTTPConnection
    channel: grpc.Channel

    def answer(self, at: str, method: str, request: Message) -> Any:
        """Return the message that gRPC answers with; fail where HTTP answers with anything but its JSON mapping."""
        reply = call.over(self.channel, _path(method), request=request.SerializeToString())
        assert (reply.code, reply.details) == (grpc.StatusCode.OK, ""), (method, request)
        output = grpc_v1.SERVICE.methods_by_name[method].output_type
        kind: type[Message] = getattr(pb, output.name)
        message = kind.FromString(reply.body)
        told = exchange.over(self.connection, f"/api/v1/{at}")
        assert told.status == 200, (at, told.body)
        assert told.json() == json.loads(json_format.MessageToJson(message)), at
        assert told.headers["X-Topology-Version"] == reply.trailing["x-topology-version"]
        return message

    def named(self, *names: str) -> Any:
        """Return the cluster, the node or the pod of these names."""
        if len(names) == 1:
            request: Message = pb.GetClusterRequest(cluster=names[0])
            return self.answer(f"clusters/{_quoted(names[0])}", "GetCluster", request)
        if len(names) == 2:
            at = "clusters/{}/nodes/{}".format(*map(_quoted, names))
            return self.answer(at, "GetNode", pb.GetNodeRequest(cluster=names[0], node=names[1]))
        cluster, namespace, pod = names
        at = f"clusters/{_quoted(cluster)}/pods/{_quoted(namespace or '-')}/{_quoted(pod)}"
        return self.answer(at, "GetPod", pb.GetPodRequest(cluster=cluster, namespace=namespace, pod=pod))

    def listed(self, kind: str, **asked: Any) -> Any:
        """Return a list of a kind; `asked` has fields of its request, `fields` as the paths of the mask."""
        parameters = {PARAMETERS.get(name, name): value for name, value in asked.items() if value}
        if asked.get("fields"):
            parameters["fields"] = ",".join(asked["fields"])
            asked["fields"] = FieldMask(paths=asked["fields"])
        method = f"List{kind.capitalize()}"
        request: Message = getattr(pb, f"{method}Request")(**asked)
        return self.answer(f"{kind}?{urlencode(parameters)}", method, request)

    def parts(self) -> list[pb.Topology]:
        """Return the parts of the stream."""
        return [pb.Topology.FromString(part) for part in call.answers(self.channel, _path("StreamTopology"))]


@contextmanager
def asking(ports: Ports) -> Iterator[Both]:
    """Hold a connection and a channel open while the block runs."""
    with closing(exchange.connect(ports.http)) as connection, call.channel(ports.grpc) as channel:
        yield Both(connection, channel)


def _path(method: str) -> str:
    return f"/{grpc_v1.SERVICE.full_name}/{method}"


def _quoted(name: str) -> str:
    return quote(name, safe="")
