"""Label selectors in the syntax of Kubernetes, for the labels of nodes.

That is a part of the language of filters: keys are labels, there are only equality and sets, and what no label of
Kubernetes can be is refused.
"""

import re
from collections.abc import Callable, Mapping

from aggregator.errors import BadRequestError
from aggregator.lookup.language import Operator, Requirement, parsed

PARAMETER = "labels"
CALLED = "label selector"
ALLOWED = ("key", "!key", "key=value", "key==value", "key!=value", "key in (a,b)", "key notin (a,b)")

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_OPERATORS = frozenset(
    {Operator.EXISTS, Operator.ABSENT, Operator.EQUAL, Operator.UNEQUAL, Operator.IN, Operator.NOT_IN}
)


def selector(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a label selector; raise BadRequestError for one that Kubernetes would refuse."""
    requirements = parsed(text, CALLED, PARAMETER)
    if '"' in text:
        raise _error("it has no quotes")
    for requirement in requirements:
        if requirement.operator not in _OPERATORS:
            raise _error(f"it has no {requirement.operator.value}")
        prefix, slash, name = requirement.key.rpartition("/")
        if not _NAME.fullmatch(name) or (slash and not _PREFIX.fullmatch(prefix)):
            raise _error(f"{requirement.key[:80]!r} is no key of a label")
        for value in requirement.values:
            if value and not _NAME.fullmatch(value):
                raise _error(f"{value[:80]!r} is no value of a label")
    return requirements


def selects(requirements: tuple[Requirement, ...]) -> Callable[[Mapping[str, str]], bool]:
    """Return whether labels are as all requirements have it."""
    tests = [(each.key, each.operator, frozenset(each.values)) for each in requirements]
    return lambda labels: all(_holds(labels.get(key), how, values) for key, how, values in tests)


def _holds(value: str | None, how: Operator, values: frozenset[str]) -> bool:
    if how in (Operator.EXISTS, Operator.ABSENT):
        return (value is not None) is (how is Operator.EXISTS)
    if how.is_denial:
        return value is None or value not in values
    return value is not None and value in values


def _error(problem: str) -> BadRequestError:
    return BadRequestError(f"{CALLED}: {problem}", parameter=PARAMETER, allowed=ALLOWED)
