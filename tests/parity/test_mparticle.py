"""What mParticle's SDK refuses and its vendor's schema, or the way of Avro, allows; and what no capture shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from connector.domain.events import Context, Device, Event, Track
from connector.domain.exchange import HttpResponse
from tests.parity.capture import Capture, Observed, Scenario
from tests.parity.mparticle import BEGAN_MS, VENDOR
from tests.parity.play import play
from tests.parity.report import out_of_scope

FILE = Path(__file__).parent / "captures" / "mparticle.json"
REFUSED_BY_SDK = [
    capture
    for capture in VENDOR.captures(msgspec.json.decode(FILE.read_bytes()))
    if capture.subject.group == "refused" and out_of_scope(VENDOR, capture) is not None
]


@pytest.mark.parametrize("capture", REFUSED_BY_SDK, ids=lambda capture: capture.name)
def test_what_only_the_sdk_refuses_is_delivered(capture: Capture) -> None:
    assert play(VENDOR.name, VENDOR.scenario(capture.subject)).ends == {"delivered": 1}


def test_the_table_of_refusals_and_reactions_is_whole() -> None:
    captures = VENDOR.captures(msgspec.json.decode(FILE.read_bytes()))
    groups = [capture.subject.group for capture in captures]
    assert [groups.count(group) for group in ("captured", "refused", "reaction")] == [40, 39, 36]
    assert len(REFUSED_BY_SDK) == 9


PAIRS = '{"iOS": {"key": "a", "secret": "b"}}'


def played(inputs: Sequence[Event], statuses: Sequence[int] = (), **more: str) -> Observed:
    """Play events against a vendor that answers by these, then takes everything."""
    replies = [HttpResponse(status) for status in statuses]
    environ: Mapping[str, str] = {"MPARTICLE_KEY": "k", "MPARTICLE_SECRET": "s", **more}
    answer = lambda request: replies.pop(0) if replies else HttpResponse(202)  # noqa: E731
    return play("mparticle", Scenario(environ, inputs, answer, BEGAN_MS))


def pressed(user: str = "u1", platform: str | None = None, at_ms: int = BEGAN_MS) -> Track:
    device = Device(platform=platform)
    return Track(name="Pressed", user_id=user, timestamp_ms=at_ms, context=Context(device=device))


def test_consecutive_events_of_a_user_are_one_batch_and_a_retry_is_the_same_batch() -> None:
    seen = played([pressed(), pressed(), pressed("u2"), pressed()], [503, 429, 202])
    assert [[len(batch["events"]) for batch in sent.wire.body] for sent in seen.sent] == [[2, 1, 1]] * 3
    assert seen.sent[0].wire == seen.sent[1].wire == seen.sent[2].wire
    assert seen.ends == {"delivered": 4}


def test_without_merging_every_record_is_a_batch() -> None:
    (sent,) = played([pressed(), pressed()], MPARTICLE_MERGE="off").sent
    assert [len(batch["events"]) for batch in sent.wire.body] == [1, 1]


def test_no_request_mixes_the_keys_of_two_apps() -> None:
    events = [pressed(platform=platform) for platform in ("iOS", "web", "iOS", "web")]
    seen = played(events, MPARTICLE_KEY_PAIRS=PAIRS)
    # base64 of a:b and k:s
    keys = {sent.wire.headers["authorization"]: sent for sent in seen.sent}
    assert keys.keys() == {"Basic YTpi", "Basic azpz"}
    for key, platform in (("Basic YTpi", "iOS"), ("Basic azpz", "web")):
        assert {batch["device_info"]["platform"] for batch in keys[key].wire.body} == {platform}
    assert seen.ends == {"delivered": 4}


def test_an_event_older_than_thirty_days_is_a_letter_and_its_neighbour_is_not() -> None:
    old = pressed(at_ms=BEGAN_MS - 30 * 24 * 3600 * 1000 - 1)
    seen = played([old, pressed()])
    assert seen.ends == {"dead_lettered": 1, "delivered": 1}
    assert [len(batch["events"]) for sent in seen.sent for batch in sent.wire.body] == [1]


def test_an_event_that_breaks_the_schema_is_a_letter_and_its_neighbour_is_not() -> None:
    seen = played([Track(name="E", environment="staging"), pressed()])
    assert seen.ends == {"dead_lettered": 1, "delivered": 1}
