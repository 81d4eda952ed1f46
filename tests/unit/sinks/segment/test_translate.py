"""Segment's golden cases, and the rules that no single case shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.events import KINDS, Event, Track
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene, Skip
from connector.sinks.segment import create
from connector.sinks.segment.timestamp import iso
from tests.unit.sinks.cases import NOW_MS, RECORD_ID, Case, assert_translated, cases_of

SINK = create({"SEGMENT_WRITE_KEY": "wk_test"})
SCENE = Scene(now_ms=NOW_MS, record_id=RECORD_ID)


def payload_of(event: Event) -> Payload:
    translation = SINK.translate(event, SCENE)
    assert isinstance(translation, Payloads)
    (payload,) = translation.payloads
    return payload


@pytest.mark.parametrize("case", cases_of("segment"), ids=lambda case: case.name)
def test_a_case_is_translated_as_written(case: Case) -> None:
    assert_translated(SINK, case)


def test_a_kind_it_does_not_know_is_skipped() -> None:
    assert SINK.translate(Event(user_id="u1"), SCENE) == Skip("kind")


def test_a_message_id_of_100_characters_is_kept_and_one_more_is_replaced_for_good() -> None:
    kept = payload_of(Track(name="E", user_id="u1", message_id="é" * 100))
    assert kept.id == "é" * 100
    replaced = [payload_of(Track(name="E", user_id="u1", message_id="x" * 101)) for _ in range(2)]
    assert replaced[0].id == replaced[1].id
    assert len(replaced[0].id) == 36
    assert replaced[0].id.encode() in replaced[0].body


def test_numbers_json_lacks_are_null_and_integers_stay_whole() -> None:
    body = payload_of(
        Track(name="E", user_id="u1", properties={"nan": float("nan"), "inf": float("-inf"), "big": 2**63 + 1})
    ).body
    assert b'"properties":{"nan":null,"inf":null,"big":9223372036854775809}' in body


def test_text_that_is_no_unicode_is_refused_without_being_named() -> None:
    with pytest.raises(Untranslatable) as refused:
        SINK.translate(Track(name="E", user_id="u1", properties={"note": "secret\ud800"}), SCENE)
    assert (refused.value.reason, refused.value.detail) == ("not_encodable", "")
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("moment_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000+00:00"),
        (1, "1970-01-01T00:00:00.001+00:00"),
        (-1, "1969-12-31T23:59:59.999+00:00"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000+00:00"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999+00:00"),
        (1_709_164_799_999, "2024-02-28T23:59:59.999+00:00"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000+00:00"),
    ],
)
def test_a_time_has_three_decimals_and_an_offset(moment_ms: int, text: str) -> None:
    assert iso(moment_ms) == text


@given(st.integers())
def test_a_time_outside_the_calendar_overflows_and_nothing_else(moment_ms: int) -> None:
    inside = -62_135_596_800_000 <= moment_ms <= 253_402_300_799_999
    try:
        text = iso(moment_ms)
    except OverflowError:
        assert not inside
    else:
        assert inside
        assert len(text) == len("2025-02-03T04:05:06.789+00:00")


def test_every_kind_of_event_has_a_case() -> None:
    assert {case.event["kind"] for case in cases_of("segment")} == set(KINDS)
