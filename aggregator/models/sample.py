"""Samples of telemetry as the builder reads them, wherever they come from."""

import keyword
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

# The attribute that `attrgetter` reads instead of a label that a row does not read: it is "" in every label set.
ABSENT_LABEL_ATTRIBUTE = "absent_label"


class SampleLabels(msgspec.Struct, frozen=True, gc=False):
    """The labels that a row reads from a series, one attribute each."""

    absent_label: ClassVar[str] = ""


class Point(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A value as text, and its time in seconds since the epoch."""

    time: float
    text: str


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One series of an instant vector.

    `labels` is a `SampleLabels` with an attribute for each label that the row reads ("" if the series lacks it), or
    a dict of all labels if the row reads all of them.
    """

    labels: Any
    value: Point


# Returns the samples of a row by its name, [] if no source responded. It may wait for the responses and decode them, so
# it is called once for each row. The caller owns the list.
SampleReader = Callable[[str], list[Sample]]


def get_label_attribute(label: str) -> str:
    """Return the attribute of `Sample.labels` that holds `label`."""
    return f"{label}_" if keyword.iskeyword(label) else label
