"""Allocation, the choice within a campaign, assignments of before, and where the rules differ.

Hashes are those that the vendor's own SDK makes of these texts; buckets are their last two digits.
"""

import json
from typing import Any

import pytest

from connector.sinks.flagship.bucketing import Assigned, bucket, decide, hashed, read_file
from connector.sinks.flagship.rules import SOUND
from tests.unit.sinks.flagship.sample import EVERYONE, group, read, rule, variation

NOTHING = Assigned()
ALL_RULES = ("sound", "python-2.1", "python-3.0")


def campaign(*groups: dict[str, Any], name: str = "c") -> dict[str, Any]:
    return {"id": name, "variationGroups": list(groups)}


def chosen(
    raw: dict[str, Any], visitor: str = "bc", rules: str = "sound", assigned: Assigned = NOTHING, **context: Any
) -> list[str | None]:
    decision = decide(read(raw, rules), visitor, context, assigned)
    return [choice.variation_id for choice in decision.choices]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 1009084850),
        ("ab", 2613040991),
        ("abc", 3017643002),
        ("abcd", 1139631978),
        ("hello", 613153351),
        ("Hello, world!", 3224780355),
        ("é", 269551495),
        ("漢字", 1467002891),
        ("\uffff", 1061879644),
    ],
)
def test_an_id_up_to_ffff_hashes_the_same_by_all_rules(text: str, expected: int) -> None:
    assert hashed(text) == hashed(text, utf8=False) == expected
    assert bucket(text) == expected % 100


def test_an_id_beyond_ffff_hashes_over_utf_8_or_over_the_three_bytes_of_the_sdk() -> None:
    assert (hashed("\U0001f389"), hashed("\U0001f389", utf8=False)) == (535530326, 3686027716)


@pytest.mark.parametrize(
    ("allocations", "expected"),
    # Visitor bc is in bucket 2 of group a, b in 91.
    [
        ((50, 50), ("v0", "v1")),
        ((2, 98), ("v1", "v1")),
        ((3, 97), ("v0", "v1")),
        ((2.5, 0.5), ("v0", None)),
        ((1, 90), ("v1", None)),
        ((1, 91), ("v1", "v1")),
        ((0, 3), ("v1", None)),
        ((None, 100), ("v1", "v1")),
        ((100, 100), ("v0", "v0")),
    ],
)
def test_the_first_running_total_above_the_bucket_wins(
    allocations: tuple[float | None, ...], expected: tuple[str | None, str | None]
) -> None:
    variations = [variation(f"v{number}", share) for number, share in enumerate(allocations)]
    raw = {"campaigns": [campaign(group("a", EVERYONE, *variations))]}
    for rules in ALL_RULES:
        assert (chosen(raw, "bc", rules)[0], chosen(raw, "b", rules)[0]) == expected


def test_of_two_campaigns_that_set_a_flag_the_later_owns_it_also_with_null() -> None:
    first = campaign(group("a", EVERYONE, variation("v1", 100, colour="red", size=1)), name="c1")
    second = campaign(group("b", EVERYONE, variation("v2", 100, colour=None)), name="c2")
    owners = decide(read({"campaigns": [first, second]}), "bc", {}).owners
    assert {flag: (owner.variation_id, owner.value) for flag, owner in owners.items()} == {
        "colour": ("v2", None), "size": ("v1", 1),
    }  # fmt: skip


def test_a_visitor_goes_on_with_the_variation_they_had_whatever_its_share() -> None:
    raw = {"campaigns": [campaign(group("a", EVERYONE, variation("v0", 100), variation("v1", 0)))]}
    assert chosen(raw, assigned=Assigned(history={"a": "v1"})) == ["v1"]
    assert chosen(raw, assigned=Assigned(variations=["v1", "gone"])) == ["v1"]


def test_a_variation_that_is_gone_leaves_its_group_empty_by_a_history_and_is_hashed_anew_by_a_list() -> None:
    raw = {"campaigns": [campaign(group("a", EVERYONE, variation("v0", 100)))]}
    assert chosen(raw, assigned=Assigned(history={"a": "gone"})) == [None]
    assert chosen(raw, assigned=Assigned(variations=["gone"])) == ["v0"]


def test_targeting_goes_before_what_a_visitor_had() -> None:
    raw = {"campaigns": [campaign(group("a", [rule("plan", "pro")], variation("v0", 100)))]}
    assert chosen(raw, assigned=Assigned(history={"a": "v0"}), plan="free") == [None]


# Where sound rules mend the SDKs, by the numbers of the sheet's section 20


def test_1_fs_users_stands_for_the_visitor_id() -> None:
    raw = {"campaigns": [campaign(group("a", [rule("fs_users", "bc")], variation("v0", 100)))]}
    assert [chosen(raw, "bc", rules)[0] for rules in ALL_RULES] == ["v0", None, None]
    assert chosen(raw, "b") == [None]


def test_3_the_first_group_that_matches_decides_also_where_it_has_nothing() -> None:
    first, second = group("a", EVERYONE, variation("v0", 2)), group("b", EVERYONE, variation("v1", 100))
    raw = {"campaigns": [campaign(first, second)]}
    assert [chosen(raw, "bc", rules)[0] for rules in ALL_RULES] == [None, "v1", "v1"]


def test_4_a_target_that_could_be_read_as_json_is_ordinary_text() -> None:
    raw = {"campaigns": [campaign(group("a", [rule("age", "42")], variation("v0", 100)))]}
    assert [chosen(raw, "bc", rules, age="42")[0] for rules in ALL_RULES] == ["v0", "v0", None]


def test_5_a_variation_that_does_not_say_so_is_no_reference() -> None:
    raw = {"campaigns": [campaign(group("a", EVERYONE, variation("v0", 100, colour="red")))]}
    assert not decide(read(raw), "bc", {}).owners["colour"].reference


def test_20_a_targeting_group_without_rules_matches_nobody() -> None:
    raw = {"campaigns": [campaign(group("a", [], variation("v0", 100)))]}
    assert [chosen(raw, "bc", rules)[0] for rules in ALL_RULES] == [None, "v0", "v0"]


# The file


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>", b'{"campaigns": {}}', b'{"campaigns": "all"}', b"\xff"]
)
def test_what_is_no_file_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        read_file(body, SOUND)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "x", "variations": [variation("v", 100)]},
        {"id": "x", "targeting": {"targetingGroups": None}, "variations": []},
        {"id": 7, "targeting": {"targetingGroups": []}, "variations": []},
        group("x", EVERYONE, {"id": "v", "allocation": 100}),
        group("x", EVERYONE, variation("v", 100) | {"allocation": "all"}),
        "no group at all",
    ],
)
def test_a_group_that_cannot_be_read_is_left_out_alone_and_counted(broken: Any) -> None:
    raw = {"campaigns": [campaign(broken, group("a", EVERYONE, variation("v0", 100)))]}
    for rules in ALL_RULES:
        assert read(raw, rules).broken == 1
        assert chosen(raw, "bc", rules) == ["v0"]


def test_a_campaign_that_cannot_be_read_is_left_out_alone() -> None:
    raw = {"campaigns": [{"id": "x"}, campaign(group("a", EVERYONE, variation("v0", 100)))]}
    assert (read(raw).broken, chosen(raw)) == (1, ["v0"])


def test_a_file_of_panic_may_hold_nothing_else() -> None:
    file = read(json.loads('{"panic": true}'))
    assert (file.panic, file.campaigns) == (True, ())
