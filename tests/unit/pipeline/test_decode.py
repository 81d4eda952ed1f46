"""Bytes into events, and what becomes of bytes that are none."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.domain.events import Context, Recipient, Track, WebPage, Workflow
from connector.errors import SchemaMissing, Undecodable
from connector.pipeline.decode import DECODE_REASONS, Decoder, Ignored, UnknownSchema
from connector.pipeline.framing import confluent_head, single_object_head
from tests.unit.pipeline.avro_values import ID, Known, body, decoded, decoder_of, framed, record, track

PAGE = {"type": "record", "name": "Page", "fields": [{"name": "url", "type": "string"}]}
WIDE = track(
    {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "user_id", "type": ["null", "string"]},
    {"name": "properties", "type": {"type": "map", "values": ["null", "long", "double", "string"]}},
    {"name": "properties_json", "type": ["null", "string"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "tier", "type": {"type": "enum", "name": "Tier", "symbols": ["A", "B"]}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {
        "name": "context",
        "type": {"type": "record", "name": "C", "fields": [{"name": "page", "type": ["null", PAGE]}]},
    },
)
ORDER = {
    "name": "Order",
    "timestamp": 1_738_318_830_123,
    "user_id": "u1",
    "properties": {"total": 9.5, "n": 3, "none": None},
    "properties_json": '{"n": 4, "deep": {"a": [1]}}',
    "tags": ["x"],
    "tier": "B",
    "day": 20_119,
    "context": {"page": {"url": "https://a.example/"}},
}
TREE = {"type": "record", "name": "Tree", "fields": [{"name": "child", "type": ["null", "Tree"]}]}


def test_a_record_becomes_its_event() -> None:
    assert decoded(WIDE, ORDER) == Track(
        name="Order",
        timestamp_ms=1_738_318_830_123,
        user_id="u1",
        properties={"total": 9.5, "n": 4, "none": None, "deep": {"a": [1]}},
        context=Context(page=WebPage(url="https://a.example/")),
    )


def test_an_array_may_hold_ids_and_records_of_what_they_name_whose_nulls_are_not_given() -> None:
    texts = ["null", {"type": "array", "items": "string"}]
    who = {
        "type": "record",
        "name": "Who",
        "fields": [{"name": "user_id", "type": "string"}, {"name": "sms", "type": texts}],
    }
    recipients = {"name": "recipients", "type": {"type": "array", "items": ["string", who]}}
    schema = {"type": "record", "name": "connector.events.Workflow", "fields": [recipients]}
    value = {"recipients": ["u1", {"user_id": "u2", "sms": None}]}
    assert decoded(schema, value) == Workflow(recipients=("u1", Recipient(user_id="u2")))


@pytest.mark.parametrize(
    ("said", "recorded", "timestamp_ms"),
    [
        (None, 1_738_318_830_123, 1_738_318_830_123),
        (None, 0, 0),
        (1_700_000_000_000, 1_738_318_830_123, 1_700_000_000_000),
        (0, 1_738_318_830_123, 0),
        (None, -1, None),
        (None, 1_738_318_830_123_000_000, None),
    ],
)
def test_an_event_without_a_time_has_that_of_its_record(
    said: int | None, recorded: int, timestamp_ms: int | None
) -> None:
    schema = track({"name": "timestamp", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]})
    value = confluent_head(ID) + body(schema, {"name": "n", "timestamp": said})
    assert decoder_of(schema).decode(record(value, recorded)) == Track(name="n", timestamp_ms=timestamp_ms)


def test_a_tombstone_is_ignored() -> None:
    assert decoder_of(WIDE).decode(record(None)) == Ignored("tombstone")


def test_an_id_that_was_not_learnt_is_asked_for_by_its_number() -> None:
    decoder = Decoder(Known({}))
    with pytest.raises(UnknownSchema) as caught:
        decoder.decode(record(b"\x00\x00\x00\x01\x02"))
    assert caught.value.schema == 258


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "empty"),
        (b"\x00", "framing"),
        (b"\x01\x00\x00\x00\x07", "not_avro"),
        (b'{"name": "Order"}', "not_avro"),
        (b"\xc3\x0112345678", "fingerprint_unknown"),
        (confluent_head(ID), "truncated"),
        (confluent_head(ID) + b"\x06ab", "truncated"),
        (confluent_head(ID) + b"\x04\xff\xfe", "bad_utf8"),
        (confluent_head(ID) + b"\x02a\x00", "trailing_bytes"),
    ],
)
def test_poison_has_its_reason(value: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoder_of(track()).decode(record(value))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("avro_type", "data", "reason"),
    [
        ({"type": "enum", "name": "E", "symbols": ["A"]}, b"\x04", "bad_index"),
        (["null", "string"], b"\x06", "bad_index"),
        ("long", b"\x80", "truncated"),
        ("double", b"\x00", "truncated"),
        ({"type": "array", "items": "long"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x02", "truncated"),
        ("string", b"\x01abc", "truncated"),
        ("string", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01abc", "truncated"),
    ],
)
def test_corrupt_data_has_its_reason(avro_type: Any, data: bytes, reason: str) -> None:
    decoder = decoder_of(track({"name": "it", "type": avro_type}))
    with pytest.raises(Undecodable) as caught:
        decoder.decode(framed(b"\x02n" + data))
    assert caught.value.reason == reason


def test_a_value_nested_a_million_deep_is_refused_and_the_process_lives() -> None:
    decoder = decoder_of(track({"name": "properties", "type": TREE}))
    with pytest.raises(Undecodable) as caught:
        decoder.decode(framed(b"\x02n" + b"\x02" * 1_000_000 + b"\x00"))
    assert caught.value.reason == "too_deep"


def test_a_recursive_schema_reads_what_is_not_too_deep() -> None:
    event = decoder_of(track({"name": "properties", "type": TREE})).decode(framed(b"\x02n\x02\x02\x00"))
    assert isinstance(event, Track)
    assert event.properties == {"child": {"child": {"child": None}}}


def test_an_array_that_could_hold_anything_in_no_bytes_makes_its_schema_unusable() -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(track({"name": "it", "type": {"type": "array", "items": "null"}}), {"name": "n", "it": []})
    assert caught.value.reason == "schema_unusable"


@pytest.mark.parametrize("text", ["{", "[1]", "7", "null", '{"a": NaN}', '{"a": 1e999}', "x"])
def test_json_text_that_is_no_object_is_undecodable(text: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(track({"name": "properties_json", "type": "string"}), {"name": "n", "properties_json": text})
    assert (caught.value.reason, caught.value.detail) == ("bad_json", "properties")


def test_json_text_nested_too_deep_is_undecodable() -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(
            track({"name": "properties_json", "type": "string"}), {"name": "n", "properties_json": '{"a":' * 100_000}
        )
    assert caught.value.reason == "too_deep"


@pytest.mark.parametrize("text", [None, ""])
def test_json_text_may_be_absent(text: str | None) -> None:
    schema = track({"name": "properties_json", "type": ["null", "string"]})
    assert decoded(schema, {"name": "n", "properties_json": text}) == Track(name="n")


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ({"name": "user_id", "type": "boolean"}, True, "user_id"),
        ({"name": "identities", "type": {"type": "map", "values": "boolean"}}, {"e": True}, "identities[...]"),
        (
            {"name": "context", "type": {"type": "record", "name": "C", "fields": [{"name": "ip", "type": "boolean"}]}},
            {"ip": True},
            "context.ip",
        ),
    ],
)
def test_a_field_of_another_type_is_named_without_its_value(field: dict[str, Any], value: Any, place: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(track(field), {"name": "n", field["name"]: value})
    assert (caught.value.reason, caught.value.detail) == ("bad_field", place)


def test_a_required_field_that_is_missing_or_null_is_named() -> None:
    nameless = {"type": "record", "name": "connector.events.Track", "fields": [{"name": "user_id", "type": "string"}]}
    nullable = {
        "type": "record",
        "name": "connector.events.Track",
        "fields": [{"name": "name", "type": ["null", "string"]}],
    }
    for schema, value in ((nameless, {"user_id": "u"}), (nullable, {"name": None})):
        with pytest.raises(Undecodable) as caught:
            decoded(schema, value)
        assert (caught.value.reason, caught.value.detail) == ("bad_field", "name")


def test_a_value_framed_as_single_object_is_found_by_its_fingerprint() -> None:
    # The canonical form of "long" is its name in quotes; of a record, its name, type and fields. The fingerprint of
    # "int" is 7275d51a3f395c8f in the specification; the record's own is computed from the same algorithm below.
    schema = track()
    canonical = b'{"name":"connector.events.Track","type":"record","fields":[{"name":"name","type":"string"}]}'
    decoder = Decoder(Known({}), fingerprints=[json.dumps(schema)])
    value = single_object_head(crc_64_avro(canonical)) + body(schema, {"name": "n"})
    assert decoder.decode(record(value)) == Track(name="n")


def crc_64_avro(data: bytes) -> bytes:
    """The algorithm of the Avro specification, bit by bit."""
    result = empty = 0xC15D213AA4D7A795
    for byte in data:
        result ^= byte
        for _ in range(8):
            result = (result >> 1) ^ (empty if result & 1 else 0)
    return result.to_bytes(8, "little")


def test_the_algorithm_gives_the_fingerprint_of_the_specification() -> None:
    assert crc_64_avro(b'"int"') == bytes.fromhex("8f5c393f1ad57572")


def test_learning_one_id_at_the_same_time_asks_once() -> None:
    async def learn() -> list[int]:
        registry = Known({ID: (json.dumps(track()),)})
        decoder = Decoder(registry)
        await asyncio.gather(*(decoder.learn(ID) for _ in range(5)))
        await decoder.learn(ID)
        assert len(decoder) == 1
        return registry.asked

    assert asyncio.run(learn()) == [ID]


class Failing:
    """A registry that refuses once, then knows."""

    def __init__(self) -> None:
        self.asked = 0

    async def fetch(self, schema_id: int) -> tuple[str, ...]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.asked == 1:
            raise SchemaMissing("not yet")
        return (json.dumps(track()),)


def test_a_failed_fetch_reaches_every_caller_and_is_not_remembered() -> None:
    async def learn() -> int:
        registry = Failing()
        decoder = Decoder(registry)
        failures = await asyncio.gather(decoder.learn(ID), decoder.learn(ID), return_exceptions=True)
        assert [type(failure) for failure in failures] == [SchemaMissing, SchemaMissing]
        await decoder.learn(ID)
        return registry.asked

    assert asyncio.run(learn()) == 2


def test_a_caller_that_gives_up_does_not_stop_the_others() -> None:
    async def learn() -> int:
        decoder = Decoder(Known({ID: (json.dumps(track()),)}))
        first, second = asyncio.create_task(decoder.learn(ID)), asyncio.create_task(decoder.learn(ID))
        await asyncio.sleep(0)
        first.cancel()
        await second
        return len(decoder)

    assert asyncio.run(learn()) == 1


DECODER = decoder_of(WIDE)
VALID = body(WIDE, ORDER)


@pytest.mark.parametrize("length", range(len(VALID)))
def test_every_prefix_of_a_record_is_undecodable(length: int) -> None:
    with pytest.raises(Undecodable) as caught:
        DECODER.decode(framed(VALID[:length]))
    assert caught.value.reason == "truncated"


def survives(data: bytes) -> None:
    try:
        DECODER.decode(framed(data))
    except Undecodable as error:
        assert error.reason in DECODE_REASONS


def test_every_flipped_bit_gives_an_event_or_a_reason() -> None:
    for place in range(len(VALID) * 8):
        flipped = bytearray(VALID)
        flipped[place // 8] ^= 1 << place % 8
        survives(bytes(flipped))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_reason(data: bytes) -> None:
    survives(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30))
def test_any_value_gives_an_event_a_reason_or_a_schema_to_learn(value: bytes) -> None:
    try:
        DECODER.decode(record(value))
    except Undecodable as error:
        assert error.reason in DECODE_REASONS
    except UnknownSchema as error:
        assert value[1:5] == error.schema.to_bytes(4, "big")
