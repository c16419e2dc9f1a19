"""The quality over HTTP and gRPC: who may read it, and that it is available without a topology."""

import gzip
import json

import grpc
from google.protobuf import json_format

from aggregator.errors import NoTopologyError
from aggregator.models.quality import Quality
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.auth.guard import AccessPolicy, TokenGuard
from aggregator.server.auth.jwks import StaticKeySource
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.settings.auth import RSA_ALGORITHMS, parse_cluster_roles
from tests.server.auth.signed_tokens import FakeRealm
from tests.server.running_servers import ServerPorts, run_servers
from tests.server.snapshot_provider import FakeSnapshotProvider
from tests.support.grpc_client import call_method
from tests.support.http_client import send_request

QUALITY_PATH = "/api/v1/quality"
QUALITY_METHOD = "/aggregator.v1.TopologyService/GetQuality"


def test_http_and_grpc_return_the_same_quality(ports: ServerPorts) -> None:
    """The HTTP response is the proto3 JSON mapping of the gRPC response."""
    answer, reply = send_request(ports.http, QUALITY_PATH), call_method(ports.grpc, QUALITY_METHOD)
    assert (answer.status, answer.headers["Content-Type"], reply.code) == (200, "application/json", grpc.StatusCode.OK)
    message = pb.Quality.FromString(reply.body)
    assert answer.json() == json.loads(json_format.MessageToJson(message))
    assert message.rows[0].sources[0].result == pb.QUERY_RESULT_OK


def test_the_quality_is_available_without_a_topology(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """While the topology is unavailable, the quality contains the reason."""
    source.failure = NoTopologyError("no topology yet", "query oldest_sample: connection refused")
    source.current_quality = Quality("query oldest_sample: connection refused", unavailable=str(source.failure))
    assert send_request(ports.http, "/").status == 503
    answer, reply = send_request(ports.http, QUALITY_PATH), call_method(ports.grpc, QUALITY_METHOD)
    assert answer.json() == {"failure": source.current_quality.failure, "unavailable": str(source.failure)}
    assert pb.Quality.FromString(reply.body).unavailable == str(source.failure)


def test_each_refresh_has_its_own_quality(source: FakeSnapshotProvider, ports: ServerPorts) -> None:
    """After a refresh both transports return another quality."""
    assert send_request(ports.http, QUALITY_PATH).json()["rows"]
    assert pb.Quality.FromString(call_method(ports.grpc, QUALITY_METHOD).body).rows
    source.current_quality = Quality("internal error, see the log")
    assert send_request(ports.http, QUALITY_PATH).json() == {"failure": "internal error, see the log"}
    assert not pb.Quality.FromString(call_method(ports.grpc, QUALITY_METHOD).body).rows


def test_the_quality_is_compressed_if_the_client_accepts_it(ports: ServerPorts) -> None:
    """With gzip, the response is the same JSON in fewer bytes, and caches know on what it depends."""
    plain = send_request(ports.http, QUALITY_PATH)
    packed = send_request(ports.http, QUALITY_PATH, headers=[("Accept-Encoding", "gzip")])
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "accept-encoding")
    assert len(packed.body) < len(plain.body)
    assert gzip.decompress(packed.body) == plain.body


def test_the_quality_is_read_only(ports: ServerPorts) -> None:
    """GET and HEAD are allowed, other methods get 405."""
    head, post = send_request(ports.http, QUALITY_PATH, "HEAD"), send_request(ports.http, QUALITY_PATH, "POST")
    assert (head.status, head.body) == (200, b"")
    assert (post.status, post.headers["Allow"]) == (405, "GET, HEAD")


def test_the_quality_needs_a_token(guarded: ServerPorts, realm: FakeRealm) -> None:
    """With KEY, both transports require a token."""
    assert send_request(guarded.http, QUALITY_PATH).status == 401
    assert call_method(guarded.grpc, QUALITY_METHOD).code is grpc.StatusCode.UNAUTHENTICATED
    bearer = f"Bearer {realm.issue_token()}"
    assert (
        send_request(guarded.http, QUALITY_PATH, headers=[("Authorization", bearer)]).json()["complete"]
        is QUALITY_EXAMPLE.complete
    )
    assert call_method(guarded.grpc, QUALITY_METHOD, [("authorization", bearer)]).code is grpc.StatusCode.OK


def test_a_restricted_caller_may_not_read_the_quality(public_key: str, realm: FakeRealm) -> None:
    """The quality counts samples of all clusters, so restricted callers are denied over both transports."""
    policy = AccessPolicy(cluster_roles=dict(parse_cluster_roles("tenant=edge-?; admin=*")))
    guard = TokenGuard(StaticKeySource(public_key, RSA_ALGORITHMS), policy)
    with run_servers(FakeSnapshotProvider(), guard) as ports:

        def request_quality(role: str) -> tuple[int, grpc.StatusCode]:
            bearer = f"Bearer {realm.issue_token(realm_access={'roles': [role]})}"
            over_http = send_request(ports.http, QUALITY_PATH, headers=[("Authorization", bearer)])
            return over_http.status, call_method(ports.grpc, QUALITY_METHOD, [("authorization", bearer)]).code

        assert request_quality("tenant") == (403, grpc.StatusCode.PERMISSION_DENIED)
        assert request_quality("admin") == (200, grpc.StatusCode.OK)
