"""Single HTTP and gRPC requests, for what a benchmark needs besides its measurements."""

import http.client
from typing import TypeAlias
from urllib.parse import urlsplit

import grpc

ETIM_METHOD = "/server_proto.Aggregator/ConnectToQuerier"
REQUEST_TIMEOUT_SECONDS = 120.0
# Responses for 2,000 nodes fit into gRPC's default limit of 4 MiB, those for 40,000 do not.
UNLIMITED_MESSAGE_OPTIONS = (("grpc.max_receive_message_length", -1),)

UnaryCall: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


def build_auth_headers(token: str) -> dict[str, str]:
    """Return the Authorization header, if there is a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def is_serving(port: int, token: str = "") -> bool:
    """Whether `/` answers with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/", headers=build_auth_headers(token))
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return response.status == 200
    finally:
        connection.close()


def fetch_body(url: str, path: str = "/", token: str = "", encoding: str = "") -> bytes:
    """Return the body of a 200 response; with a coding, the compressed bytes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request(
            "GET", path, headers={**build_auth_headers(token), "Accept-Encoding": encoding or "identity"}
        )
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"GET {path}: {response.status} {body[:200]!r}")
    return body


def fetch_message(target: str, token: str = "", method: str = ETIM_METHOD, request: bytes = b"") -> bytes:
    """Return the serialized response of ConnectToQuerier, or of another method."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(target, options=UNLIMITED_MESSAGE_OPTIONS) as channel:
        call: UnaryCall = channel.unary_unary(method)
        response: bytes = call(request, metadata=metadata, timeout=REQUEST_TIMEOUT_SECONDS, wait_for_ready=True)
        return response
