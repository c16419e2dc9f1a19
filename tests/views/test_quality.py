"""The quality of a refresh: one content as protobuf and as JSON."""

import dataclasses
import json
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator import quality as model
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.quality import Quality
from aggregator.server.openapi_quality import EXAMPLE
from aggregator.views import quality as view
from aggregator.views.v1_fields import attribute, own_fields

KINDS: dict[type[Message], type] = {
    pb.Quality: model.Quality,
    pb.QualityTotals: model.QualityTotals,
    pb.RowQuality: model.RowQuality,
    pb.LeftOut: model.LeftOut,
    pb.SourceAnswer: model.SourceAnswer,
    pb.UnplacedObjects: model.UnplacedObjects,
    pb.UnfilledField: model.UnfilledField,
}


@pytest.mark.parametrize("quality", [EXAMPLE, Quality(), Quality("the first refresh is not finished")])
def test_both_formats_tell_the_same(quality: Quality) -> None:
    """The JSON is the proto3 JSON mapping of the protobuf."""
    message = pb.Quality.FromString(view.render_protobuf(quality))
    assert json.loads(view.render_json(quality)) == json.loads(json_format.MessageToJson(message))


def test_zero_is_told() -> None:
    """Nothing failed, and nothing known, are two things."""
    assert json.loads(view.render_json(EXAMPLE))["totals"]["failedQueries"] == 0
    assert json.loads(view.render_json(Quality())) == {}


def test_the_messages_show_all_that_is_known() -> None:
    """Each message has just the fields of its value, and each enumeration the same numbers."""

    def names() -> Iterator[tuple[str, set[str], set[str]]]:
        for message, kind in KINDS.items():
            shown = {attribute(message.DESCRIPTOR.name, field) for field in own_fields(message)}
            yield message.DESCRIPTOR.name, shown, {field.name for field in dataclasses.fields(kind)}

    assert [name for name, shown, known in names() if shown != known] == []
    numbers = {f"QUERY_RESULT_{result.name}": result.value for result in model.QueryResult}
    assert numbers | {"QUERY_RESULT_UNSPECIFIED": 0} == dict(pb.QueryResult.items())
