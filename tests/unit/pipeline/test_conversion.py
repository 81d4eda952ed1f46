"""Each row of the table in conversion.py. Expected values from the Avro specification and by hand."""

from decimal import Decimal
from typing import Any

import pytest

from connector.domain.events import Track
from connector.errors import Undecodable
from tests.unit.pipeline.avro_values import decoded, decoder_of, framed, track


def converted(avro_type: Any, value: Any) -> Any:
    """What a field of this type becomes among the properties."""
    properties = {"type": "record", "name": "Properties", "fields": [{"name": "it", "type": avro_type}]}
    event = decoded(track({"name": "properties", "type": properties}), {"name": "n", "properties": {"it": value}})
    assert isinstance(event, Track)
    return event.properties["it"]


def converted_bytes(avro_type: Any, data: bytes) -> Any:
    properties = {"type": "record", "name": "Properties", "fields": [{"name": "it", "type": avro_type}]}
    event = decoder_of(track({"name": "properties", "type": properties})).decode(framed(b"\x02n" + data))
    assert isinstance(event, Track)
    return event.properties["it"]


def long_bytes(number: int) -> bytes:
    """The Avro encoding of a long: zigzag, then seven bits a byte."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def int_as(logical: str) -> dict[str, str]:
    return {"type": "int", "logicalType": logical}


def long_as(logical: str) -> dict[str, str]:
    return {"type": "long", "logicalType": logical}


MONEY = {"type": "fixed", "name": "Money", "size": 2, "logicalType": "decimal", "precision": 4, "scale": 1}
DAY_OR_MOMENT = [int_as("date"), long_as("timestamp-millis")]
FIXED_16 = {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"}
DURATION = {"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"}
PRICE = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}
POINT = {"type": "record", "name": "Point", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "float"}]}


@pytest.mark.parametrize(
    ("avro_type", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -7, -7),
        ("long", 9_223_372_036_854_775_807, 9_223_372_036_854_775_807),
        ("float", 0.5, 0.5),
        ("double", 0.1, 0.1),
        ("double", float("nan"), None),
        ("double", float("inf"), None),
        ("float", float("-inf"), None),
        ("bytes", b"\x00\xff\x10", "AP8Q"),
        ("bytes", b"a", "YQ=="),
        ({"type": "fixed", "name": "Three", "size": 3}, b"\x00\xff\x10", "AP8Q"),
        ("string", "é\U0001f600", "é\U0001f600"),
        (COLOUR, "GREEN", "GREEN"),
        ({"type": "array", "items": "double"}, [1.0, float("nan")], [1.0, None]),
        ({"type": "map", "values": "bytes"}, {"k": b"a"}, {"k": "YQ=="}),
        (POINT, {"x": 1, "y": 2.5}, {"x": 1, "y": 2.5}),
        (["null", POINT], None, None),
        (["null", "string", POINT], {"x": 1, "y": 2.5}, {"x": 1, "y": 2.5}),
        (
            {"type": "string", "logicalType": "uuid"},
            "6f1c33c2-3b0b-5f0e-9d0a-6c0d7b1f4a11",
            "6f1c33c2-3b0b-5f0e-9d0a-6c0d7b1f4a11",
        ),
        (PRICE, Decimal("129.95"), 129.95),
        (PRICE, Decimal("-0.05"), -0.05),
        (PRICE, Decimal("12.00"), 12.0),
        ({**PRICE, "precision": 20}, Decimal("123456789012345678.91"), 123456789012345680.0),
    ],
)
def test_a_value_becomes_json_as_the_table_says(avro_type: Any, value: Any, expected: Any) -> None:
    result = converted(avro_type, value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("avro_type", "data", "expected"),
    [
        (FIXED_16, bytes(range(16)), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        # 14 months, 3 days, 4,500 ms, each four bytes little-endian.
        (DURATION, b"\x0e\0\0\0\x03\0\0\0\x94\x11\0\0", "P14M3DT4.5S"),
        (DURATION, b"\0" * 12, "PT0S"),
        (DURATION, b"\x01\0\0\0" + b"\0" * 8, "P1M"),
        (DURATION, b"\0" * 8 + b"\x01\0\0\0", "PT0.001S"),
        # 20,119 days after 1970-01-01: 55 years of which 14 have a leap day are 20,089 days; 30 more.
        (int_as("date"), long_bytes(20_119), "2025-01-31"),
        (int_as("date"), long_bytes(-1), "1969-12-31"),
        # 10 h 20 min 30.123 s.
        (int_as("time-millis"), long_bytes(37_230_123), "10:20:30.123"),
        (long_as("time-micros"), long_bytes(37_230_123_456), "10:20:30.123456"),
        # 20,119 days of 86,400 s and 37,230 s are 1,738,318,830 s.
        (long_as("timestamp-millis"), long_bytes(1_738_318_830_123), "2025-01-31T10:20:30.123Z"),
        (long_as("timestamp-millis"), long_bytes(-1), "1969-12-31T23:59:59.999Z"),
        (long_as("timestamp-millis"), long_bytes(253_402_300_799_999), "9999-12-31T23:59:59.999Z"),
        (long_as("timestamp-millis"), long_bytes(-62_135_596_800_000), "0001-01-01T00:00:00.000Z"),
        (long_as("timestamp-micros"), long_bytes(1_738_318_830_123_456), "2025-01-31T10:20:30.123456Z"),
        (long_as("timestamp-nanos"), long_bytes(1_738_318_830_123_456_789), "2025-01-31T10:20:30.123456789Z"),
        (long_as("local-timestamp-millis"), long_bytes(1_738_318_830_000), "2025-01-31T10:20:30.000"),
        (long_as("local-timestamp-micros"), long_bytes(1_738_318_830_000_001), "2025-01-31T10:20:30.000001"),
        (long_as("local-timestamp-nanos"), long_bytes(1), "1970-01-01T00:00:00.000000001"),
        (long_as("made-up"), long_bytes(5), 5),
        ({"type": "fixed", "name": "Four", "size": 4, "logicalType": "duration"}, b"\0\0\0\0", "AAAAAA=="),
        ({"type": "bytes", "logicalType": "big-decimal"}, b"\x02a", "YQ=="),
        (MONEY, b"\xff\xff", -0.1),
        # Branches of equal Python type keep apart: a day is no moment.
        (DAY_OR_MOMENT, b"\x00\x02", "1970-01-02"),
        (DAY_OR_MOMENT, b"\x02\x02", "1970-01-01T00:00:00.001Z"),
    ],
)
def test_bytes_become_json_as_the_table_says(avro_type: Any, data: bytes, expected: Any) -> None:
    assert converted_bytes(avro_type, data) == expected


@pytest.mark.parametrize(
    ("avro_type", "data", "reason"),
    [
        (int_as("date"), long_bytes(2**31 - 1), "calendar_range"),
        (int_as("date"), long_bytes(-719_163), "calendar_range"),
        (int_as("time-millis"), long_bytes(86_400_000), "calendar_range"),
        (long_as("time-micros"), long_bytes(-1), "calendar_range"),
        (long_as("timestamp-millis"), long_bytes(253_402_300_800_000), "calendar_range"),
        (long_as("timestamp-micros"), long_bytes(2**63 - 1), "calendar_range"),
        (long_as("local-timestamp-millis"), long_bytes(-(2**63)), "calendar_range"),
        # 1,000,000 has seven digits, the schema allows six.
        (PRICE, b"\x06\x0f\x42\x40", "decimal_range"),
        ({**PRICE, "precision": 900, "scale": 0}, b"\x90\x03" + b"\x7f" * 200, "decimal_range"),
    ],
)
def test_what_no_calendar_or_double_has_is_undecodable(avro_type: Any, data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        converted_bytes(avro_type, data)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("avro_type", "data", "expected"),
    [
        ("long", long_bytes(1_738_318_830_123), 1_738_318_830_123),
        (long_as("timestamp-millis"), long_bytes(1_738_318_830_123), 1_738_318_830_123),
        (long_as("timestamp-micros"), long_bytes(1_738_318_830_123_999), 1_738_318_830_123),
        (long_as("timestamp-nanos"), long_bytes(-1), -1),
        (long_as("local-timestamp-micros"), long_bytes(2_000), 2),
        (int_as("date"), long_bytes(2), 172_800_000),
        ("int", long_bytes(5), 5),
        # 1.5e12 as an IEEE double, little-endian: 0x4275d3ef79800000.
        ("double", bytes.fromhex("00008079efd37542"), 1_500_000_000_000),
        ("string", b"\x30" + b"2025-01-31T10:20:30.123Z", 1_738_318_830_123),
        ("string", b"\x32" + b"2025-01-31T12:20:30+02:00", 1_738_318_830_000),
        ("string", b"\x14" + b"1970-01-02", 86_400_000),
    ],
)
def test_a_time_of_ours_is_milliseconds_whatever_the_producer_wrote(avro_type: Any, data: bytes, expected: int) -> None:
    event = decoder_of(track({"name": "timestamp", "type": avro_type})).decode(framed(b"\x02n" + data))
    assert isinstance(event, Track)
    assert event.timestamp_ms == expected


@pytest.mark.parametrize(
    ("avro_type", "data", "reason"),
    [
        ("long", long_bytes(253_402_300_800_000), "calendar_range"),
        ("string", b"\x0asoon!", "bad_field"),
        ("boolean", b"\x01", "bad_field"),
    ],
)
def test_a_time_that_is_none_is_undecodable(avro_type: Any, data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoder_of(track({"name": "timestamp", "type": avro_type})).decode(framed(b"\x02n" + data))
    assert caught.value.reason == reason


def test_a_time_that_is_not_finite_is_absent() -> None:
    event = decoded(track({"name": "timestamp", "type": "double"}), {"name": "n", "timestamp": float("nan")})
    assert isinstance(event, Track)
    assert event.timestamp_ms is None
