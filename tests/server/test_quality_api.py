"""The quality over both transports: who may ask, and that it is answered whatever there is to show."""

import json

import grpc
from google.protobuf import json_format

from aggregator.errors import NoTopologyError
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.quality import Quality
from aggregator.server.auth import Rules, TokenGuard
from aggregator.server.keys import StaticKeys
from aggregator.server.openapi_quality import EXAMPLE
from aggregator.server.roles import Policy
from aggregator.settings.access import RSA_ALGORITHMS
from aggregator.settings.roles import cluster_roles
from tests.server.call import call
from tests.server.exchange import ask
from tests.server.serving import Ports, serving
from tests.server.source import CommandedSource
from tests.server.tokens import Realm

PATH = "/api/v1/quality"
METHOD = "/aggregator.v1.TopologyService/GetQuality"


def test_http_and_grpc_tell_the_same(ports: Ports) -> None:
    """What HTTP answers is the proto3 JSON mapping of what gRPC answers."""
    answer, reply = ask(ports.http, PATH), call(ports.grpc, METHOD)
    assert (answer.status, answer.headers["Content-Type"], reply.code) == (200, "application/json", grpc.StatusCode.OK)
    message = pb.Quality.FromString(reply.body)
    assert answer.json() == json.loads(json_format.MessageToJson(message))
    assert message.rows[0].sources[0].result == pb.QUERY_RESULT_OK


def test_it_is_told_while_there_is_no_topology(source: CommandedSource, ports: Ports) -> None:
    """Where the topology itself is unavailable, the quality is not, and says why."""
    source.failure = NoTopologyError("no topology yet: query oldest_sample: connection refused")
    source.good = Quality("query oldest_sample: connection refused", unavailable=str(source.failure))
    assert ask(ports.http, "/").status == 503
    answer, reply = ask(ports.http, PATH), call(ports.grpc, METHOD)
    assert answer.json() == {"failure": source.good.failure, "unavailable": str(source.failure)}
    assert pb.Quality.FromString(reply.body).unavailable == str(source.failure)


def test_each_refresh_has_its_own(source: CommandedSource, ports: Ports) -> None:
    """After a refresh another quality is told, over both transports."""
    assert ask(ports.http, PATH).json()["rows"]
    assert pb.Quality.FromString(call(ports.grpc, METHOD).body).rows
    source.good = Quality("an internal error; the log has it")
    assert ask(ports.http, PATH).json() == {"failure": "an internal error; the log has it"}
    assert not pb.Quality.FromString(call(ports.grpc, METHOD).body).rows


def test_it_is_only_read(ports: Ports) -> None:
    """GET and HEAD are answered, other methods named as what they are."""
    head, post = ask(ports.http, PATH, "HEAD"), ask(ports.http, PATH, "POST")
    assert (head.status, head.body) == (200, b"")
    assert (post.status, post.headers["Allow"]) == (405, "GET, HEAD")


def test_it_needs_a_token(guarded: Ports, realm: Realm) -> None:
    """With KEY, strangers learn nothing over either transport, and who holds a token learns all."""
    assert ask(guarded.http, PATH).status == 401
    assert call(guarded.grpc, METHOD).code is grpc.StatusCode.UNAUTHENTICATED
    bearer = f"Bearer {realm.token()}"
    assert ask(guarded.http, PATH, headers=[("Authorization", bearer)]).json()["complete"] is EXAMPLE.complete
    assert call(guarded.grpc, METHOD, [("authorization", bearer)]).code is grpc.StatusCode.OK


def test_it_is_for_those_who_see_everything(public_key: str, realm: Realm) -> None:
    """Who may see some clusters only is refused, over both transports: samples of all are counted in it."""
    policy = Policy(cluster_roles=dict(cluster_roles("tenant=edge-?; admin=*")))
    guard = TokenGuard(StaticKeys(public_key, RSA_ALGORITHMS), Rules(policy=policy))
    with serving(CommandedSource(), guard) as ports:

        def asked(role: str) -> tuple[int, grpc.StatusCode]:
            bearer = f"Bearer {realm.token(realm_access={'roles': [role]})}"
            over_http = ask(ports.http, PATH, headers=[("Authorization", bearer)])
            return over_http.status, call(ports.grpc, METHOD, [("authorization", bearer)]).code

        assert asked("tenant") == (403, grpc.StatusCode.PERMISSION_DENIED)
        assert asked("admin") == (200, grpc.StatusCode.OK)
