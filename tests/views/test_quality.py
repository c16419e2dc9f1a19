"""The quality of a refresh as protobuf and as JSON."""

import dataclasses
import json
from collections.abc import Iterator

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from aggregator.models import quality as model
from aggregator.models.builder.merge import Contradiction, UnplacedTarget
from aggregator.models.quality import Quality
from aggregator.pb.aggregator.v1 import topology_pb2 as pb
from aggregator.server.openapi.examples import QUALITY_EXAMPLE
from aggregator.views import v1_format, v1_protobuf
from aggregator.views.v1_format import get_attribute_name, list_model_fields

MODEL_TYPES: dict[type[Message], type] = {
    pb.Quality: model.Quality,
    pb.QualityTotals: model.QualityTotals,
    pb.RowQuality: model.RowQuality,
    pb.LeftOut: model.OmittedSamples,
    pb.SourceAnswer: model.SourceReport,
    pb.UnplacedObjects: model.UnplacedObjects,
    pb.UnfilledField: model.UnfilledField,
    pb.Contradiction: Contradiction,
    pb.UnplacedTarget: UnplacedTarget,
    pb.FamilyTotals: model.FamilyTotals,
}


@pytest.mark.parametrize("quality", [QUALITY_EXAMPLE, Quality(), Quality("the first refresh is still running")])
def test_json_is_the_mapping_of_the_protobuf(quality: Quality) -> None:
    """The JSON is the proto3 JSON mapping of the protobuf."""
    message = pb.Quality.FromString(v1_protobuf.render_quality_protobuf(quality))
    assert json.loads(v1_format.render_quality_json(quality)) == json.loads(json_format.MessageToJson(message))


def test_zero_is_present() -> None:
    """A count of 0 is present; an unknown count is absent."""
    assert json.loads(v1_format.render_quality_json(QUALITY_EXAMPLE))["totals"]["failedQueries"] == 0
    assert json.loads(v1_format.render_quality_json(Quality())) == {}


def test_messages_have_the_fields_of_the_values() -> None:
    """Each message has exactly the fields of its value, and enums have the same numbers."""

    def names() -> Iterator[tuple[str, set[str], set[str]]]:
        for message, kind in MODEL_TYPES.items():
            shown = {get_attribute_name(message.DESCRIPTOR.name, field) for field in list_model_fields(message)}
            yield message.DESCRIPTOR.name, shown, {field.name for field in dataclasses.fields(kind)}

    assert [name for name, shown, known in names() if shown != known] == []
    numbers = {f"QUERY_RESULT_{result.name}": result.value for result in model.QueryResult}
    assert numbers | {"QUERY_RESULT_UNSPECIFIED": 0} == dict(pb.QueryResult.items())
