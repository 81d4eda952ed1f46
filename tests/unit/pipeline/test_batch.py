"""Sizes of batches and what joins them."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.pipeline.batch import Filling, too_large
from connector.sinks.contract import Limits, Payload
from tests.unit.pipeline.making import EVENT, delivery

TIGHT = Limits(
    items=3,
    request_bytes=100,
    item_bytes=40,
    members=2,
    request_overhead=10,
    item_overhead=5,
    member_overhead=2,
)
ENDPOINT = replace(EVENT, limits=TIGHT)


def test_the_size_of_a_request_counts_envelope_items_members_and_heads() -> None:
    filling = Filling(delivery(merge=b"head", body=b"12345"), ENDPOINT, 100)
    assert filling.add(delivery(merge=b"head", body=b"67"))
    assert filling.add(delivery(b"other", body=b"8"))
    batch = filling.batch("time")
    assert batch.size == 10 + (5 + 4 + 5 + 2 + 2 + 2) + (5 + 1 + 2)
    assert [len(item.members) for item in batch.items()] == [2, 1]


def test_a_payload_is_too_large_when_no_request_may_carry_it_alone() -> None:
    assert not too_large(Payload("event", b"x" * 38, "id"), TIGHT)
    assert too_large(Payload("event", b"x" * 39, "id"), TIGHT)
    assert too_large(Payload("event", b"x" * 38, "id", merge=b"h"), TIGHT)
    narrow = replace(TIGHT, item_bytes=1000)
    assert not too_large(Payload("event", b"x" * 83, "id"), narrow)
    assert too_large(Payload("event", b"x" * 84, "id"), narrow)


def test_the_first_payload_fits_whatever_was_learnt() -> None:
    filling = Filling(delivery(body=b"x" * 30), ENDPOINT, 20)
    assert not filling.add(delivery(b"other", body=b""))
    assert filling.batch("time").trigger == "bytes"


def test_members_join_up_to_their_number_and_bytes() -> None:
    filling = Filling(delivery(merge=b"h", body=b"1"), ENDPOINT, 100)
    for body in (b"2", b"3"):
        assert filling.add(delivery(merge=b"h", body=body))
    assert [len(bundle) for bundle in filling.bundles] == [2, 1]
    wide = Filling(delivery(merge=b"h", body=b"1" * 20), ENDPOINT, 100)
    assert wide.add(delivery(merge=b"h", body=b"2" * 20))
    assert [len(bundle) for bundle in wide.bundles] == [1, 1]


def test_unequal_heads_do_not_merge_and_neither_do_keys() -> None:
    filling = Filling(delivery(b"a", merge=b"h"), ENDPOINT, 100)
    assert filling.add(delivery(b"a", merge=b"g"))
    assert filling.add(delivery(b"b", merge=b"h"))
    assert [len(bundle) for bundle in filling.bundles] == [1, 1, 1]


def test_a_batch_is_of_one_endpoint_one_group_and_where_itemised_of_distinct_keys() -> None:
    filling = Filling(delivery(group="g"), replace(ENDPOINT, itemised=True), 100)
    assert not filling.accepts(delivery(b"b", group="other"))
    assert not filling.accepts(delivery(b"b", group="g", endpoint="user"))
    assert not filling.accepts(delivery(group="g"))
    assert filling.accepts(delivery(b"b", group="g"))
    assert filling.accepts(delivery(None, group="g"))


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", None]), st.integers(0, 30), st.booleans()), min_size=1))
def test_a_filling_keeps_count_of_its_own_size(wanted: list[tuple[bytes | None, int, bool]]) -> None:
    made = [delivery(key, body=b"x" * size, merge=b"h" if head else None) for key, size, head in wanted]
    filling = Filling(made[0], ENDPOINT, 100)
    taken = 1 + sum(1 for _ in iter(lambda: taken_more(filling, made), False))
    batch = filling.batch("time")
    assert batch.count == taken
    assert batch.size <= 100 or batch.count == 1
    assert len(batch.bundles) <= 3


def taken_more(filling: Filling, made: list) -> bool:  # type: ignore[type-arg]
    at = sum(map(len, filling.bundles))
    return at < len(made) and filling.add(made[at])
