"""What a sink would make of one event: the stages' own verdicts, and the requests in which it would travel alone."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from connector.domain.events import Event, Track
from connector.domain.record import Partition, Record
from connector.errors import Untranslatable
from connector.pipeline.options import Options, RouteOptions
from connector.pipeline.preview import Moment, Preview, preview
from connector.sinks.contract import (
    Endpoint,
    Hold,
    Limits,
    Lookup,
    Need,
    Payload,
    Payloads,
    Scene,
    Skip,
    StoredLookup,
    Translation,
)
from tests.unit.pipeline.making import PlainSink, Profile

RECORD = Record(Partition("events", 3), 17, 5, b"k", b"v")
MOMENT = Moment("cluster", {"rules": "v1"}, 1_000, b"n" * 16)
EVERYTHING = RouteOptions()
LIMITS = Limits(items=2, request_bytes=100, item_bytes=50)


def payload(endpoint: str, role: str, size: int = 1) -> Payload:
    return Payload(endpoint, role.encode() * size, "id", role=role)


ENDPOINTS = {name: Endpoint(name, LIMITS) for name in ("a", "b")}


class Sketch:
    """Makes what it is told to; `asks` are needs, each known only after the one before it."""

    def __init__(
        self,
        made: Translation | Untranslatable,
        asks: Sequence[str] = (),
        lookups: Sequence[Lookup | StoredLookup] = (),
    ) -> None:
        self.plain = PlainSink(ENDPOINTS, name="sketch", lookups=lookups)
        self.made = made
        self.asks = asks
        self.scene = Scene(0, "")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.plain, name)

    def needs(self, event: Event, scene: Scene) -> tuple[Need, ...]:
        return tuple(Need(name, "u") for name in self.asks[: len(scene.facts) + 1])

    def translate(self, event: Event, scene: Scene) -> Translation:
        self.scene = scene
        if isinstance(self.made, Untranslatable):
            raise self.made
        return self.made


def seen(sink: Sketch, route: RouteOptions = EVERYTHING, **event: object) -> Preview:
    options = Options("letters", lanes=4, route=route)
    return preview(sink, options, RECORD, msgspec.convert({"name": "n", **event}, Track), MOMENT)


def test_payloads_travel_in_requests_of_their_endpoint_within_its_limits() -> None:
    made = seen(Sketch(Payloads((payload("a", "1"), payload("a", "2"), payload("a", "3"), payload("b", "4")))))
    assert [(one.url, one.body) for one in made.requests] == [
        ("https://vendor.example/a", b"1,2"),
        ("https://vendor.example/a", b"3"),
        ("https://vendor.example/b", b"4"),
    ]
    assert (made.key, len(made.payloads), made.skipped, made.refused) == (b"k", 4, "", "")


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Skip("kind"), "kind"),
        (Hold("rules"), "rules"),
        (Untranslatable("no_user", "user_id"), "no_user: user_id"),
        (Payloads((payload("a", "1"), payload("b", "2", size=51))), "too_large: b"),
    ],
)
def test_what_is_not_sent_says_why(made: Translation | Untranslatable, told: str) -> None:
    shown = seen(Sketch(made))
    assert told in (shown.skipped, shown.waits_for, shown.refused)
    assert shown.requests == ()


def test_what_the_route_keeps_away_is_not_translated() -> None:
    assert seen(Sketch(Skip("kind")), sinks={"sketch": False}).skipped == "opted_out"
    assert seen(Sketch(Skip("kind")), RouteOptions(deny=("n",))).skipped == "filtered"


def test_stores_are_named_and_taken_for_empty() -> None:
    stores = [StoredLookup(name, "memory:", "wait") for name in ("visitor", "device")]
    sink = Sketch(Skip("kind"), asks=("visitor", "device"), lookups=stores)
    assert seen(sink).unasked == ("device", "visitor")
    assert sink.scene.facts == {Need("visitor", "u"): None, Need("device", "u"): None}
    assert sink.scene.feeds == {"rules": "v1"}


def test_what_must_be_asked_first_shows_its_question_and_nothing_else() -> None:
    kept = StoredLookup("visitor", "memory:", "wait")
    sink = Sketch(Payloads((payload("a", "1"),)), asks=("visitor", "profile"), lookups=[kept, Profile()])
    shown = seen(sink)
    assert (shown.asks, shown.unasked, shown.payloads) == ("profile", ("visitor",), ())
    assert [(one.url, one.body) for one in shown.requests] == [("https://vendor.example/profile", b"u")]
    assert (shown.skipped, shown.waits_for, shown.refused) == ("", "", "")
