"""From requirements to what tells whether an object meets them.

Where nothing is known of a field, only what denies holds, as with Kubernetes' selectors: `!field`, `!=`, `notin`, `!~`.
Of a field with many values, one has to be like what is asked for; where it is denied, none.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any

from aggregator.errors import BadRequestError
from aggregator.lookup import values
from aggregator.lookup.items import Field, Form, Kind, field, names
from aggregator.lookup.language import Operator, Requirement
from aggregator.lookup.nearest import nearest

Test = Callable[[Any], bool]

PARAMETER = "filter"

_ORDERS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_CONTENTS = frozenset({Operator.HAS, Operator.HAS_NOT})
_READERS: Mapping[Form, tuple[Callable[[str], Any], Sequence[str]]] = {
    Form.NUMBER: (values.number, values.NUMBERS),
    Form.MOMENT: (values.moment, values.MOMENTS),
    Form.TRUTH: (values.truth, values.TRUTHS),
}


def condition(kind: Kind, requirements: Sequence[Requirement]) -> Test | None:
    """Return whether an object of a kind meets all requirements; None where there are none.

    Raises BadRequestError for a field that there is not, and for a value or an operator that does not fit it.
    """
    tests = [_test(requirement, _found(kind, requirement.key)) for requirement in requirements]
    return reduce(_both, tests) if tests else None


def _both(one: Test, other: Test) -> Test:
    return lambda item: one(item) and other(item)


def _found(kind: Kind, key: str) -> Field:
    found = field(kind, key)
    if found is None:
        known = list(names(kind))
        raise BadRequestError(
            f"filter: {kind.value} have no field {key[:80]}",
            parameter=PARAMETER,
            allowed=known,
            nearest=nearest(key, known),
        )
    return found


def _test(requirement: Requirement, of: Field) -> Test:
    """Return whether what is read of a field is as required."""
    read, how = of.read, requirement.operator
    if how in (Operator.EXISTS, Operator.ABSENT):
        wanted = how is Operator.EXISTS
        return lambda item: _is_there(read(item)) is wanted
    is_like = _is_like(requirement, of)
    if of.is_many:
        if how.is_denial:
            return lambda item: not any(map(is_like, read(item)))
        return lambda item: any(map(is_like, read(item)))
    if how.is_denial:
        return lambda item: (value := read(item)) is None or not is_like(value)
    return lambda item: (value := read(item)) is not None and is_like(value)


def _is_there(value: Any) -> bool:
    """Return whether anything is known; a list or a mapping without members tells nothing, text in a mapping may."""
    return value is not None and (isinstance(value, str) or not hasattr(value, "__len__") or len(value) > 0)


def _is_like(requirement: Requirement, of: Field) -> Test:
    """Return whether a value that is known is like those of a requirement, whether that is asked for or denied."""
    how = requirement.operator
    if not _fits(how, of.form):
        raise BadRequestError(
            f"filter: {requirement.key} is {of.form.value}, which {how.value} does not compare",
            parameter=PARAMETER,
            allowed=[each.value for each in Operator if each is not Operator.EXISTS and _fits(each, of.form)],
        )
    if how in _CONTENTS:
        (part,) = requirement.values
        return lambda value: part in value
    wanted = [_value(text, requirement, of) for text in requirement.values]
    if how.is_of_order:
        compare, (limit,) = _ORDERS[how], wanted
        return lambda value: compare(value, limit)
    among = frozenset(wanted)
    return among.__contains__


def _value(text: str, requirement: Requirement, of: Field) -> Any:
    if of.form is Form.TEXT:
        return text
    understood, allowed = _READERS.get(of.form) or (partial(_state, of.states), of.states)
    value = understood(text)
    if value is None:
        raise BadRequestError(
            f"filter: {requirement.key} is {of.form.value}, and {text[:80]!r} is not",
            parameter=PARAMETER,
            allowed=allowed,
        )
    return value


def _state(states: Sequence[str], text: str) -> str | None:
    """Return the state of a name, which may leave out what the names of all states begin with."""
    return next((state for state in states if text and f"_{state}".endswith(f"_{text.upper()}")), None)


def _fits(how: Operator, form: Form) -> bool:
    """Return whether an operator compares values of a form."""
    if how.is_of_order:
        return form in (Form.NUMBER, Form.MOMENT)
    return form in (Form.TEXT, Form.STATE) if how in _CONTENTS else True
