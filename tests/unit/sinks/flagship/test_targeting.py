"""One rule against one context."""

from typing import Any

import pytest

from connector.sinks.flagship.rules import RULES
from connector.sinks.flagship.targeting import targeting
from tests.unit.sinks.flagship.sample import rule


def matches(operator: str, value: Any, target: Any, rules: str = "python-2.1") -> bool:
    test = targeting({"targetingGroups": [{"targetings": [rule("k", target, operator)]}]}, RULES[rules])
    return test({"k": value})


@pytest.mark.parametrize(
    ("value", "target", "equal"),
    [
        (30, 30.0, True),
        (True, 1, True),
        (0, False, True),
        ("30", 30, False),
        ("true", True, False),
        ("Paris", "paris", False),
        ("", "", True),
        ("", None, False),
        (0, None, False),
        (True, [1], True),
        ("b", ["a", "b"], True),
        ("a", [], False),
    ],
)
def test_numbers_equal_by_value_truth_is_a_number_and_text_is_only_itself(value: Any, target: Any, equal: bool) -> None:
    assert matches("EQUALS", value, target) is equal
    assert matches("NOT_EQUALS", value, target) is not equal


@pytest.mark.parametrize(
    ("value", "target", "contained"),
    [
        ("Paris", "ari", True),
        ("Paris", "", True),
        (True, "ru", True),
        (30.0, ".0", True),
        (30, ".0", False),
        (1e16, "e+16", True),
        ("None", None, True),
        ("Paris", ["x", "is"], True),
        ("Paris", [], False),
    ],
)
def test_containing_is_of_the_texts(value: Any, target: Any, contained: bool) -> None:
    assert matches("CONTAINS", value, target) is contained
    assert matches("NOT_CONTAINS", value, target) is not contained


def test_beginning_and_ending_are_of_the_texts_too() -> None:
    assert matches("STARTS_WITH", 123, 12)
    assert matches("ENDS_WITH", False, "se")
    assert not matches("STARTS_WITH", "Paris", "paris")


@pytest.mark.parametrize(
    ("value", "target", "holding"),
    [
        (2, 1, {"GREATER_THAN", "GREATER_THAN_OR_EQUALS"}),
        (1, 1.0, {"GREATER_THAN_OR_EQUALS", "LOWER_THAN_OR_EQUALS"}),
        (False, 1, {"LOWER_THAN", "LOWER_THAN_OR_EQUALS"}),
        ("b", "a", {"GREATER_THAN", "GREATER_THAN_OR_EQUALS"}),
        ("2", 1, set()),
        (2, "1", set()),
        (2, None, set()),
        (2, [1], set()),
    ],
)
def test_order_is_between_numbers_or_between_texts_and_false_else(value: Any, target: Any, holding: set[str]) -> None:
    operators = ("GREATER_THAN", "GREATER_THAN_OR_EQUALS", "LOWER_THAN", "LOWER_THAN_OR_EQUALS")
    assert {operator for operator in operators if matches(operator, value, target)} == holding


@pytest.mark.parametrize("operator", ["EXISTS", "NOT_EXISTS", "SEMVER_EQUALS", "equals", "", None])
def test_an_operator_nobody_knows_is_false(operator: Any) -> None:
    assert not matches(operator, "a", "a")


@pytest.mark.parametrize("operator", ["EQUALS", "NOT_EQUALS", "NOT_CONTAINS", "GREATER_THAN"])
def test_a_key_the_visitor_lacks_is_false_also_negated(operator: str) -> None:
    test = targeting({"targetingGroups": [{"targetings": [rule("missing", 1, operator)]}]}, RULES["sound"])
    assert not test({"k": 1})


@pytest.mark.parametrize("missing", ["key", "value", "operator"])
def test_a_rule_that_lacks_a_part_is_false(missing: str) -> None:
    bare = {part: value for part, value in rule("k", 1, "NOT_EQUALS").items() if part != missing}
    assert not targeting({"targetingGroups": [{"targetings": [bare]}]}, RULES["sound"])({"k": 2})


def test_rules_are_joined_by_and_their_groups_by_or() -> None:
    raw = {"targetingGroups": [{"targetings": [rule("k", 1), rule("l", 2)]}, {"targetings": [rule("m", 3)]}, {}]}
    test = targeting(raw, RULES["sound"])
    assert test({"k": 1, "l": 2})
    assert test({"m": 3})
    assert not test({"k": 1, "m": 2})


def test_no_group_matches_nobody() -> None:
    assert not targeting({"targetingGroups": []}, RULES["python-2.1"])({"k": 1})


# Rules of 3.0


def test_3_0_looks_at_the_elements_of_a_list_where_2_1_takes_it_for_text() -> None:
    assert matches("STARTS_WITH", "Paris", ["x", "Pa"], "python-3.0")
    assert not matches("STARTS_WITH", "Paris", ["x", "Pa"], "python-2.1")
    assert matches("GREATER_THAN", 2, [3, 1], "python-3.0")
    assert not matches("GREATER_THAN", 2, [3, "a", 1], "python-3.0")


def test_3_0_takes_everyone_by_their_key_whatever_the_target() -> None:
    raw = {"targetingGroups": [{"targetings": [rule("fs_all_users", "anything")]}]}
    assert targeting(raw, RULES["python-3.0"])({})
    assert not targeting(raw, RULES["python-2.1"])({"fs_all_users": ""})
