"""A client that sends each request over HTTP and over gRPC, and compares the responses."""

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
from aggregator.server.grpc import services
from tests.server.running_servers import ServerPorts
from tests.support import grpc_client, http_client

# The HTTP parameters whose names differ from the fields of the gRPC requests.
HTTP_PARAMETER_NAMES = {"label_selector": "labels", "continue_token": "continue"}


@dataclass(frozen=True)
class DualClient:
    """An HTTP connection and a gRPC channel to one gateway."""

    connection: http.client.HTTPConnection
    channel: grpc.Channel

    def fetch_both(self, http_path: str, method: str, request: Message, body: bytes | None = None) -> Any:
        """Return the message from gRPC; fail unless HTTP returns its JSON mapping. With a body, HTTP uses POST."""
        grpc_result = grpc_client.call_on_channel(
            self.channel, _method_path(method), request=request.SerializeToString()
        )
        assert (grpc_result.code, grpc_result.details) == (grpc.StatusCode.OK, ""), (method, request)
        output = services.TOPOLOGY_SERVICE.methods_by_name[method].output_type
        kind: type[Message] = getattr(pb, output.name)
        message = kind.FromString(grpc_result.body)
        http_method = "GET" if body is None else "POST"
        http_response = http_client.send_on_connection(self.connection, f"/api/v1/{http_path}", http_method, body=body)
        assert http_response.status == 200, (http_path, http_response.body)
        assert http_response.json() == json.loads(json_format.MessageToJson(message)), http_path
        assert http_response.headers["X-Topology-Version"] == grpc_result.trailing_metadata["x-topology-version"]
        return message

    def fetch_object(self, *names: str) -> Any:
        """Return a cluster (cluster), a node (cluster, node) or a pod (cluster, namespace, pod)."""
        if len(names) == 1:
            request: Message = pb.GetClusterRequest(cluster=names[0])
            return self.fetch_both(f"clusters/{_quote_segment(names[0])}", "GetCluster", request)
        if len(names) == 2:
            path = "clusters/{}/nodes/{}".format(*map(_quote_segment, names))
            return self.fetch_both(path, "GetNode", pb.GetNodeRequest(cluster=names[0], node=names[1]))
        cluster, namespace, pod = names
        path = f"clusters/{_quote_segment(cluster)}/pods/{_quote_segment(namespace or '-')}/{_quote_segment(pod)}"
        return self.fetch_both(path, "GetPod", pb.GetPodRequest(cluster=cluster, namespace=namespace, pod=pod))

    def fetch_list(self, kind: str, **request_fields: Any) -> Any:
        """Return a list of a kind; `request_fields` are the fields of its request, with `fields` as a list of paths."""
        parameters = {HTTP_PARAMETER_NAMES.get(name, name): value for name, value in request_fields.items() if value}
        if request_fields.get("fields"):
            parameters["fields"] = ",".join(request_fields["fields"])
            request_fields["fields"] = FieldMask(paths=request_fields["fields"])
        method = f"List{kind.capitalize()}"
        request: Message = getattr(pb, f"{method}Request")(**request_fields)
        return self.fetch_both(f"{kind}?{urlencode(parameters)}", method, request)

    def find_candidates(self, request: pb.FindCandidatesRequest) -> Any:
        """Return the candidates for a workload."""
        body = json_format.MessageToJson(request).encode()
        return self.fetch_both("candidates", "FindCandidates", request, body)

    def stream_chunks(self) -> list[pb.Topology]:
        """Return the messages of StreamTopology."""
        return [
            pb.Topology.FromString(chunk)
            for chunk in grpc_client.stream_responses(self.channel, _method_path("StreamTopology"))
        ]


@contextmanager
def open_dual_client(ports: ServerPorts) -> Iterator[DualClient]:
    """Keep a connection and a channel open while the block runs."""
    with (
        closing(http_client.open_http_connection(ports.http)) as connection,
        grpc_client.open_channel(ports.grpc) as channel,
    ):
        yield DualClient(connection, channel)


def _method_path(method: str) -> str:
    return f"/{services.TOPOLOGY_SERVICE.full_name}/{method}"


def _quote_segment(name: str) -> str:
    return quote(name, safe="")
