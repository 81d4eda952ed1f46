"""Whether a sink gets an event, and the key whose order it keeps."""

from sys import getrefcount
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.events import Consent, ConsentChange, Event, Identify, OptOut, Track, TrackingLog
from connector.pipeline.options import RouteOptions
from connector.pipeline.route import Router
from tests.unit.pipeline.making import P1, record

OrderBy = Literal["key", "user", "partition", "none"]


def router(
    *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = (), consent: str | None = None, by: OrderBy = "key"
) -> Router:
    return Router("segment", RouteOptions(allow, deny, consent), by, 16)


@pytest.mark.parametrize(
    ("event", "made", "reason"),
    [
        (Track(name="a"), router(), None),
        (Track(name="a", sinks={"segment": False}), router(), "opted_out"),
        (Track(name="a", sinks={"segment": True, "other": False}), router(), None),
        (Track(name="Order Completed"), router(allow=("Order",)), None),
        (Track(name="My Order"), router(allow=("Order",)), "filtered"),
        (Track(name="Order Debug"), router(allow=("Order",), deny=(".*Debug",)), "filtered"),
        (Track(name="Other"), router(deny=("Order",)), None),
        (Identify(user_id="u"), router(allow=("Order",)), None),
        (Track(name="a"), router(consent="ads"), "consent"),
        (Track(name="a", consent={"ads": Consent(granted=False)}), router(consent="ads"), "consent"),
        (Track(name="a", consent={"ads": Consent(granted=True)}), router(consent="ads"), None),
        (ConsentChange(consent={"ads": Consent(granted=False)}), router(consent="ads"), None),
        (OptOut(opted_out=True), router(consent="ads"), None),
    ],
)
def test_an_event_is_wanted_or_skipped_for_a_reason(event: Event, made: Router, reason: str | None) -> None:
    assert made.skip(event) == reason
    assert made.skip(event) == reason, "also when the name is known"


def test_verdicts_on_long_names_are_not_remembered() -> None:
    """Ten thousand names of a megabyte each would be all the memory there is."""
    made, name = router(deny=("Order",)), "x" * 1_000_000
    before = getrefcount(name)
    assert made.skip(Track(name=name)) is None
    assert getrefcount(name) == before


@pytest.mark.parametrize(
    ("by", "key", "user", "expected"),
    [
        ("key", b"k", "u", b"k"),
        ("key", b"", "u", b""),
        ("key", None, "u", b"u"),
        ("key", None, None, b"t/1"),
        ("user", b"k", "u", b"u"),
        ("user", b"k", None, b"k"),
        ("user", None, None, b"t/1"),
        ("partition", b"k", "u", b"t/1"),
        ("none", b"k", "u", None),
    ],
)
def test_the_order_key(by: OrderBy, key: bytes | None, user: str | None, expected: bytes | None) -> None:
    assert router(by=by).key(record(0, key, partition=P1), Track(name="a", user_id=user)) == expected


def test_a_log_whose_key_is_the_name_of_the_event_is_ordered_by_its_user() -> None:
    keyed = record(0, b"edx.course.enrollment.activated")
    assert router(by="key").key(keyed, TrackingLog(name="n", user_id="10")) == b"10"
    assert router(by="key").key(keyed, TrackingLog(name="n")) == b"edx.course.enrollment.activated"
    assert router(by="partition").key(keyed, TrackingLog(name="n", user_id="10")) == b"t/0"


def test_an_anonymous_user_has_an_order_too() -> None:
    assert router(by="user").key(record(0), Track(name="a", anonymous_id="anon")) == b"anon"


@given(st.binary(), st.integers(0, 1000), st.integers(0, 1000))
def test_a_key_has_one_lane_wherever_its_record_sits(key: bytes, first: int, second: int) -> None:
    made = router()
    lane = made.lane(record(first, key), key)
    assert lane == made.lane(record(second, key, partition=P1), key)
    assert 0 <= lane < 16


def test_records_without_a_key_take_turns() -> None:
    assert {router().lane(record(offset, None), None) for offset in range(16)} == set(range(16))
