"""Advice about an error of an upstream, selected by its message and status: the words of the upstream come first."""

import re
from collections.abc import Iterable

_WEB_PAGE_ADVICE = (
    "a web page responds instead of the API, such as a login or the error page of a proxy: use an address behind it, "
    "or set credentials that it accepts"
)
_RATE_ADVICE = "raise the rate limit of the upstream, raise REFRESH_INTERVAL, or lower QUERY_CONCURRENCY"
_SIGNATURE_ADVICE = (
    "this service of Amazon needs signed requests: query it through aws-sigv4-proxy, as docs/upstreams.md shows"
)
_TENANT_ADVICE = (
    "set the tenant of your series, with PROMETHEUS_HEADERS=X-Scope-OrgID=NAME or in the path of PROMETHEUS_ADDRESS; "
    "docs/upstreams.md has an example for each product"
)
_PARAMETER_ADVICE = (
    "the upstream does not know a parameter that the message names: set THANOS=off, or change "
    "PROMETHEUS_QUERY_PARAMETERS"
)
_LIMIT_ADVICE = (
    "raise the limit of the upstream that the message names (--query.max-samples in Prometheus), or divide its series "
    "among several upstreams"
)
_CREDENTIALS_ADVICE = (
    "set PROMETHEUS_BEARER_TOKEN or PROMETHEUS_BEARER_TOKEN_FILE, or add user:password@ to PROMETHEUS_ADDRESS; if "
    "credentials are set, they are wrong or have expired"
)
_PERMISSION_ADVICE = (
    "grant the user, account or token the permission to query, or set a tenant with PROMETHEUS_HEADERS "
    "(X-Scope-OrgID=…)"
)
_DUPLICATES_ADVICE = "several series describe one object: query only one of several replicas, or deduplicate them"
_TIMEOUT_ADVICE = "raise QUERY_TIMEOUT or REFRESH_TIMEOUT, or give the upstream more resources"
_SERVER_ADVICE = "the upstream, or the proxy in front of it, is starting, overloaded or broken: see its log"
_QUERY_ADVICE = (
    "the upstream cannot evaluate the query: check that it is Prometheus 2.x or later, or compatible with it"
)
_GENERAL_ADVICE = "see the log of the upstream, whose message this is"

_LIMIT_PATTERN = (
    r"too many (samples|series|points|chunks|bytes)|into memory|max-samples|-search\.max"
    r"|(exceed|reach)\w* .*limit|limit .*(exceed|reach)"
)
# The first pattern that occurs in the message counts.
_ADVICE_BY_PATTERN = (
    (r"web page", _WEB_PAGE_ADVICE),
    (r"HTTP 429:", _RATE_ADVICE),
    (r"SigV4|Missing Authentication Token|security token", _SIGNATURE_ADVICE),
    (r"no org id|\btenant\b|X-Scope-OrgID", _TENANT_ADVICE),
    (r"unknown (name|parameter|arg|field)|\bdedup\b|partial_response|max_source_resolution", _PARAMETER_ADVICE),
    (_LIMIT_PATTERN, _LIMIT_ADVICE),
    (r"larger than \d+ bytes", "raise MAX_ANSWER_BYTES"),
    (r"many-to-many|duplicate series", _DUPLICATES_ADVICE),
    (r"HTTP (401|407):", _CREDENTIALS_ADVICE),
    (r"HTTP 403:", _PERMISSION_ADVICE),
    (r"HTTP (404|405):", "fix the path in PROMETHEUS_ADDRESS: the URL before /api/v1/query"),
    (r"timed out|timeout|no response", _TIMEOUT_ADVICE),
    (r"HTTP 5\d\d:", _SERVER_ADVICE),
    (r"HTTP (400|422):", _QUERY_ADVICE),
)

_STORE_ADVICE = (
    "fix the named store, or the connection of Thanos to it; the page /stores of Thanos shows the state of each"
)
_STORAGE_NODE_ADVICE = "check the storage nodes of VictoriaMetrics: one of them is unavailable"


def select_error_advice(error: str) -> str:
    """Return what to do about an error of an upstream."""
    return next(
        (advice for pattern, advice in _ADVICE_BY_PATTERN if re.search(pattern, error, re.IGNORECASE)), _GENERAL_ADVICE
    )


def select_warning_advice(warnings: Iterable[str]) -> str:
    """Return what to do about the warnings of partial responses."""
    return _STORAGE_NODE_ADVICE if any("isPartial" in warning for warning in warnings) else _STORE_ADVICE
