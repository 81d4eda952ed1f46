"""Batches set aside, and what waits behind their keys."""

from collections import deque

from connector.pipeline.aside import Asides
from connector.pipeline.batch import Batch, Delivery
from connector.pipeline.judge import Again
from tests.unit.pipeline.making import EVENT, delivery


def again(*deliveries: Delivery, blocks: bool = False) -> Again:
    return Again(Batch(EVENT, tuple((one,) for one in deliveries), "time"), 0.0, blocks, "")


def held(queue: deque[Delivery] | None = None) -> Asides:
    back = deque[Delivery]() if queue is None else queue
    return Asides(lambda freed: back.extendleft(reversed(freed)))


def test_a_held_key_names_the_last_batch_that_has_it() -> None:
    asides, first, second = held(), delivery(b"a"), delivery(b"a")
    asides.replace(None, [again(first), again(second)])
    follower = delivery(b"a")
    asides.held[b"a"].append(follower)
    one, two = asides
    assert one.followers == []
    assert two.followers == [follower]


def test_a_batch_waits_for_an_earlier_one_with_its_key_and_others_do_not() -> None:
    asides = held()
    asides.replace(None, [again(delivery(b"a")), again(delivery(b"a"), delivery(b"b")), again(delivery(b"c"))])
    one, _, three = asides
    assert list(asides.in_turn()) == [one, three]


def test_a_blocking_batch_stops_its_quota() -> None:
    asides = held()
    asides.replace(None, [again(delivery(b"a"), blocks=True), again(delivery(b"b"))])
    assert list(asides.in_turn()) == list(asides)[:1]
    assert asides.blocked() == {"default"}
    assert asides.blocked(lambda batch: True) == set()
    assert len(list(asides.in_turn(lambda batch: True))) == 2


def test_a_probe_passes_a_batch_that_blocks_its_quota_and_no_other_does() -> None:
    asides, probe = held(), delivery(b"b", group="refused")
    asides.replace(None, [again(delivery(b"a"), blocks=True), again(probe), again(delivery(b"c"))])
    turns = list(asides.in_turn(lambda batch: batch.setup == ("event", "refused")))
    assert turns == list(asides)[:2]


def test_followers_of_a_key_that_is_free_go_to_the_head_of_the_queue_in_order() -> None:
    later = delivery(b"a")
    queue = deque([later])
    asides = held(queue)
    asides.replace(None, [again(delivery(b"a"), delivery(b"b"))])
    (old,) = asides
    followers = [delivery(key) for key in (b"a", b"b", b"a")]
    for one in followers:
        asides.held[one.key or b""].append(one)
    rest = again(delivery(b"b"))
    asides.replace(old, [rest])
    assert list(queue) == [followers[0], followers[2], later]
    (new,) = asides
    assert new.followers == [followers[1]]
    asides.replace(new, [])
    assert list(queue) == [followers[1], followers[0], followers[2], later]
    assert asides.held == {}


def test_halves_take_the_place_of_the_whole() -> None:
    queue = deque[Delivery]()
    asides = held(queue)
    made = [delivery(key) for key in (b"a", b"b", b"c")]
    asides.replace(None, [again(made[0], made[1]), again(made[2])])
    asides.replace(next(iter(asides)), [again(made[0]), again(made[1])])
    assert [next(iter(aside.batch.deliveries())) for aside in asides] == made


def test_what_is_dropped_frees_its_key_and_spares_the_batch_on_the_wire() -> None:
    queue = deque[Delivery]()
    asides = held(queue)
    gone, kept, flying = delivery(b"a"), delivery(b"b"), delivery(b"c")
    asides.replace(None, [again(gone, kept), again(flying)])
    follower, dropped = delivery(b"a"), delivery(b"b")
    asides.held[b"a"].append(follower)
    asides.held[b"b"].append(dropped)
    _, second = asides
    asides.drop({gone, dropped, flying}.__contains__, (second,))
    assert [list(aside.batch.deliveries()) for aside in asides] == [[kept], [flying]]
    assert list(queue) == [follower]
    assert all(aside.followers == [] for aside in asides)
