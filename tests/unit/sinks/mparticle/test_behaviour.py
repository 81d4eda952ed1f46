"""What the SDK does of its own accord: for each of its captured reactions without a reply, what we do.

Source: mparticle Python SDK 0.16.1, driven against a local server.
"""

import pytest
from msgspec import json

from connector.domain.events import Event, Identify, Track
from connector.errors import Untranslatable
from connector.sinks.contract import Attempt, Item, Payloads, Scene
from connector.sinks.mparticle import create
from connector.sinks.mparticle.settings import MparticleSettings

PAIR = {"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s", "MPARTICLE_UPLOAD": "single"}
SINK = create(PAIR)
SCENE = Scene(now_ms=0, record_id="r")


def batch_of(event: Event) -> dict[str, object]:
    translation = SINK.translate(event, SCENE)
    assert isinstance(translation, Payloads)
    request = SINK.request(SINK.endpoints["events"], [Item(translation.payloads)], Attempt(1, 0))
    return json.decode(request.body, type=dict[str, object])


def test_events_through_constructor_are_checked_and_wrapped_here() -> None:
    with pytest.raises(Untranslatable):
        SINK.translate(Track(name="x", environment="nonsense"), SCENE)


def test_event_appended_to_list_is_wrapped_here() -> None:
    data = {"source_message_id": "r", "custom_event_type": "other", "event_name": "x"}
    assert batch_of(Track(name="x"))["events"] == [{"data": data, "event_type": "custom_event"}]


def test_empty_batch_and_empty_bulk_and_null_body_cannot_be_since_a_batch_has_an_environment() -> None:
    assert batch_of(Identify())["environment"] == "production"


def test_unknown_attribute_names_are_left_out() -> None:
    batch = batch_of(Identify(identities={"no such identity": "1", "email": "e"}))
    assert batch["user_identities"] == {"email": "e"}


def test_not_a_number_is_null() -> None:
    batch = batch_of(Identify(traits={"n": float("nan"), "i": float("inf")}))
    assert batch["user_attributes"] == {"n": None, "i": None}


def test_host_with_trailing_slash_has_one_slash() -> None:
    settings = MparticleSettings.load({**PAIR, "MPARTICLE_HOST": "http://127.0.0.1:1/"})
    assert settings.url == "http://127.0.0.1:1/v2"


def test_bulk_101_batches_are_two_requests() -> None:
    bulk = create({**PAIR, "MPARTICLE_UPLOAD": "bulk"}).endpoints["bulkevents"]
    assert bulk.limits.items == 100
