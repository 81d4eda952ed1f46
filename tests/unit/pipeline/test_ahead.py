"""Which offsets above the committed one are resolved: what is written is read back, and nothing else."""

import zlib
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.domain.record import Partition
from connector.pipeline.ahead import Ahead, Range, above, pack, read, witness, write
from tests.unit.pipeline.making import record

LATEST = (1 << 63) - 2


def as_ranges(first: int, lengths: list[int]) -> list[Range]:
    """Make ranges of lengths that are in turn resolved and open."""
    ranges, at = [], first
    for number, length in enumerate(lengths):
        if number % 2 == 0:
            ranges.append((at, at + length))
        at += length
    return ranges


RANGES = st.builds(as_ranges, st.integers(0, 1 << 62), st.lists(st.integers(1, 1 << 20), max_size=200))


@given(RANGES, st.integers(0, 4000), st.integers(-1, 2**31 - 1), st.integers(0, 2**32 - 1))
def test_what_fits_is_read_back_and_only_the_last_ranges_are_left_out(
    ranges: list[Range], most: int, leader_epoch: int, of: int
) -> None:
    packed = pack(ranges, most)
    assert len(packed) <= most
    if packed:
        found = read(write(packed, leader_epoch, of))
        assert found == Ahead(tuple(ranges[: len(found.ranges)]), leader_epoch, of)
        assert found.ranges


@given(RANGES)
def test_nothing_is_left_out_where_there_is_room(ranges: list[Range]) -> None:
    packed = pack(ranges, 100_000)
    assert packed == "" if not ranges else read(write(packed, 0, 0)).ranges == tuple(ranges)


def test_twenty_thousand_offsets_of_which_each_second_is_open_fit_into_one_commit() -> None:
    ranges = [(offset, offset + 1) for offset in range(10**9, 10**9 + 20_000, 2)]
    assert read(write(pack(ranges, 3500), 0, 0)).ranges == tuple(ranges)


def test_the_form_is_the_one_that_other_versions_read() -> None:
    """Offsets 5 and 6, then 9: first 5, then lengths 2 resolved, 2 open, 1 resolved."""
    text = f"a1.7.0000beef.{b64encode(zlib.compress(bytes([5, 2, 2, 1]))).decode()}"
    assert read(text) == Ahead(((5, 7), (9, 10)), 7, 0xBEEF)
    assert write(pack([(5, 7), (9, 10)], 3500), 7, 0xBEEF) == text


@given(st.text())
def test_any_text_is_a_list_or_a_value_error(text: str) -> None:
    for one in (text, "a1.0.00000000." + text):
        with pytest.raises(ValueError):
            read(one)


@given(RANGES.filter(bool), st.data())
def test_a_list_that_was_cut_short_or_changed_is_no_list(ranges: list[Range], data: st.DataObject) -> None:
    packed = pack(ranges, 100_000)
    at = data.draw(st.integers(0, len(packed) - 1))
    other = data.draw(st.sampled_from("AZaz09+/").filter(lambda one: one != packed[at]))
    changed = packed[:at] + other + packed[at + 1 :]
    for text in (packed[:at], changed):
        # Bits that base64 fills up with are of no account.
        with suppress(ValueError):
            assert read(write(text, 0, 0)).ranges == tuple(ranges)


@pytest.mark.parametrize(
    "numbers",
    [bytes([5]), bytes([5, 2, 2]), bytes([5, 0x80]), bytes([0xFF] * 12), bytes(10_000_000)],
    ids=["no length", "no end", "a number cut short", "a number too large", "far too many"],
)
def test_numbers_that_are_no_ranges_are_refused(numbers: bytes) -> None:
    with pytest.raises(ValueError):
        read(f"a1.0.00000000.{b64encode(zlib.compress(numbers)).decode()}")


def test_a_witness_is_of_one_record_of_one_log() -> None:
    one = record(7)
    others = [
        ("other", one),
        ("cluster", replace(one, partition=Partition("t", 1))),
        ("cluster", replace(one, partition=Partition("u", 0))),
        ("cluster", replace(one, offset=8)),
        ("cluster", replace(one, timestamp_ms=one.timestamp_ms + 1)),
        ("cluster", replace(one, key=b"other")),
        ("cluster", replace(one, value=b"other")),
        ("cluster", replace(one, value=None)),
    ]
    assert witness("cluster", one) == witness("cluster", replace(one, leader_epoch=9))
    assert witness("cluster", one) not in {witness(*other) for other in others}


def test_what_lies_below_an_offset_is_cut_off() -> None:
    assert above([(1, 3), (5, 9), (11, 12)], 6) == [(6, 9), (11, 12)]
    assert above([(1, 3)], 3) == []
