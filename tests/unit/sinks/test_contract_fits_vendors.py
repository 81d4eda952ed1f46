"""The sink contract carries all four vendors: one sketch each, wire bytes by hand from what each vendor takes."""

from collections.abc import Sequence

import msgspec
import pytest

from connector.domain.events import Commerce, Context, Device, Exposure, Product, ProductAction, Track
from connector.domain.exchange import HttpResponse
from connector.domain.outcome import Delivered, Rejected, Retryable
from connector.errors import FeedFailed
from connector.sinks.contract import Attempt, Endpoint, Hold, Item, Limits, Payload, Payloads, Scene, Sink, Translation
from tests.unit.sinks.sketches.flagship import BucketingFeed, File, FlagshipSketch
from tests.unit.sinks.sketches.mparticle import MparticleSketch, batch_id
from tests.unit.sinks.sketches.segment import SegmentSketch
from tests.unit.sinks.sketches.suprsend import SuprsendSketch, sign

SEGMENT = SegmentSketch("wk_test")
MPARTICLE = MparticleSketch({"ios": ("ios-key", "ios-secret"), "web": ("web-key", "web-secret")})
SUPRSEND = SuprsendSketch("wskey_AbCdEfGhIjKlMnOpQrSt", "wssecret_0123456789abcdefghijklmnop")
FLAGSHIP = FlagshipSketch("bkk4s7gcmjcg07fke9dg")
SKETCHES: tuple[Sink, ...] = (SEGMENT, MPARTICLE, SUPRSEND, FLAGSHIP)

EVENT_MS = 1_738_555_506_789  # 2025-02-03T04:05:06.789Z
SCENE = Scene(now_ms=EVENT_MS + 1_000, record_id="11111111-1111-5111-8111-111111111111")
BUCKETING = b"""{"campaigns": [{"variationGroups": [{"id": "bvg1",
  "targeting": {"targetingGroups": [{"targetings": [{"operator": "EQUALS", "key": "fs_all_users", "value": ""}]}]},
  "variations": [{"id": "bva0", "modifications": {"type": "JSON", "value": {"rank": null}}, "reference": true},
    {"id": "bva1", "modifications": {"type": "JSON", "value": {"rank": 1}}, "allocation": 50},
    {"id": "bva2", "modifications": {"type": "JSON", "value": {"rank": 2}}, "allocation": 50}]}]}]}"""


def payloads(translation: Translation) -> tuple[Payload, ...]:
    assert isinstance(translation, Payloads)
    return translation.payloads


def singles(members: Sequence[Payload]) -> tuple[Item, ...]:
    return tuple(Item((member,)) for member in members)


def declared_bytes(limits: Limits, items: Sequence[Item]) -> int:
    """What the contract's arithmetic says a request of these items weighs."""
    total = limits.request_overhead
    for item in items:
        total += limits.item_overhead + len(item.first.merge or b"")
        total += sum(len(member.body) + limits.member_overhead for member in item.members)
    return total


def assert_weighed(endpoint: Endpoint, items: Sequence[Item], body: bytes) -> None:
    assert len(body) <= declared_bytes(endpoint.limits, items)


def bucketing_scene() -> Scene:
    return Scene(
        now_ms=SCENE.now_ms, record_id=SCENE.record_id, feeds={"bucketing": msgspec.json.decode(BUCKETING, type=File)}
    )


def test_a_segment_track_and_its_retry_differ_by_sent_at_and_count_alone() -> None:
    event = Track(
        name="Item Bought", message_id="m1", timestamp_ms=EVENT_MS, user_id="u1", properties={"sku": "A1", "note": None}
    )
    items = singles(payloads(SEGMENT.translate(event, SCENE)))
    endpoint = SEGMENT.endpoints["batch"]
    message = (
        b'{"integrations":{},"anonymousId":null,"properties":{"sku":"A1","note":null},'
        b'"timestamp":"2025-02-03T04:05:06.789+00:00","context":{"library":{"name":"sketch","version":"1"}},'
        b'"userId":"u1","type":"track","event":"Item Bought","messageId":"m1"}'
    )
    first = SEGMENT.request(endpoint, items, Attempt(1, 1_741_064_767_891))
    again = SEGMENT.request(endpoint, items, Attempt(2, 1_741_064_768_891))
    assert first.body == b'{"batch":[' + message + b'],"sentAt":"2025-03-04T05:06:07.891+00:00","writeKey":"wk_test"}'
    assert again.body == b'{"batch":[' + message + b'],"sentAt":"2025-03-04T05:06:08.891+00:00","writeKey":"wk_test"}'
    assert first.headers == {"Content-Type": "application/json", "Authorization": "Basic d2tfdGVzdDo="}
    assert again.headers["X-Retry-Count"] == "1"
    assert_weighed(endpoint, items, first.body)


def mparticle_event(name: str, platform: str) -> Track:
    return Track(
        name=name,
        message_id=f"id-{name}",
        timestamp_ms=1_700_000_000_000,
        user_id="123456",
        environment="development",
        context=Context(device=Device(platform=platform)),
    )


def test_two_mparticle_events_of_one_user_travel_as_one_batch() -> None:
    members = [payloads(MPARTICLE.translate(mparticle_event(name, "ios"), SCENE))[0] for name in ("A", "B")]
    assert members[0].merge == members[1].merge
    item = Item(tuple(members))
    endpoint = MPARTICLE.endpoints["bulkevents"]
    request = MPARTICLE.request(endpoint, [item], Attempt(1, EVENT_MS))
    assert request.body == (
        b'[{"events":[{"data":{"timestamp_unixtime_ms":1700000000000,"source_message_id":"id-A","custom_attributes":{},'
        b'"custom_event_type":"other","event_name":"A"},"event_type":"custom_event"},'
        b'{"data":{"timestamp_unixtime_ms":1700000000000,"source_message_id":"id-B","custom_attributes":{},'
        b'"custom_event_type":"other","event_name":"B"},"event_type":"custom_event"}],'
        b'"source_request_id":"' + batch_id(item).encode() + b'",'
        b'"environment":"development","user_identities":{"customerid":"123456"}}]'
    )
    assert_weighed(endpoint, [item], request.body)
    assert batch_id(item) != batch_id(Item((members[0],)))
    assert MPARTICLE.request(endpoint, [item], Attempt(2, EVENT_MS + 9)).body == request.body


def test_two_mparticle_key_pairs_are_two_groups_and_name_no_secret() -> None:
    (ios,) = payloads(MPARTICLE.translate(mparticle_event("A", "ios"), SCENE))
    (web,) = payloads(MPARTICLE.translate(mparticle_event("A", "web"), SCENE))
    assert (ios.group, web.group) == ("ios", "web")
    endpoint = MPARTICLE.endpoints["bulkevents"]
    sent = [MPARTICLE.request(endpoint, singles([payload]), Attempt(1, EVENT_MS)) for payload in (ios, web)]
    # base64 of ios-key:ios-secret and web-key:web-secret
    assert sent[0].headers["Authorization"] == "Basic aW9zLWtleTppb3Mtc2VjcmV0"
    assert sent[1].headers["Authorization"] == "Basic d2ViLWtleTp3ZWItc2VjcmV0"


def test_the_suprsend_signature_is_that_of_the_official_sdk() -> None:
    body = (
        b'{"$insert_id": "00000000-0000-4000-8000-000000000001", "$time": 1735689600250, "event": "product_purchased", '
        b'"env": "wskey_AbCdEfGhIjKlMnOpQrSt", "distinct_id": "u1", "properties": {"amount": 10, "currency": "INR", '
        b'"$ss_sdk_version": "suprsend-py-sdk/0.20.0 (python/3.11.7; linux)"}}'
    )
    signed = sign(SUPRSEND.secret, "POST", body, "Wed, 01 Jan 2025 00:00:00 GMT", "/v2/event/")
    assert signed == "U/t4qAudpxR7cDc5qUqHdaxZFzoSfjdR+2AfHY3KR5E="


def test_suprsend_signs_the_exact_bytes_of_each_attempt() -> None:
    event = Track(name="ev_name", message_id="m1", timestamp_ms=1_735_689_600_250, user_id="u1")
    items = singles(payloads(SUPRSEND.translate(event, SCENE)))
    endpoint = SUPRSEND.endpoints["events"]
    first = SUPRSEND.request(endpoint, items, Attempt(1, 1_735_689_600_250))
    later = SUPRSEND.request(endpoint, items, Attempt(2, 1_735_689_602_250))
    assert first.body == later.body
    assert first.headers["Date"] == "Wed, 01 Jan 2025 00:00:00 GMT"
    for request, date in ((first, "Wed, 01 Jan 2025 00:00:00 GMT"), (later, "Wed, 01 Jan 2025 00:00:02 GMT")):
        signed = sign(SUPRSEND.secret, "POST", request.body, date, "/v2/bulk/event/")
        assert request.headers["Authorization"] == f"wskey_AbCdEfGhIjKlMnOpQrSt:{signed}"
    assert_weighed(endpoint, items, first.body)


def test_a_half_failed_suprsend_reply_is_read_by_index() -> None:
    events = [Track(name="ev_name", message_id=f"m{n}", user_id=f"u{n}") for n in range(4)]
    items = singles([payloads(SUPRSEND.translate(event, SCENE))[0] for event in events])
    reply = HttpResponse(
        207,
        body=b'{"records": [{"status": "success", "status_code": 202, "message_id": "m0"},'
        b' {"status": "error", "status_code": 400, "error": {"message": "bad", "type": "x"}},'
        b' {"status": "error", "status_code": 503, "error": {"message": "later"}},'
        b' {"status": "success", "status_code": 202, "message_id": "m3"}], "status": "success"}',
    )
    endpoint = SUPRSEND.endpoints["events"]
    assert endpoint.itemised
    assert SUPRSEND.read(endpoint, items, reply, Attempt(1, EVENT_MS)) == [
        Delivered(),
        Rejected("record_refused", "400"),
        Retryable("record_unavailable"),
        Delivered(),
    ]


def test_a_suprsend_reply_of_another_shape_leaves_the_whole_batch_ambiguous() -> None:
    items = singles([payloads(SUPRSEND.translate(Track(name="ev_name", user_id="u1"), SCENE))[0]])
    endpoint = SUPRSEND.endpoints["events"]
    for body in (b"OK", b"", b'{"records": []}', b"\xff"):
        outcomes = SUPRSEND.read(endpoint, items, HttpResponse(202, body=body), Attempt(1, EVENT_MS))
        assert outcomes == [Retryable("unreadable_reply", ambiguous=True)]


def test_a_flagship_exposure_is_decided_by_the_file_and_queued_250_ms() -> None:
    # murmur3 of bvg1user_#1234 is 616175217, so bucket 17: the first half.
    event = Exposure(flag="rank", message_id="m1", timestamp_ms=EVENT_MS, user_id="user_#1234")
    items = singles(payloads(FLAGSHIP.translate(event, bucketing_scene())))
    endpoint = FLAGSHIP.endpoints["activate"]
    request = FLAGSHIP.request(endpoint, items, Attempt(1, EVENT_MS + 250))
    assert request.url == "https://decision.flagship.io/v2/activate"
    assert request.body == (
        b'{"cid":"bkk4s7gcmjcg07fke9dg","batch":[{"caid":"bvg1","vaid":"bva1","vid":"user_#1234","aid":null,"qt":250}]}'
    )
    assert_weighed(endpoint, items, request.body)


def test_a_flagship_transaction_goes_before_its_items_with_roles_and_queue_times() -> None:
    event = Commerce(
        product_action=ProductAction(
            action="purchase",
            order_id="#309830",
            affiliation="purchases",
            total=420.0,
            products=(Product(name="ATX2080", sku="cg_atx_20802020", price=210.0, quantity=2),),
        ),
        currency="EUR",
        message_id="m1",
        timestamp_ms=EVENT_MS,
        user_id="user_#1234",
    )
    hits = payloads(FLAGSHIP.translate(event, bucketing_scene()))
    assert [hit.role for hit in hits] == ["transaction", "item:0"]
    assert len({hit.id for hit in hits}) == 2
    assert {hit.not_after_ms for hit in hits} == {EVENT_MS + 4 * 3_600_000}
    assert not any(hit.replay_safe for hit in hits)
    endpoint = FLAGSHIP.endpoints["hits"]
    request = FLAGSHIP.request(endpoint, singles(hits), Attempt(1, EVENT_MS + 1_649))
    assert request.body == (
        b'{"cid":"bkk4s7gcmjcg07fke9dg","t":"BATCH","ds":"APP","h":['
        b'{"t":"TRANSACTION","ds":"APP","tid":"#309830","ta":"purchases","tc":"EUR","tr":420.0,'
        b'"vid":"user_#1234","cuid":null,"qt":1649},'
        b'{"t":"ITEM","ds":"APP","tid":"#309830","in":"ATX2080","ic":"cg_atx_20802020","iq":2,"ip":210.0,'
        b'"vid":"user_#1234","cuid":null,"qt":1649}]}'
    )
    assert_weighed(endpoint, singles(hits), request.body)


def test_flagship_holds_while_the_file_says_panic_or_is_not_there() -> None:
    event = Exposure(flag="rank", user_id="user_#1234")
    panic = Scene(now_ms=SCENE.now_ms, record_id=SCENE.record_id, feeds={"bucketing": File(panic=True)})
    assert FLAGSHIP.translate(event, panic) == Hold("bucketing")
    assert FLAGSHIP.translate(event, SCENE) == Hold("bucketing")


def test_the_flagship_file_is_asked_for_by_its_date_and_kept_on_304() -> None:
    feed = BucketingFeed("bkk4s7gcmjcg07fke9dg")
    date = "Fri, 05 Jun 2020 12:20:40 GMT"
    first = feed.read(HttpResponse(200, {"last-modified": date}, BUCKETING), None, EVENT_MS)
    request = feed.request(first, EVENT_MS, b"")
    assert request.url == "https://cdn.flagship.io/bkk4s7gcmjcg07fke9dg/bucketing.json"
    assert request.headers == {"If-Modified-Since": date}
    assert feed.read(HttpResponse(304), first, EVENT_MS).value is first.value
    with pytest.raises(FeedFailed):
        feed.read(HttpResponse(200, body=BUCKETING), first, EVENT_MS)


@pytest.mark.parametrize("sketch", SKETCHES, ids=lambda sketch: sketch.name)
def test_a_sketch_gives_one_outcome_per_item_for_any_status(sketch: Sink) -> None:
    items = singles([Payload("any", b"{}", str(number)) for number in range(3)])
    for endpoint in sketch.endpoints.values():
        for status in range(200, 600):
            verdict = sketch.read(endpoint, items, HttpResponse(status), Attempt(1, EVENT_MS))
            assert not isinstance(verdict, Sequence) or len(verdict) == len(items)
