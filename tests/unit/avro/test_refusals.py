"""What a producer may not write: the dead letter names the field."""

import itertools
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import fields

from connector.domain import events
from connector.errors import Undecodable
from tests.unit.pipeline.avro_values import decoded

UNKNOWN_WORDS: dict[tuple[str, str], tuple[str, dict[str, Any], str]] = {
    ("ProductAction", "action"): ("Commerce", {"product_action": {"action": "steal"}}, "product_action.action"),
    ("PromotionAction", "action"): ("Commerce", {"promotion_action": {"action": "skip"}}, "promotion_action.action"),
    ("AppState", "transition"): ("AppState", {"transition": "explode"}, "transition"),
    ("Operation", "op"): ("ProfileEdit", {"operations": [{"op": "divide"}]}, "operations[0].op"),
    ("Operation", "channel"): (
        "ProfileEdit",
        {"operations": [{"op": "add_channel", "channel": "pigeon"}]},
        "operations[0].channel",
    ),
    ("ProfileChange", "change"): ("ProfileChange", {"change": "elope"}, "change"),
    ("PushMessage", "step"): ("PushMessage", {"step": "lost"}, "step"),
    ("PushMessage", "app_state"): ("PushMessage", {"step": "sent", "app_state": "asleep"}, "app_state"),
    ("PushRegistration", "platform"): ("PushRegistration", {"token": "t", "platform": "fax"}, "platform"),
}
MISSING: dict[tuple[str, str], tuple[str, dict[str, Any], str]] = {
    ("Track", "name"): ("Track", {}, "name"),
    ("Group", "group_id"): ("Group", {}, "group_id"),
    ("Alias", "previous_id"): ("Alias", {}, "previous_id"),
    ("AppState", "transition"): ("AppState", {"upgrade": True}, "transition"),
    ("Breadcrumb", "label"): ("Breadcrumb", {"session_number": 1}, "label"),
    ("Consent", "granted"): ("ConsentChange", {"consent": {"ads": {"document": "v3"}}}, "consent[...].granted"),
    ("NetworkPerformance", "url"): ("NetworkPerformance", {"verb": "GET"}, "url"),
    ("OptOut", "opted_out"): ("OptOut", {}, "opted_out"),
    ("Operation", "op"): ("ProfileEdit", {"operations": [{"value": "en"}]}, "operations[0].op"),
    ("ProductAction", "action"): ("Commerce", {"product_action": {"order_id": "T-1"}}, "product_action.action"),
    ("ProfileChange", "change"): ("ProfileChange", {"name": "n"}, "change"),
    ("PromotionAction", "action"): (
        "Commerce",
        {"promotion_action": {"promotions": [{"id": "p"}]}},
        "promotion_action.action",
    ),
    ("PushMessage", "step"): ("PushMessage", {"token": "t"}, "step"),
    ("PushRegistration", "token"): ("PushRegistration", {"register": True}, "token"),
    ("PushToken", "token"): (
        "Workflow",
        {"recipients": [{"iospush": [{"provider": "apns"}]}]},
        "recipients[0].iospush[0].token",
    ),
    ("TrackingLog", "name"): ("TrackingLog", {}, "name"),
    ("UserAttributeChange", "name"): ("UserAttributeChange", {"new": "gold"}, "name"),
}
STRUCTS = [getattr(events, name) for name in events.__all__ if name not in {"KINDS", "Event"}]


def plain(value: Any, number: Iterator[int]) -> Any:
    """The schema a producer who knows none of ours might write a value with."""
    if isinstance(value, dict):
        content = [{"name": name, "type": plain(part, number)} for name, part in value.items()]
        return {"type": "record", "name": f"Own{next(number)}", "fields": content}
    if isinstance(value, list):
        return {"type": "array", "items": plain(value[0], number)}
    return {str: "string", bool: "boolean", int: "long", float: "double", bytes: "bytes"}[type(value)]


def refused(kind: str, value: dict[str, Any]) -> tuple[str, str]:
    schema = {**plain(value, itertools.count()), "name": f"connector.events.{kind}"}
    with pytest.raises(Undecodable) as caught:
        decoded(schema, value)
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize(("kind", "value", "field"), UNKNOWN_WORDS.values())
def test_a_word_that_is_none_of_ours_is_refused(kind: str, value: dict[str, Any], field: str) -> None:
    assert refused(kind, value) == ("bad_field", field)


def test_every_field_of_words_is_tried() -> None:
    of_words = {
        (struct.__name__, name)
        for struct in STRUCTS
        for name, hint in typing.get_type_hints(struct).items()
        if any(typing.get_origin(option) is typing.Literal for option in (hint, *typing.get_args(hint)))
    }
    assert set(UNKNOWN_WORDS) == of_words


@pytest.mark.parametrize(("kind", "value", "field"), MISSING.values())
def test_a_field_that_must_be_there_is_missed(kind: str, value: dict[str, Any], field: str) -> None:
    assert refused(kind, value) == ("bad_field", field)


def test_every_field_that_must_be_there_is_tried() -> None:
    required = {(struct.__name__, field.name) for struct in STRUCTS for field in fields(struct) if field.required}
    assert set(MISSING) == required


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        ("Track", {"name": "n", "attachments": [{"data": "not base64"}]}, "attachments[0].data"),
        ("Crash", {"image_size": "many"}, "image_size"),
        ("Crash", {"image_size": "18446744073709551616"}, "image_size"),
        ("SessionEnd", {"duration_ms": True}, "duration_ms"),
        ("SessionEnd", {"timestamp": "yesterday"}, "timestamp_ms"),
        ("Commerce", {"cart": {"products": [{"added_to_cart": "today"}]}}, "cart.products[0].added_to_cart_ms"),
        ("Workflow", {"recipients": [True]}, "recipients[0]"),
        ("Workflow", {"delay": False}, "delay"),
        ("Commerce", {"impressions": [{"products": [{"price": "9.99"}]}]}, "impressions[0].products[0].price"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: dict[str, Any], field: str) -> None:
    assert refused(kind, value) == ("bad_field", field)


def test_a_symbol_of_a_producers_own_enum_is_held_against_ours() -> None:
    own = {"type": "enum", "name": "Own", "symbols": ["login", "elope"]}
    schema = {
        "type": "record",
        "name": "connector.events.ProfileChange",
        "fields": [{"name": "change", "type": own}],
    }
    assert decoded(schema, {"change": "login"}) == events.ProfileChange(change="login")
    with pytest.raises(Undecodable) as caught:
        decoded(schema, {"change": "elope"})
    assert (caught.value.reason, caught.value.detail) == ("bad_field", "change")


def test_ids_may_be_numbers_and_content_base64_text() -> None:
    value = {"recipients": [7], "actor": 9, "attachments": [{"data": "aGk="}]}
    schema = {**plain(value, itertools.count()), "name": "connector.events.Workflow"}
    assert decoded(schema, value) == events.Workflow(
        recipients=("7",), actor="9", attachments=(events.Attachment(data=b"hi"),)
    )
