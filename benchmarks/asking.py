"""One plain request over HTTP or gRPC, for what has to be known beside the measurements."""

import http.client
from typing import TypeAlias
from urllib.parse import urlsplit

import grpc

METHOD = "/server_proto.Aggregator/ConnectToQuerier"
PATIENCE_SECONDS = 120.0
# Answers for 2,000 nodes fit into gRPC's 4 MiB, those for 40,000 do not.
ANY_SIZE = (("grpc.max_receive_message_length", -1),)

Ask: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


def headers(token: str) -> dict[str, str]:
    """Return the headers that bear a token, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def is_there(port: int, token: str = "") -> bool:
    """Whether `/` answers with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/", headers=headers(token))
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    else:
        return answer.status == 200
    finally:
        connection.close()


def body(url: str, path: str = "/", token: str = "", coding: str = "") -> bytes:
    """Return the body of an answer, which must be 200; with a coding, the bytes that it was packed into."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path, headers={**headers(token), "Accept-Encoding": coding or "identity"})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"GET {path}: {answer.status} {text[:200]!r}")
    return text


def message(target: str, token: str = "", method: str = METHOD, request: bytes = b"") -> bytes:
    """Return the bytes of the ETIM answer, or of another method's."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(target, options=ANY_SIZE) as channel:
        ask: Ask = channel.unary_unary(method)
        answer: bytes = ask(request, metadata=metadata, timeout=PATIENCE_SECONDS, wait_for_ready=True)
        return answer
