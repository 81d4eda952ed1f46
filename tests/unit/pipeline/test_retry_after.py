"""What a vendor's Retry-After asks for."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.pipeline.retry_after import retry_after_s
from tests.doubles.clock import EPOCH_MS

NOW = datetime.fromtimestamp(EPOCH_MS / 1000, UTC)
CAP_S = 900.0
DATES = st.sampled_from(
    ["Mon, 01 Jan 0001 00:00:00 +1400", "Fri, 31 Dec 9999 23:59:59 -1200", "Tue, 14 Nov 2023 22:13:20 GMT", "1 Jan 1"]
)


def ask(text: str, date: str | None = None) -> float | None:
    headers = {"retry-after": text} | ({} if date is None else {"date": date})
    return retry_after_s(headers, EPOCH_MS, longest_s=CAP_S)


@given(
    st.one_of(st.text(), DATES, st.from_regex(r"[+-]?[0-9_.eE]{0,12}"), st.floats().map(str)),
    st.one_of(st.none(), st.text(), DATES),
)
@example("nan", None)
@example("inf", None)
@example("-inf", None)
@example("1e400", None)
@example("Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359")
def test_no_text_raises_and_every_wait_is_positive_and_capped(text: str, date: str | None) -> None:
    wait_s = ask(text, date)
    assert wait_s is None or 0.0 < wait_s <= CAP_S


@given(st.integers(1, 899), st.integers(-3600, 3600))
def test_a_date_is_measured_against_the_replys_own_clock(wait_s: int, skew_s: int) -> None:
    vendor = NOW + timedelta(seconds=skew_s)
    until = format_datetime(vendor + timedelta(seconds=wait_s), usegmt=True)
    assert ask(until, format_datetime(vendor, usegmt=True)) == wait_s


@pytest.mark.parametrize("text", ["", " ", "-1", "0", "0.0", "-0", "soon", "nan", "-inf", "Mon, 99 Foo 2023", "5 s"])
def test_what_asks_for_no_wait_that_makes_sense_is_none(text: str) -> None:
    assert ask(text) is None


@pytest.mark.parametrize(
    ("text", "wait_s"), [("5", 5.0), (" 5 ", 5.0), ("0.5", 0.5), ("1000000000", 900.0), ("900", 900.0)]
)
def test_seconds_are_taken_up_to_a_quarter_of_an_hour(text: str, wait_s: float) -> None:
    assert ask(text) == wait_s


def test_a_date_without_a_date_header_is_measured_against_our_clock() -> None:
    assert ask(format_datetime(NOW + timedelta(seconds=30), usegmt=True)) == 30.0
    assert ask(format_datetime(NOW - timedelta(seconds=30), usegmt=True)) is None
    assert retry_after_s({}, EPOCH_MS, longest_s=CAP_S) is None
