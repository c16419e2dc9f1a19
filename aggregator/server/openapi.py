"""The part of the OpenAPI document that tells of the topology: made from the views' own types."""

from typing import Any

import msgspec

from aggregator.server.http_front import LAYOUTS
from aggregator.views.legacy import Document
from aggregator.views.legacy_2025 import Document2025

_EXAMPLE = {
    "timestamp": {"oldestTimestamp": 1795208228.307, "timeSinceOldest": 0.63},
    "cluster": {
        "icos-cluster-a": {
            "type": "ocm",
            "uuid": "08c66cd5-0000-4336-99c8-000000000001",
            "name": "icos-cluster-a",
            "serviceLevelAgreement": {},
            "API": {},
            "node": {
                "k8s-master": {
                    "type": "ocm",
                    "uuid": "a04a67ba785345598000000000000001",
                    "name": "k8s-master",
                    "location": {"latitude": 37.9842, "longitude": 23.7353},
                    "staticMetrics": {"cpuArchitecture": "x86_64", "cpuCores": 4, "RAMMemory": 8325951488},
                    "dynamicMetrics": {"freeRAM": 348254208, "availableStorage": {}},
                }
            },
        }
    },
}

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
    document["paths"] = {"/": operations} | document["paths"]
    document["openapi"] = "3.1.0"
    return document


def _operation(method: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"schema": {"oneOf": schemas}, "example": _EXAMPLE}
    content = {} if method == "head" else {"content": {"application/json": body}}
    return {
        "tags": ["topology"],
        "summary": "The whole topology",
        "description": (
            "Clusters with their nodes, pods and containers, as the Go service 1.2.5 answered. Any other path that is "
            "not listed here answers the same. A value that is unknown or zero is left out."
        ),
        "operationId": f"topology_{method}",
        "security": [{}, {"token": []}],
        "parameters": [
            {
                "name": "layout",
                "in": "query",
                "required": False,
                "description": "Which layout; without it, the one that the setting LAYOUT names.",
                "schema": {"type": "string", "enum": list(LAYOUTS)},
            },
            {
                "name": "Cache-Control",
                "in": "header",
                "required": False,
                "description": "`no-cache` waits for a refresh, if the last one ended long enough ago.",
                "schema": {"type": "string"},
                "example": "no-cache",
            },
        ],
        "responses": {
            "200": {"description": "The topology", "headers": _headers(), **content},
            "400": _error("A layout that does not exist", "layout must be 1.2.5 or 2025"),
            "401": _error("No token, or one that does not hold", "not authorized"),
            "403": _error("A token that holds, without a role that opens anything", "not allowed"),
            "503": _error(
                "No topology that may be shown, or no keys to judge the token by; Retry-After tells when to ask again",
                "no topology yet: query oldest_sample: connection refused",
            ),
        },
    }


def _headers() -> dict[str, Any]:
    return {
        "Age": {"description": "Seconds since the oldest part of it was asked for", "schema": {"type": "integer"}},
        "X-Topology-Complete": {
            "description": "`false` if a query failed, the upstream warned, or a sample found no place",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
    }


def _error(description: str, example: str) -> dict[str, Any]:
    body = {"schema": {"$ref": "#/components/schemas/Error"}, "example": {"error": example}}
    return {"description": description, "content": {"application/json": body}}
