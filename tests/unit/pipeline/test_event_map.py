"""Records of other names, mapped to kinds."""

from typing import Any

import pytest

from connector.domain.events import Alias, Consent, Context, Identify, Track, WebPage
from connector.errors import Undecodable
from connector.pipeline.event_map import parse_event_map
from tests.unit.pipeline.avro_values import decoded

CUSTOMER = {
    "type": "record",
    "name": "Customer",
    "fields": [{"name": "id", "type": "long"}, {"name": "email", "type": ["null", "string"]}],
}
PLACED = {
    "type": "record",
    "name": "com.acme.OrderPlaced",
    "fields": [
        {"name": "customer", "type": CUSTOMER},
        {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "url", "type": ["null", "string"]},
        {"name": "lines", "type": {"type": "array", "items": "string"}},
    ],
}
ORDER = {
    "customer": {"id": 42, "email": "a@example.org"},
    "placed_at": 1_738_318_830_123_456,
    "total": b"\x32\xc3",
    "url": None,
    "lines": ["sku-1"],
}
# 0x32c3 is 12,995: 129.95 with two decimals.
FULL = """{"com.acme.OrderPlaced": {
    "kind": "Track", "name": {"literal": "Order Placed"}, "user_id": "customer.id", "timestamp": "placed_at",
    "identities.email": "customer.email", "context.page.url": "url", "consent.ads": {"literal": true},
    "properties.channel": {"literal": "shop"}, "sinks.segment": {"literal": false}}}"""


def mapped(text: str, schema: Any = PLACED, value: Any = ORDER) -> Any:
    return decoded(schema, value, event_map=parse_event_map(text))


def test_fields_come_by_path_or_literal_and_the_rest_are_properties() -> None:
    assert mapped(FULL) == Track(
        name="Order Placed",
        user_id="42",
        timestamp_ms=1_738_318_830_123,
        identities={"email": "a@example.org"},
        consent={"ads": Consent(granted=True)},
        sinks={"segment": False},
        properties={"customer": {}, "total": 129.95, "lines": ["sku-1"], "channel": "shop"},
    )


def test_the_same_map_may_be_toml() -> None:
    text = """
    ["com.acme.OrderPlaced"]
    kind = "Track"
    name = {literal = "Order Placed"}
    "context.page.url" = "url"
    """
    event = mapped(text, value={**ORDER, "url": "https://a.example/"})
    assert event.context == Context(page=WebPage(url="https://a.example/"))
    assert event.properties["customer"] == {"id": 42, "email": "a@example.org"}


def test_a_whole_object_may_be_the_properties_and_nothing_else() -> None:
    text = '{"com.acme.OrderPlaced": {"kind": "Track", "name": {"literal": "n"}, "properties": "customer"}}'
    assert mapped(text).properties == {"id": 42, "email": "a@example.org"}


def test_one_path_may_be_used_twice() -> None:
    text = """{"com.acme.OrderPlaced": {"kind": "Identify", "user_id": "customer.email",
        "identities.email": "customer.email"}}"""
    event = mapped(text)
    assert isinstance(event, Identify)
    assert (event.user_id, event.identities) == ("a@example.org", {"email": "a@example.org"})
    assert event.traits["customer"] == {"id": 42}


def test_a_path_that_leads_nowhere_leaves_the_default() -> None:
    text = '{"com.acme.OrderPlaced": {"kind": "Track", "name": {"literal": "n"}, "user_id": "lines.id.more"}}'
    assert mapped(text).user_id is None


def test_a_required_field_without_a_value_is_undecodable() -> None:
    with pytest.raises(Undecodable) as caught:
        mapped('{"com.acme.OrderPlaced": {"kind": "Track", "name": "url"}}')
    assert (caught.value.reason, caught.value.detail) == ("bad_field", "name")


def test_an_alias_takes_no_rest() -> None:
    text = '{"com.acme.OrderPlaced": {"kind": "Alias", "previous_id": "customer.id", "user_id": "customer.email"}}'
    assert mapped(text) == Alias(previous_id=42, user_id="a@example.org")


def test_what_is_mapped_goes_before_what_is_ours() -> None:
    schema = {"type": "record", "name": "connector.events.Page", "fields": [{"name": "name", "type": "string"}]}
    text = '{"connector.events.Page": {"kind": "Track", "name": "name"}}'
    assert mapped(text, schema, {"name": "Home"}) == Track(name="Home")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a.B": {"kind": "Trak"}}', "a.B: kind must be one of"),
        ('{"a.B": {"name": "x"}}', "a.B: kind must be one of"),
        ('{"a.B": 7}', "a.B: an object of fields is needed."),
        ('{"a.B": {"kind": "Track", "name": "x", "nmae": "y"}}', "a.B: nmae is no field of Track."),
        ('{"a.B": {"kind": "Track", "name": "x", "context.page.ulr": "y"}}', "a.B: context.page.ulr is no field"),
        ('{"a.B": {"kind": "Track", "name": "x", "user_id.x": "y"}}', "a.B: user_id.x is no field of Track."),
        ('{"a.B": {"kind": "Track", "user_id": "x"}}', "a.B: name is missing, which every Track needs."),
        ('{"a.B": {"kind": "Track", "name": "Order Placed"}}', "a.B: name must be a dotted path"),
        ('{"a.B": {"kind": "Track", "name": {"literal": null}}}', "a.B: name must be a dotted path"),
        ('{"a.B": {"kind": "Track", "name": 7}}', "a.B: name must be a dotted path"),
        ("{", "neither JSON nor TOML"),
        ("kind = ", "neither JSON nor TOML"),
    ],
)
def test_a_map_that_is_wrong_says_where(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        parse_event_map(text)
