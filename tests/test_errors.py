"""The tree of errors in the documentation of aggregator.errors is the tree of its classes."""

import re

from aggregator import errors


def list_classes(root: type[errors.AggregatorError], depth: int) -> list[tuple[int, str]]:
    """Return the depth and the name of a class and of all classes below it."""
    classes = [(depth, root.__name__)]
    for child in root.__subclasses__():
        # Other modules may define private subclasses.
        if child.__module__ == errors.__name__:
            classes += list_classes(child, depth + 1)
    return classes


def test_the_documented_tree_has_all_classes() -> None:
    """Each error has a line in the docstring of the module, indented below its base class."""
    lines = re.findall(r"^    ([│├└─ ]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    documented = [(len(indent) // 4, name) for indent, name in lines]
    assert documented[0] == (0, "AggregatorError")
    assert sorted(documented) == sorted(list_classes(errors.AggregatorError, 0))
