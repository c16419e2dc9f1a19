"""Searches: the clusters, nodes and pods with a text in their name or in another field."""

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from aggregator.errors import BadRequestError
from aggregator.lookup.fields import ObjectKind
from aggregator.lookup.request import check_limit
from aggregator.lookup.results import LookupResult, ResultEncoder, TopologyIndex, UnpagedRequest, compute_content_digest
from aggregator.lookup.search_index import SearchMatch
from aggregator.models.topology import Cluster, Pod

DEFAULT_SEARCH_LIMIT = 20
MAX_SEARCH_LIMIT = 100
MAX_QUERY_CHARACTERS = 100

# Containers are found as fields of their pods.
SEARCHED_KINDS = (ObjectKind.CLUSTERS, ObjectKind.NODES, ObjectKind.PODS)

_DIGEST_BYTES = 8


@dataclass(frozen=True)
class SearchRequest(UnpagedRequest):
    """The parameters of a search: the text, and the maximum number of matches in the response."""

    query: str
    limit: int = DEFAULT_SEARCH_LIMIT

    @property
    def cache_key(self) -> bytes:
        """What identifies the request in caches."""
        return repr(("search", self.query, self.limit)).encode()

    @property
    def has_version(self) -> bool:
        """The result contains the topology version, which its entity tag does not cover."""
        return True

    def validate(self) -> None:
        """Raise BadRequestError if a parameter is invalid."""
        check_limit(self.limit, MAX_SEARCH_LIMIT)
        if len(self.query) > MAX_QUERY_CHARACTERS:
            raise BadRequestError(
                f"query must have at most {MAX_QUERY_CHARACTERS} characters, got {len(self.query)}", parameter="query"
            )

    def execute(self, index: TopologyIndex, _encoder: ResultEncoder) -> LookupResult:
        """Return the matches as JSON; raise BadRequestError if a parameter is invalid."""
        found, total = self.find_matches(index)
        content = msgspec.json.encode({"totalCount": total, "matches": list(map(_describe_match, found))})
        key = hashlib.blake2b(self.cache_key, digest_size=_DIGEST_BYTES).hexdigest()
        return LookupResult(
            b'{"version":%s,%s' % (msgspec.json.encode(index.topology.version), content[1:]),
            f"search-{key}",
            compute_content_digest([content]),
        )

    def find_matches(self, index: TopologyIndex) -> tuple[list[SearchMatch], int]:
        """Return the best matches, and how many there are; raise BadRequestError if a parameter is invalid."""
        self.validate()
        return index.search_index.find(self.query, self.limit)


def _describe_match(match: SearchMatch) -> dict[str, Any]:
    item = match.item
    return {
        "kind": match.kind.singular_name,
        "cluster": item.key if isinstance(item, Cluster) else item.cluster,
        "namespace": item.namespace if isinstance(item, Pod) else "",
        "name": match.name,
        "field": match.field.name,
        "value": match.field.value,
        "health": match.health.value,
    }
