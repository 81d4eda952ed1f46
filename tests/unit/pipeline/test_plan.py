"""How a producer's own schema is fitted to our structs."""

import json
from typing import Any

import pytest

from connector.domain.events import KINDS, Alias, Consent, Context, Group, Identify, Page, Track
from connector.errors import Undecodable
from connector.pipeline.decode import DECODE_REASONS, Ignored
from connector.pipeline.event_map import EventMap
from connector.pipeline.plan import make_plan
from connector.pipeline.shape import ALIASES, Items, Shape, Source, Values, Want, match, shape_of
from tests.unit.pipeline.avro_values import body, decoded, decoder_of, framed, track


def kind(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": f"connector.events.{name}", "fields": list(fields)}


def reason_of(schema: Any, value: Any, **options: Any) -> str:
    with pytest.raises(Undecodable) as caught:
        decoded(schema, value, **options)
    assert caught.value.reason in DECODE_REASONS
    return caught.value.reason


def test_a_schema_may_add_drop_reorder_and_widen_fields() -> None:
    schema = kind(
        "Track",
        {"name": "new_one", "type": {"type": "int", "logicalType": "date"}},
        {"name": "value", "type": "float"},
        {"name": "timestamp", "type": "int"},
        {"name": "name", "type": "string"},
    )
    # 2**31 - 1 days is a date no calendar has; a field we do not know is not looked at.
    value = {"new_one": 2**31 - 1, "value": 2.5, "timestamp": 5, "name": "n"}
    data = b"\xfe\xff\xff\xff\x0f" + body(kind("Track", *schema["fields"][1:]), value)
    assert decoder_of(schema).decode(framed(data)) == Track(name="n", value=2.5, timestamp_ms=5)


def test_a_union_may_be_reordered_and_a_field_made_nullable() -> None:
    schema = track({"name": "user_id", "type": ["string", "null"]}, {"name": "properties", "type": ["null", "string"]})
    assert decoded(schema, {"name": "n", "user_id": None, "properties": None}) == Track(name="n")


def test_a_renamed_field_is_found_by_the_name_it_had() -> None:
    schema = track({"name": "customer", "aliases": ["user_id"], "type": "string"})
    assert decoded(schema, {"name": "n", "customer": "u1"}) == Track(name="n", user_id="u1")


def test_a_renamed_record_is_found_by_the_name_it_had() -> None:
    schema = {**track(), "name": "com.acme.Action", "aliases": ["connector.events.Track"]}
    assert decoded(schema, {"name": "n"}) == Track(name="n")


def test_camel_case_and_our_aliases_are_understood() -> None:
    schema = kind(
        "Track",
        {"name": "event", "type": "string"},
        {"name": "userId", "type": "string"},
        {"name": "anonymousID", "type": "string"},
        {"name": "propertiesJson", "type": "string"},
    )
    value = {"event": "n", "userId": "u", "anonymousID": "a", "propertiesJson": '{"k": 1}'}
    assert decoded(schema, value) == Track(name="n", user_id="u", anonymous_id="a", properties={"k": 1})


def test_the_exact_name_goes_before_every_other() -> None:
    places = match(shape_of(Track), [Source("event"), Source("Name"), Source("name"), Source("user_id")])
    assert {source: place.field.name for source, place in places.items()} == {"name": "name", "user_id": "user_id"}


def test_a_number_where_we_take_text_is_spelt_out() -> None:
    schema = track({"name": "user_id", "type": ["null", "long"]})
    assert decoded(schema, {"name": "n", "user_id": 42}) == Track(name="n", user_id="42")


def test_a_group_id_stays_the_number_it_is() -> None:
    assert decoded(kind("Group", {"name": "group_id", "type": "long"}), {"group_id": 77}) == Group(group_id=77)
    alias = kind("Alias", {"name": "previous_id", "type": "string"}, {"name": "user_id", "type": "int"})
    assert decoded(alias, {"previous_id": "a", "user_id": 5}) == Alias(previous_id="a", user_id="5")


def test_identities_may_be_a_record_or_a_map_with_gaps() -> None:
    fields = [{"name": "email", "type": ["null", "string"]}, {"name": "crm", "type": ["null", "long"]}]
    schemas: list[Any] = [
        {"type": "record", "name": "Ids", "fields": fields},
        {"type": "map", "values": ["null", "string", "long"]},
    ]
    for schema in schemas:
        value = {"name": "n", "identities": {"email": None, "crm": 9}}
        event = decoded(track({"name": "identities", "type": schema}), value)
        assert event == Track(name="n", identities={"crm": "9"})


def test_consent_may_be_booleans_or_records() -> None:
    state = {
        "type": "record",
        "name": "State",
        "fields": [
            {"name": "granted", "type": "boolean"},
            {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        ],
    }
    schema = track({"name": "consent", "type": {"type": "map", "values": ["boolean", state]}})
    value = {"name": "n", "consent": {"ads": True, "mail": {"granted": False, "timestamp": 5_000}}}
    assert decoded(schema, value) == Track(
        name="n", consent={"ads": Consent(granted=True), "mail": Consent(granted=False, timestamp_ms=5)}
    )


def test_properties_may_be_records_within_records() -> None:
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "paid", "type": ["null", "boolean"]}]}
    outer = {
        "type": "record",
        "name": "Outer",
        "fields": [{"name": "a", "type": inner}, {"name": "b", "type": {"type": "map", "values": "Inner"}}],
    }
    value = {"name": "n", "properties": {"a": {"paid": None}, "b": {"x": {"paid": True}}}}
    event = decoded(track({"name": "properties", "type": outer}), value)
    assert event == Track(name="n", properties={"a": {"paid": None}, "b": {"x": {"paid": True}}})


def test_one_named_type_may_be_typed_here_and_free_there() -> None:
    where = {"type": "record", "name": "Where", "fields": [{"name": "userAgent", "type": ["null", "string"]}]}
    schema = track({"name": "properties", "type": where}, {"name": "context", "type": "Where"})
    value = {"name": "n", "properties": {"userAgent": "x"}, "context": {"userAgent": "y"}}
    assert decoded(schema, value) == Track(name="n", properties={"userAgent": "x"}, context=Context(user_agent="y"))


def test_context_may_be_a_map_or_carry_json_text() -> None:
    as_map = track({"name": "context", "type": {"type": "map", "values": ["null", "string"]}})
    assert decoded(as_map, {"name": "n", "context": {"ip": "203.0.113.7", "locale": None}}) == Track(
        name="n", context=Context(ip="203.0.113.7")
    )
    record = {"type": "record", "name": "C", "fields": [{"name": "extra_json", "type": "string"}]}
    assert decoded(
        track({"name": "context", "type": record}), {"name": "n", "context": {"extra_json": '{"a": 1}'}}
    ) == (Track(name="n", context=Context(extra={"a": 1})))


def test_json_text_may_be_bytes() -> None:
    schema = kind("Identify", {"name": "traits_json", "type": "bytes"})
    assert decoded(schema, {"traits_json": b'{"plan": "pro"}'}) == Identify(traits={"plan": "pro"})


def test_a_topic_may_mix_kinds_in_one_schema() -> None:
    other = {"type": "record", "name": "com.acme.Noise", "fields": []}
    strange = {"type": "record", "name": "com.acme.Strange", "fields": []}
    schema = [track(), kind("Page", {"name": "name", "type": "string"}), other, strange, "string"]
    decoder = decoder_of(schema, ignore=["com.acme.Noise"])
    assert decoder.decode(framed(b"\x00\x02n")) == Track(name="n")
    assert decoder.decode(framed(b"\x02\x02n")) == Page(name="n")
    assert decoder.decode(framed(b"\x04")) == Ignored("ignored")
    for data in (b"\x06", b"\x08\x02n"):
        with pytest.raises(Undecodable) as caught:
            decoder.decode(framed(data))
        assert caught.value.reason == "unknown_record"


def test_a_record_of_no_known_name_is_undecodable_and_an_ignored_one_is_ignored() -> None:
    schema = {"type": "record", "name": "com.acme.Noise", "fields": [{"name": "x", "type": "int"}]}
    assert reason_of(schema, {"x": 1}) == "unknown_record"
    assert reason_of("string", "x") == "unknown_record"
    assert reason_of({**schema, "name": "connector.events.Nothing"}, {"x": 1}) == "unknown_record"
    assert decoded(schema, {"x": 1}, ignore=["com.acme.Noise"]) == Ignored("ignored")


def test_a_schema_that_refers_to_others_is_read_after_them() -> None:
    where = {"type": "record", "name": "com.acme.Where", "fields": [{"name": "ip", "type": "string"}]}
    schema = track({"name": "context", "type": "com.acme.Where"})
    plan = make_plan((json.dumps(where), json.dumps(schema)), EventMap(), ())
    assert plan.fault == ""
    assert make_plan((json.dumps(schema),), EventMap(), ()).fault == "UnknownType"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "null",
        "[]",
        "{}",
        '{"type": "record"}',
        '"nothing"',
        '{"type": "record", "name": "R", "fields": 3}',
    ],
)
def test_a_schema_that_is_none_is_a_fault_of_its_plan(text: str) -> None:
    plan = make_plan((text,), EventMap(), ())
    assert plan.fault or plan.schema == []


def test_a_schema_nested_too_deep_is_a_fault_of_its_plan() -> None:
    assert make_plan(('{"type":"array","items":' * 100_000,), EventMap(), ()).fault


def test_aliases_name_kinds_and_fields_that_exist() -> None:
    for kind_name, field in ALIASES:
        assert field in KINDS[kind_name].__struct_fields__


def test_no_field_of_ours_is_both_required_and_nullable_so_that_null_and_absent_are_one() -> None:
    seen, left = set[Shape](), list[Want](map(shape_of, KINDS.values()))
    while left:
        want = left.pop()
        if isinstance(want, Items | Values):
            left.append(want.of)
        elif isinstance(want, Shape) and want not in seen:
            seen.add(want)
            left += [field.want for field in want.fields.values()]
    assert len(seen) > len(KINDS)
    assert [field.name for shape in seen for field in shape.fields.values() if field.required and field.nullable] == []
