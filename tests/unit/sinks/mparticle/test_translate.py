"""mParticle's golden cases, and the rules that no single case shows."""

from typing import Any

import pytest

from connector.domain.events import Context, Device, Event, Identify, Product, ProductAction, Track
from connector.domain.events.commerce import Commerce
from connector.errors import Untranslatable
from connector.sinks.contract import Payload, Payloads, Scene, Sink
from connector.sinks.mparticle import create
from tests.unit.sinks.cases import NOW_MS, RECORD_ID, Case, assert_translated, cases_of

PAIR = {"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s"}
SINK = create(PAIR)
SCENE = Scene(now_ms=NOW_MS, record_id=RECORD_ID)


def payload_of(event: Event, sink: Sink = SINK) -> Payload:
    translation = sink.translate(event, SCENE)
    assert isinstance(translation, Payloads)
    (payload,) = translation.payloads
    return payload


def refusal_of(event: Event, sink: Sink = SINK) -> tuple[str, str]:
    with pytest.raises(Untranslatable) as refused:
        sink.translate(event, SCENE)
    return refused.value.reason, refused.value.detail


def track(**properties: Any) -> Track:
    return Track(name="E", properties=properties)


def on(platform: str) -> Track:
    return Track(name="E", context=Context(device=Device(platform=platform)))


@pytest.mark.parametrize("case", cases_of("mparticle"), ids=lambda case: case.name)
def test_a_case_is_translated_as_written(case: Case) -> None:
    assert_translated(SINK, case)


def test_the_records_id_stands_in_for_the_events_in_both_places() -> None:
    payload = payload_of(track())
    assert payload.id == RECORD_ID
    assert RECORD_ID.encode() in payload.body


def test_the_settings_spell_the_customer_id_and_name_environment_and_anonymous_identity() -> None:
    sink = create(
        {
            **PAIR,
            "MPARTICLE_CUSTOMER_ID_KEY": "customer_id",
            "MPARTICLE_ENVIRONMENT": "development",
            "MPARTICLE_ANONYMOUS_ID_AS": "other_id_2",
        }
    )
    payload = payload_of(Track(name="E", user_id="u1", anonymous_id="a1"), sink)
    assert payload.merge == b'{"environment":"development","user_identities":{"customer_id":"u1","other_id_2":"a1"}}'


@pytest.mark.parametrize("identity", ["customer_id", "customerid"])
def test_a_customer_id_among_the_identities_wins(identity: str) -> None:
    payload = payload_of(Track(name="E", user_id="u1", identities={identity: "c1"}))
    assert payload.merge == b'{"environment":"production","user_identities":{"customerid":"c1"}}'


def test_names_are_cut_at_256_characters_as_the_vendor_does() -> None:
    body = payload_of(Track(name="é" * 257, properties={"k" * 257: 1})).body.decode()
    assert f'"event_name":"{"é" * 256}"' in body
    assert f'"custom_attributes":{{"{"k" * 256}":1}}' in body


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (Track(name="E" * 257), "event_name"),
        (Track(name="E", properties={"k" * 257: 1}), "custom_attributes"),
        (Identify(traits={"k" * 257: 1}), "user_attributes"),
    ],
)
def test_long_names_are_refused_where_so_set(event: Event, field: str) -> None:
    sink = create({**PAIR, "MPARTICLE_LONG_NAMES": "dead_letter"})
    assert refusal_of(event, sink) == ("too_long", field)


def test_values_and_counts_at_the_vendors_limits_go_and_one_more_is_refused() -> None:
    payload_of(track(**{str(number): "v" * 4096 for number in range(2)}))
    assert refusal_of(track(a="v" * 4097)) == ("too_long", "custom_attributes")
    payload_of(track(**{str(number): number for number in range(100)}))
    assert refusal_of(track(**{str(number): number for number in range(101)})) == ("too_many", "custom_attributes")


@pytest.mark.parametrize(
    ("kept", "refused", "reason"),
    [
        ("v" * 4096, "v" * 4097, "too_long"),
        (["v"] * 1000, ["v"] * 1001, "too_many"),
        (["v" * 512], ["v" * 513], "too_long"),
        ([1, None, True], [["v"]], "not_scalar"),
    ],
)
def test_user_attributes_keep_to_the_vendors_limits(kept: Any, refused: Any, reason: str) -> None:
    payload_of(Identify(traits={"a": kept}))
    assert refusal_of(Identify(traits={"a": refused})) == (reason, "user_attributes")


def test_a_product_attribute_that_nests_is_refused() -> None:
    product = Product(id="p", attributes={"a": {"b": 1}})
    event = Commerce(product_action=ProductAction(action="click", products=(product,)))
    assert refusal_of(event) == ("not_scalar", "products.custom_attributes")


def test_another_vendors_category_is_an_attribute_where_so_set() -> None:
    sink = create({**PAIR, "MPARTICLE_OTHER_CATEGORIES": "other"})
    body = payload_of(Track(name="E", message_id="m1", category="Action Tracking"), sink).body
    assert b'"custom_attributes":{"category":"Action Tracking"},"custom_event_type":"other"' in body


@pytest.mark.parametrize(
    ("platform", "field"),
    [
        ("iOS", "ios_advertising_id"),
        ("android", "android_advertising_id"),
        ("roku", "roku_advertising_id"),
        ("fire_tv", "fire_advertising_id"),
    ],
)
def test_an_advertising_id_without_a_system_goes_by_the_platform(platform: str, field: str) -> None:
    device = Device(platform=platform, advertising_id="07d2ebaa-e956-407e-a1e6-f05f871bf4e2")
    head = payload_of(Track(name="E", context=Context(device=device))).merge
    assert f'"{field}":"07d2ebaa-e956-407e-a1e6-f05f871bf4e2"'.encode() in (head or b"")


def test_a_key_pair_is_chosen_by_the_platform_however_it_is_spelled() -> None:
    pairs = '{"iOS": {"key": "a", "secret": "b"}, "android": {"key": "c", "secret": "d"}}'
    sink = create({**PAIR, "MPARTICLE_KEY_PAIRS": pairs})
    groups = [payload_of(event, sink).group for event in (on("ios"), on("Android"), on("web"), track())]
    assert groups == ["iOS", "Android", "", ""]


def test_the_family_of_a_device_says_the_platform_where_nothing_else_does() -> None:
    sink = create({**PAIR, "MPARTICLE_KEY_PAIRS": '{"iOS": {"key": "a", "secret": "b"}}'})
    assert payload_of(Track(name="E", context=Context(device=Device(type="ios"))), sink).group == "iOS"
    assert payload_of(Track(name="E", context=Context(device=Device(type="Tablet"))), sink).group == ""


def test_events_of_one_user_have_equal_heads_and_those_of_two_do_not() -> None:
    one, same, other = (
        payload_of(Track(name=name, user_id=user)) for name, user in (("A", "1"), ("B", "1"), ("A", "2"))
    )
    assert one.merge == same.merge != other.merge
