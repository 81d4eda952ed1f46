"""Targeting rules of a bucketing file, each made into a test of a visitor's context. Pure.

Source: sheet section 8; of the operators nobody documents, none is known and all are false.
"""

import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

from connector.sinks.flagship.rules import Rules, Scalar

Test = Callable[[Mapping[str, Scalar]], bool]
_Compare = Callable[[Any, Any], bool]


def targeting(raw: Any, rules: Rules) -> Test:
    """Make one test of a group's targeting: any of its groups, and within one all of its rules.

    Raises: KeyError, TypeError, AttributeError, where it is none.
    """
    groups = [group["targetings"] for group in raw["targetingGroups"] if "targetings" in group]
    tests = [_all([_rule(rule, rules) for rule in group]) for group in groups if group or rules.empty_matches]
    return tests[0] if len(tests) == 1 else _any(tests)


# Loops written out: these two run for every campaign of every decision, and a generator costs them half their time.
def _any(tests: list[Test]) -> Test:
    def test_any(context: Mapping[str, Scalar]) -> bool:
        for test in tests:  # noqa: SIM110
            if test(context):
                return True
        return False

    return test_any


def _all(tests: list[Test]) -> Test:
    def test_all(context: Mapping[str, Scalar]) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(context):
                return False
        return True

    return tests[0] if len(tests) == 1 else test_all


def _rule(raw: Mapping[str, Any], rules: Rules) -> Test:
    name, key = raw.get("operator"), raw.get("key")
    if "value" not in raw or not isinstance(name, str) or not isinstance(key, str) or name not in _COMPARE:
        return _never
    target = raw["value"]
    if rules.all_users and key == "fs_all_users" and name == "EQUALS":
        return _always
    if rules.json_text_fails and _is_json_text(target):
        return _never
    compare, negated = _compared(name, target, rules)
    return lambda context: key in context and compare(context[key], target) is not negated


def _compared(name: str, target: Any, rules: Rules) -> tuple[_Compare, bool]:
    """Return how to compare with this target, and whether the answer is turned round."""
    negated = name.startswith("NOT_")
    compare = _COMPARE[name]
    if not isinstance(target, list):
        return compare, negated
    if compare in (_equals, _contains):
        return (lambda value, elements: any(compare(value, one) for one in elements)), negated
    if not rules.list_elements:
        return compare, negated
    if compare in (_starts, _ends):
        return (lambda value, elements: any(compare(value, one) for one in elements)), negated
    return (lambda value, elements: _ordered_among(compare, value, elements)), negated


def _always(context: Mapping[str, Scalar]) -> bool:
    return True


def _never(context: Mapping[str, Scalar]) -> bool:
    return False


def _equals(value: Scalar, target: Any) -> bool:
    # Numbers by value and a bool as 1 or 0, as Python itself compares.
    return bool(value == target)


def _contains(value: Scalar, target: Any) -> bool:
    return str(target) in str(value)


def _starts(value: Scalar, target: Any) -> bool:
    return str(value).startswith(str(target))


def _ends(value: Scalar, target: Any) -> bool:
    return str(value).endswith(str(target))


def _comparable(value: Scalar, target: Any) -> bool:
    kind = str if isinstance(value, str) else int | float
    return isinstance(target, kind)


def _order(compare: Callable[[Any, Any], bool]) -> _Compare:
    return lambda value, target: _comparable(value, target) and compare(value, target)


def _ordered_among(compare: _Compare, value: Scalar, elements: list[Any]) -> bool:
    """Try the elements in order: the first true one wins, one of another kind ends it."""
    for element in elements:
        if not _comparable(value, element):
            return False
        if compare(value, element):
            return True
    return False


def _is_json_text(target: Any) -> bool:
    if not isinstance(target, str):
        return False
    try:
        json.loads(target)
    except ValueError:
        return False
    return True


_COMPARE: Mapping[str, _Compare] = {
    "EQUALS": _equals,
    "NOT_EQUALS": _equals,
    "CONTAINS": _contains,
    "NOT_CONTAINS": _contains,
    "STARTS_WITH": _starts,
    "ENDS_WITH": _ends,
    "GREATER_THAN": _order(operator.gt),
    "GREATER_THAN_OR_EQUALS": _order(operator.ge),
    "LOWER_THAN": _order(operator.lt),
    "LOWER_THAN_OR_EQUALS": _order(operator.le),
}
