"""What the OpenAPI document shows of refusals: how each one comes about, and the very document that is answered then.

The documents are made by what refuses, so they say what it says.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from aggregator.errors import (
    KeysMissingError,
    NotAllowedError,
    NotFoundError,
    NoTopologyError,
    RequestError,
    TokenRefusedError,
    VersionGoneError,
)
from aggregator.lookup.answers import GONE, identity
from aggregator.lookup.index import NO_CLUSTER
from aggregator.lookup.plan import Asked, Plan, Resource
from aggregator.lookup.tokens import PARAMETER, Token
from aggregator.server import api_v1
from aggregator.server.openapi_examples import NAMES
from aggregator.server.problems import API, problem

# What OpenAPI calls examples: by a name, how it comes about and what is answered.
Examples = Mapping[str, Any]

NO_TOPOLOGY = "no topology yet: query oldest_sample: connection refused"
WITHOUT_TOKEN = {"no token": "without a token, where tokens are asked for"}
WITHOUT_ROLE = {"no role": "with a token that holds, but has no role that opens anything"}
WITHOUT_TOPOLOGY = {"no topology": "before the first refresh that succeeds"}
WITHOUT_KEYS = {"no keys": "with a token, before the issuer's keys were read"}

_MISSPELT = "icos-sout"
_NO_VERSION = "0" * 32


def shown(how: Mapping[str, str], value: Any) -> Examples:
    """Return the one example of an answer that comes about as the text under its name says."""
    ((name, summary),) = how.items()
    return {name: {"summary": summary, "value": value}}


# What has nothing to do with what is asked for.
COMMON: Mapping[int, Examples] = {
    401: shown(WITHOUT_TOKEN, problem(TokenRefusedError("no token"))),
    403: shown(WITHOUT_ROLE, problem(NotAllowedError("role"))),
    503: {
        **shown(WITHOUT_TOPOLOGY, problem(NoTopologyError(NO_TOPOLOGY))),
        **shown(WITHOUT_KEYS, problem(KeysMissingError("keys"))),
    },
}


def refusals(path: str, resource: Resource) -> Mapping[int, Examples]:
    """Return the examples of all refusals at a path below /api/v1, by status."""
    names = [segment.strip("{}") for segment in path.split("/") if segment.startswith("{")]
    told = {400: _bad_requests(path, resource), **COMMON}
    if names:
        lost = {**NAMES, "cluster": _MISSPELT}
        missing = NotFoundError(f"{NO_CLUSTER} {_MISSPELT!r}", nearest=("icos-south", "icos-north"))
        told[404] = shown({"no such cluster": _request(path, lost)}, problem(missing))
    if not resource.is_one:
        known = identity(Plan(resource, Asked(limit=1)), [NAMES[name] for name in names])
        query = {"limit": "1", PARAMETER: str(Token(_NO_VERSION, known, 2, 1))}
        gone = VersionGoneError(GONE, parameter=PARAMETER)
        told[410] = shown({"its topology is gone": _request(path, NAMES, query)}, problem(gone))
    return told


def _bad_requests(path: str, resource: Resource) -> Examples:
    query = {"colour": "blue"}
    told = dict(shown({"no such parameter": _request(path, NAMES, query)}, _refused(api_v1.said, resource, query)))
    if not resource.is_one:
        query = {"filter": "free_memory>1"}
        value = _refused(Plan, resource, api_v1.said(resource, query))
        told |= shown({"no such field": _request(path, NAMES, query)}, value)
    return told


def _request(path: str, names: Mapping[str, str], query: Mapping[str, str] | None = None) -> str:
    filled = "/".join(quote(names[part.strip("{}")]) if part.startswith("{") else part for part in path.split("/"))
    return f"GET {API}/{filled}" + (f"?{urlencode(query)}" if query else "")


def _refused(refuse: Callable[[Resource, Any], object], resource: Resource, asked: object) -> Mapping[str, Any]:
    try:
        refuse(resource, asked)
    except RequestError as error:
        return problem(error)
    raise AssertionError(asked)
