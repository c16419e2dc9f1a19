"""The query parameters that watches and differences have in common: what to show of the changes."""

from typing import Annotated

from pydantic import Field, WithJsonSchema

from aggregator.lookup.watch import CHANGE_SELECTIONS, STRUCTURE, WatchOptions
from aggregator.models.changes import CHANGE_KINDS
from aggregator.server.http.routes_v1 import QueryParameters
from aggregator.server.openapi import document

_KIND_SCHEMA = WithJsonSchema({"type": "string", "enum": ["", *CHANGE_KINDS], "examples": ["nodes", "pods"]})
_CHANGES_SCHEMA = WithJsonSchema({"type": "string", "enum": ["", *CHANGE_SELECTIONS], "examples": [STRUCTURE]})


class ChangeParameters(QueryParameters):
    """Which objects, which of their fields, and which of their changes to show."""

    kind: Annotated[str, _KIND_SCHEMA] = Field("", description="The kind of objects; by default all of them.")
    cluster: str = Field("", description="The name of a cluster; by default all of them.", examples=["icos-south"])
    filter: str = Field("", description="As in the list of the kind; requires `kind`.", examples=[""])
    labels: str = Field("", description=document.LABELS_DESCRIPTION, examples=[""])
    fields: str = Field("", description="As in the list of the kind; requires `kind`.", examples=[""])
    changes: Annotated[str, _CHANGES_SCHEMA] = Field(
        "", description="`structure` leaves out measurements, such as usage and the times of samples."
    )

    def to_watch_options(self, depth: int | None = None) -> WatchOptions:
        """Return the options, as gRPC makes them too."""
        return WatchOptions(
            self.kind,
            self.cluster,
            self.filter,
            self.labels,
            tuple(self.fields.split(",")) if self.fields else (),
            depth,
            self.changes,
        )
