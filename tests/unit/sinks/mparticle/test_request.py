"""One attempt of a request, byte for byte."""

from uuid import UUID

import pytest

from connector import __version__
from connector.sinks.contract import Attempt, Item, Payload, Sink
from connector.sinks.mparticle import create
from connector.sinks.mparticle.request import request_id

PAIR = {"MPARTICLE_KEY": "example-api-key", "MPARTICLE_SECRET": "example-api-secret"}
SINK = create(PAIR)
BULK = SINK.endpoints["bulkevents"]
HEAD = b'{"environment":"production","user_identities":{"customerid":"u1"}}'
TAIL = b'"environment":"production","user_identities":{"customerid":"u1"}}'


def item(*ids: str, body: bytes = b'{"data":{},"event_type":"first_run"}', group: str = "") -> Item:
    return Item(tuple(Payload("bulkevents", body, ident, group, merge=HEAD) for ident in ids))


def body_of(*items: Item, sink: Sink = SINK) -> bytes:
    (endpoint,) = sink.endpoints.values()
    return sink.request(endpoint, items, Attempt(1, 0)).body


def test_a_request_is_an_array_of_batches_each_with_its_events_its_id_and_its_head() -> None:
    merged, alone = item("a", "b"), item("c")
    first, second = (request_id(one).encode() for one in (merged, alone))
    event = b'{"data":{},"event_type":"first_run"}'
    assert body_of(merged, alone) == (
        b'[{"events":[' + event + b"," + event + b'],"source_request_id":"' + first + b'",' + TAIL + b","
        b'{"events":[' + event + b'],"source_request_id":"' + second + b'",' + TAIL + b"]"
    )


def test_a_batch_about_a_profile_alone_names_no_events() -> None:
    lone = item("a", body=b"")
    assert body_of(lone) == b'[{"source_request_id":"' + request_id(lone).encode() + b'",' + TAIL + b"]"


def test_the_single_endpoint_takes_one_bare_batch() -> None:
    sink = create({**PAIR, "MPARTICLE_UPLOAD": "single"})
    assert (list(sink.endpoints), sink.endpoints["events"].limits.items) == (["events"], 1)
    assert (
        sink.request(sink.endpoints["events"], [item("a")], Attempt(1, 0)).url == "https://s2s.mparticle.com/v2/events"
    )
    assert body_of(item("a"), sink=sink) == body_of(item("a"))[1:-1]


def test_the_headers_are_those_of_the_official_sdk_but_for_our_name() -> None:
    request = SINK.request(BULK, [item("a")], Attempt(1, 0))
    assert (request.method, request.url) == ("POST", "https://s2s.mparticle.com/v2/bulkevents")
    assert request.headers == {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": f"kafka-vendor-connector/{__version__}",
        # as captured
        "Authorization": "Basic ZXhhbXBsZS1hcGkta2V5OmV4YW1wbGUtYXBpLXNlY3JldA==",
    }


def test_each_group_goes_by_its_own_pair() -> None:
    sink = create({**PAIR, "MPARTICLE_KEY_PAIRS": '{"iOS": {"key": "ключ", "secret": "b"}}'})
    (bulk,) = sink.endpoints.values()
    sent = [
        sink.request(bulk, [item("a", group=group)], Attempt(1, 0)).headers["Authorization"] for group in ("iOS", "")
    ]
    # base64 of the UTF-8 bytes of ключ:b
    assert sent == ["Basic 0LrQu9GO0Yc6Yg==", "Basic ZXhhbXBsZS1hcGkta2V5OmV4YW1wbGUtYXBpLXNlY3JldA=="]


def test_what_waits_for_a_pair_that_was_taken_out_goes_by_the_pair_of_the_others() -> None:
    (bulk,) = SINK.endpoints.values()
    gone = SINK.request(bulk, [item("a", group="iOS")], Attempt(1, 0))
    assert gone == SINK.request(bulk, [item("a")], Attempt(1, 0))


def test_all_attempts_are_alike() -> None:
    requests = [SINK.request(BULK, [item("a", "b")], Attempt(number, number * 1_000)) for number in (1, 2, 9)]
    assert requests[0] == requests[1] == requests[2]


@pytest.mark.parametrize("other", [("a",), ("b", "a"), ("a", "b", "c"), ("a/b",), ('a","b',)])
def test_a_batch_of_other_members_has_another_id(other: tuple[str, ...]) -> None:
    assert UUID(request_id(item("a", "b"))).version == 5
    assert request_id(item(*other)) != request_id(item("a", "b"))


def test_the_limits_are_the_vendors() -> None:
    limits = BULK.limits
    # 11 bytes of {"events":[ , 23 of ],"source_request_id":" , 36 of the id and 1 of "
    around = 11 + 23 + 36 + 1
    assert (limits.items, limits.item_bytes, limits.request_bytes) == (100, 128_000 - around, 255_999)
    assert (BULK.rate_per_s, BULK.cost, BULK.itemised) == (270.0, "item", False)


def test_the_declared_overheads_are_exact_but_for_the_last_commas() -> None:
    limits, members = BULK.limits, item("a", "b")
    body = len(members.first.body)
    declared = limits.request_overhead + 2 * (limits.item_overhead + len(HEAD) + 2 * (body + limits.member_overhead))
    # Of each batch's two events and of the two batches, the last has no comma after it; the array's end takes one.
    assert len(body_of(members, members)) == declared - 2


def test_a_sink_that_does_not_merge_puts_one_record_into_a_batch() -> None:
    (bulk,) = create({**PAIR, "MPARTICLE_MERGE": "off"}).endpoints.values()
    assert (BULK.limits.members, bulk.limits.members) == (1_000, 1)
