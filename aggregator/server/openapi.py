"""The part of the OpenAPI document that tells of the topology: made from the views' own types."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from aggregator.errors import KeysMissingError, NotAllowedError, TokenRefusedError
from aggregator.server.failures import text_of
from aggregator.server.http_document import BAD_WAIT, WAIT
from aggregator.server.http_front import BAD_LAYOUT, LAYOUTS, METRICS_PATH, NOTHING_HERE, OWN_PATHS
from aggregator.server.openapi_refusals import (
    NO_TOPOLOGY,
    WITHOUT_KEYS,
    WITHOUT_ROLE,
    WITHOUT_TOKEN,
    WITHOUT_TOPOLOGY,
    Examples,
    shown,
)
from aggregator.server.openapi_v1 import Common, describe_api
from aggregator.views.legacy import Document
from aggregator.views.legacy_2025 import Document2025

_EXAMPLE = {
    "timestamp": {"oldestTimestamp": 1795208160, "timeSinceOldest": 0.63},
    "cluster": {
        "icos-south": {
            "type": "ocm",
            "uuid": "cd613e30-d8f1-4adf-91b7-584a2265b1f5",
            "name": "icos-south",
            "serviceLevelAgreement": {},
            "API": {},
            "node": {
                "athens-master": {
                    "type": "ocm",
                    "uuid": "b2221a58008a05a6c4647159c324c985",
                    "name": "athens-master",
                    "location": {"latitude": 37.9838, "longitude": 23.7275},
                    "staticMetrics": {"cpuArchitecture": "x86_64", "cpuCores": 4, "RAMMemory": 17179869184},
                    "dynamicMetrics": {"freeRAM": 4638564679, "availableStorage": {"name": "/dev/nvme0n1p2"}},
                }
            },
        }
    },
}

# What stands for every path that no other entry of the document names: its concrete paths go first.
ANY_PATH = "/{path}"
_OWN_NAMES = "|".join(path.removeprefix("/").replace(".", "[.]") for path in sorted(OWN_PATHS))

_LAYOUT = {
    "name": "layout",
    "in": "query",
    "required": False,
    "description": "Which layout; without it, or where it is empty, the one that the setting LAYOUT names.",
    "schema": {"type": "string", "enum": [*LAYOUTS, ""]},
    "example": LAYOUTS[0],
}
_CACHE_CONTROL = {
    "name": "Cache-Control",
    "in": "header",
    "required": False,
    "description": "`no-cache` waits for a refresh, if the last one ended long enough ago.",
    "schema": {"type": "string"},
    "example": "no-cache",
}

CHALLENGE = {
    "WWW-Authenticate": {"description": "Bearer, and what is wrong with the token", "schema": {"type": "string"}}
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds until it is worth asking again", "schema": {"type": "integer"}}}
# What is told beside a refusal, by its status.
_TOLD_WITH: Mapping[int, Mapping[str, Any]] = {401: CHALLENGE, 403: CHALLENGE, 503: _RETRY_AFTER}

# What documents of the topology have in common: which one is known, and how long to wait for another.
CONDITIONS: tuple[dict[str, Any], ...] = (
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of a document that is known: where nothing has changed since, the answer is 304.",
        "schema": {"type": "string"},
        "example": '"0f8c2f1f1c2b4d52a9f7a7f0b3c6d9e1-1.2.5"',
    },
    {
        "name": "wait",
        "in": "query",
        "required": False,
        "description": (
            "With If-None-Match: how long to wait for a change, such as `30s` or `500ms`, at most `60s`. The answer is "
            "the new document as soon as there is one, else 304."
        ),
        "schema": {"type": "string", "pattern": f"^({WAIT})?$"},
        "example": "1s",
    },
)
NOT_MODIFIED = {"description": "Nothing has changed since the document that If-None-Match names"}

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def describe_topology(document: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI document with the topology's path, schemas and security added."""
    (legacy, later), schemas = msgspec.json.schema_components(
        [Document, Document2025], ref_template="#/components/schemas/{name}"
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas | {"Error": _ERROR})
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                "A Keycloak access token; needed only where one of KEY, ISSUER and JWKS_URL is set. Where "
                "CLUSTER_ROLES is set, the answer has only the clusters that the token's roles show."
            ),
        }
    }
    operations = {method: _operation(method, [legacy, later]) for method in ("get", "head", "post")}
    anywhere = {method: _at_any_path(operation) for method, operation in operations.items()}
    document["paths"] = {"/": operations} | document["paths"]
    _guard(document["paths"][METRICS_PATH]["get"])
    describe_api(document, Common(_headers(), (_CACHE_CONTROL, *CONDITIONS), NOT_MODIFIED, _TOLD_WITH))
    document["paths"][ANY_PATH] = anywhere
    document["openapi"] = "3.1.0"
    return document


def _guard(operation: dict[str, Any]) -> None:
    """Add to an operation what is answered to who may not pass."""
    refused = _refusals("get")
    no_keys = refusal(
        "No keys to judge the token by", shown(WITHOUT_KEYS, _error(KeysMissingError("keys"))), _RETRY_AFTER
    )
    operation["security"] = [{}, {"token": []}]
    operation["responses"] |= {"401": refused["401"], "403": refused["403"], "503": no_keys}


def _operation(method: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    # Not oneOf: a document without what only one layout has is valid in both.
    body = {"schema": {"anyOf": schemas}, "example": _EXAMPLE}
    content = {} if method == "head" else {"content": {"application/json": body}}
    return {
        "tags": ["topology"],
        "summary": "The whole topology",
        "description": (
            "Clusters with their nodes, pods and containers, as the Go service 1.2.5 answered. "
            "A value that is unknown or zero is left out."
        ),
        "operationId": f"topology_{method}",
        "security": [{}, {"token": []}],
        "parameters": [_LAYOUT, _CACHE_CONTROL, *CONDITIONS],
        "responses": {
            "200": {"description": "The topology", "headers": _headers(), **content},
            **({} if method == "post" else {"304": NOT_MODIFIED}),
            **_refusals(method),
        },
    }


def _refusals(method: str) -> dict[str, Any]:
    wrong = {
        **shown({"no such layout": f"{method.upper()} /?layout=3000"}, {"error": BAD_LAYOUT}),
        **shown({"no such time": f"{method.upper()} /?wait=1h"}, {"error": BAD_WAIT}),
    }
    missing = {
        **shown(WITHOUT_TOPOLOGY, {"error": NO_TOPOLOGY}),
        **shown(WITHOUT_KEYS, _error(KeysMissingError("keys"))),
    }
    return {
        "400": refusal("A layout that does not exist, or a time that is none", wrong),
        "401": refusal(
            "No token, or one that does not hold",
            shown(WITHOUT_TOKEN, _error(TokenRefusedError("no token"))),
            CHALLENGE,
        ),
        "403": refusal(
            "A token that holds, without a role that opens anything",
            shown(WITHOUT_ROLE, _error(NotAllowedError("role"))),
            CHALLENGE,
        ),
        "503": refusal(
            "No topology that may be shown, or no keys to judge the token by; Retry-After tells when to ask again",
            missing,
            _RETRY_AFTER,
        ),
    }


def _error(error: Exception) -> dict[str, str]:
    return {"error": text_of(error)}


def _at_any_path(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the operation as it stands at every path that is not listed, of any number of segments."""
    method = operation["operationId"].removeprefix("topology_").upper()
    nothing = shown({"nothing is there": f"{method} /docs/nothing"}, {"error": NOTHING_HERE})
    path = {
        "name": "path",
        "in": "path",
        "required": True,
        "description": "Any path but our own, which answer 404 where nothing is.",
        "schema": {"type": "string", "pattern": rf"^(?!({_OWN_NAMES})(/|$))[\s\S]+$"},
        "example": "aggregator",
    }
    return operation | {
        "summary": "The same at any other path",
        "operationId": f"{operation['operationId']}_at_any_path",
        "parameters": [path, *operation["parameters"]],
        "responses": operation["responses"] | {"404": refusal("A path of ours where nothing is", nothing)},
    }


def _headers() -> dict[str, Any]:
    return {
        "ETag": {"description": "Version and view; the same for the same bytes", "schema": {"type": "string"}},
        "X-Topology-Version": {"description": "The same for the same content", "schema": {"type": "string"}},
        "Age": {"description": "Seconds since the oldest part of it was asked for", "schema": {"type": "integer"}},
        "X-Topology-Complete": {
            "description": "`false` if a query failed, the upstream warned, or a sample found no place",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
    }


def refusal(description: str, examples: Examples, headers: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Return the description of an answer in the form of all our errors."""
    body = {"schema": {"$ref": "#/components/schemas/Error"}, "examples": examples}
    described = {"headers": dict(headers)} if headers else {}
    return {"description": description, **described, "content": {"application/json": body}}
