"""Every captured call of every vendor's SDK that is in scope, and that the comparison notices what it should."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.parity.__main__ import vendor_of
from tests.parity.capture import Capture, Expected, Observed, Outcome, Scenario, Sent, Subject, Vendor, Wire
from tests.parity.compare import differences
from tests.parity.report import failures, out_of_scope

FILES = sorted((Path(__file__).parent / "captures").glob("*.json"))
IN_SCOPE_OF = {"flagship": 54, "mparticle": 91, "segment": 108, "suprsend": 277}


def kept(file: Path) -> list[tuple[Vendor, Capture]]:
    vendor = vendor_of(file.stem)
    return [(vendor, capture) for capture in vendor.captures(msgspec.json.decode(file.read_bytes()))]


KEPT = {file.stem: kept(file) for file in FILES}
IN_SCOPE = [
    pytest.param(vendor, capture, id=f"{vendor.name}-{capture.name}")
    for pairs in KEPT.values()
    for vendor, capture in pairs
    if out_of_scope(vendor, capture) is None
]


@pytest.mark.parametrize(("vendor", "capture"), IN_SCOPE)
def test_our_requests_are_the_sdks(vendor: Vendor, capture: Capture) -> None:
    assert failures(vendor, capture) == []


@pytest.mark.parametrize("name", KEPT)
def test_no_capture_has_fallen_out_of_scope_and_every_rule_leaves_something_out(name: str) -> None:
    used = Counter(out_of_scope(vendor, capture) for vendor, capture in KEPT[name])
    assert used[None] == IN_SCOPE_OF[name]
    assert [rule.reason for rule in vendor_of(name).scope if not used[rule]] == []


WIRE = Wire(
    "POST", "/v1/batch?a=1", {"authorization": "Basic x", "tries": "1", "host": "h"}, {"n": 1, "of": [{"id": "m"}]}
)
PLAIN = Vendor(
    name="plain",
    captures=lambda document: (),
    scope=(),
    scenario=lambda subject: pytest.fail("nothing is played here"),
    outcome=lambda capture: Outcome((), ()),
    headers=frozenset({"authorization", "tries"}),
    normal=lambda wire: wire,
    counted=frozenset({"tries"}),
)


def compared(*, theirs: Wire = WIRE, varies: tuple[str, ...] = (), **ours: Any) -> list[str]:
    sent = Observed((Sent(0.0, replace(WIRE, **ours)),), Counter(delivered=1))
    return differences(PLAIN, Outcome((Expected(theirs, varies),), ({"delivered": 1},)), sent)


def test_equal_requests_show_no_difference_and_headers_without_meaning_none_either() -> None:
    assert compared() == []
    assert compared(headers={"authorization": "Basic x", "tries": "2", "host": "other"}) == []


@pytest.mark.parametrize(
    ("ours", "line"),
    [
        ({"method": "GET"}, "method: GET, not POST"),
        ({"path": "/v1/batch"}, "path: /v1/batch, not /v1/batch?a=1"),
        ({"headers": {"tries": "1"}}, "header authorization: None, not Basic x"),
        ({"headers": {"authorization": "Basic x"}}, "header tries: None, less than 1"),
        ({"body": {"n": 1.0, "of": [{"id": "m"}]}}, "body.n: 1.0, not 1"),
        ({"body": {"n": True, "of": [{"id": "m"}]}}, "body.n: true, not 1"),
        ({"body": {"of": [{"id": "m"}]}}, "body.n: is not sent"),
        ({"body": {"n": 1, "of": [{"id": "m", "x": None}]}}, "body.of[0].x: is sent"),
        ({"body": {"n": 1, "of": []}}, 'body.of: [], not [{"id": "m"}]'),
    ],
)
def test_each_difference_is_named(ours: Mapping[str, Any], line: str) -> None:
    assert compared(**ours) == [f"request 0: {line}"]


def test_a_value_the_sdk_made_up_may_differ_but_not_be_missing() -> None:
    assert compared(varies=("of[0].id",), body={"n": 1, "of": [{"id": "ours"}]}) == []
    assert compared(varies=("of[0].id",), body={"n": 1, "of": [{}]}) == ["request 0: body.of[0].id: is not sent"]
    assert compared(varies=("of[0].id",), body={"n": 1, "of": [{"id": ""}]}) != []


def test_a_number_that_depends_on_the_moment_may_be_near_but_no_further_and_of_no_other_kind() -> None:
    vendor, theirs = replace(PLAIN, near={"qt": 999}), replace(WIRE, body={"h": [{"qt": 1750}], "n": 1750})
    for ours, told in [
        ({"h": [{"qt": 751}], "n": 1750}, []),
        ({"h": [{"qt": 750}], "n": 1750}, ["request 0: body.h[0].qt: 750, not 1750"]),
        ({"h": [{"qt": 1750.0}], "n": 1750}, ["request 0: body.h[0].qt: 1750.0, not 1750"]),
        ({"h": [{"qt": 1750}], "n": 1751}, ["request 0: body.n: 1751, not 1750"]),
    ]:
        sent = Observed((Sent(0.0, replace(WIRE, body=ours)),), Counter(delivered=1))
        assert differences(vendor, Outcome((Expected(theirs),), ({"delivered": 1},)), sent) == told


def test_requests_too_few_and_too_many_are_named_but_where_the_sdk_gave_up() -> None:
    two = Observed((Sent(0.0, WIRE), Sent(1.0, WIRE)), Counter(open=1))
    once = Outcome((Expected(WIRE),), ({"open": 1},))
    assert differences(PLAIN, once, two) == ["requests: 2, not 1"]
    assert differences(PLAIN, replace(once, goes_on=True), two) == []
    thrice = Outcome((Expected(WIRE),) * 3, ({"open": 1},), goes_on=True)
    assert differences(PLAIN, thrice, two) == ["requests: 2, not 3"]


def test_a_request_before_the_wait_that_was_asked_is_named() -> None:
    early = Observed((Sent(0.0, WIRE, asked_s=2.0), Sent(1.5, WIRE)), Counter(delivered=1))
    twice = Outcome((Expected(WIRE),) * 2, ({"delivered": 1},))
    assert differences(PLAIN, twice, early) == ["request 1: came 1.5 s later, not 2.0"]


def test_a_capture_that_cannot_be_played_has_failed_and_says_why() -> None:
    def scenario(subject: Subject) -> Scenario:
        raise KeyError("calls")

    capture = Capture("c", Subject({}), {})
    assert failures(replace(PLAIN, scenario=scenario), capture) == ["KeyError: 'calls'"]


def test_another_end_of_the_inputs_is_named() -> None:
    lost = Observed((Sent(0.0, WIRE),), Counter(dead_lettered=1))
    kept = Outcome((Expected(WIRE),), ({"delivered": 1}, {"skipped": 1}))
    assert differences(PLAIN, kept, lost) == [
        "ended as {'dead_lettered': 1}, not as {'delivered': 1} or {'skipped': 1}"
    ]


def test_another_cause_of_a_refusal_is_named() -> None:
    refused = Observed((), Counter(dead_lettered=1), Counter(schema=1))
    expected = Outcome((), ({"dead_lettered": 1},), causes={"too_large": 1})
    assert differences(PLAIN, expected, refused) == ["refused for {'schema': 1}, not for {'too_large': 1}"]
    assert differences(PLAIN, replace(expected, causes={"schema": 1}), refused) == []
