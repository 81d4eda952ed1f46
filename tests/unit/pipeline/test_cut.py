"""Batches out of a lane's queue."""

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from connector.pipeline.batch import Batch, Delivery, bundle_size
from connector.pipeline.cut import LONGEST_WALK, Leave, cut
from connector.sinks.contract import Endpoint, Limits
from tests.unit.pipeline.making import EVENT, LIMITS, delivery

SMALL = Limits(items=4, request_bytes=60, item_bytes=20, members=3)
ENDPOINTS = {
    "plain": Endpoint("plain", SMALL),
    "items": Endpoint("items", replace(SMALL, items=6), itemised=True),
    "merged": Endpoint("merged", SMALL),
}
SETUPS = [(name, group) for name in ENDPOINTS for group in ("", "g")]
QUEUES = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b", b"c", b"d", None]),
        st.sampled_from(list(ENDPOINTS)),
        st.sampled_from(["", "g"]),
        st.integers(0, 15),
        st.sampled_from([b"h", b"i"]),
    ),
    max_size=30,
)


class Cut(Struct):
    made: list[Delivery]
    queue: deque[Delivery]
    held: dict[bytes, list[Delivery]]
    batch: Batch | None
    may_send: set[tuple[str, str]]
    most: int

    def place(self, one: Delivery) -> int:
        return self.made.index(one)

    @property
    def taken(self) -> list[Delivery]:
        return list(self.batch.deliveries()) if self.batch else []


def _cut(
    queue: list[Delivery],
    leave: Callable[[Endpoint, str], Leave] = lambda endpoint, group: "go",
    held: dict[bytes, list[Delivery]] | None = None,
    most: int = 100_000,
    endpoints: dict[str, Endpoint] | None = None,
) -> tuple[Batch | None, deque[Delivery]]:
    waiting = deque(queue)
    endpoints = endpoints or {"event": EVENT, "user": replace(EVENT, name="user")}
    made = cut(waiting, endpoints, leave, lambda endpoint: most, held or {}, "time")
    return made, waiting


@st.composite
def cuts(draw: st.DrawFn) -> Cut:
    made = [
        delivery(key, endpoint=to, group=group, body=b"x" * size, merge=head if to == "merged" else None)
        for key, to, group, size, head in draw(QUEUES)
    ]
    may_send = draw(st.sets(st.sampled_from(SETUPS)))
    held: dict[bytes, list[Delivery]] = {key: [] for key in draw(st.sets(st.sampled_from([b"a", b"b"]), max_size=1))}
    most = draw(st.sampled_from([10, 30, 60, 200]))

    def leave(endpoint: Endpoint, group: str) -> Leave:
        if (endpoint.name, group) in may_send:
            return "go"
        return "refused" if {endpoint.name} & {name for name, _ in may_send} else "shut"

    batch, queue = _cut(made, leave, held, most, ENDPOINTS)
    return Cut(made, queue, held, batch, may_send, most)


@given(cuts())
@pytest.mark.shows("L9")
def test_nothing_is_lost_or_doubled_and_the_queue_keeps_its_order(cut: Cut) -> None:
    rest, followers = list(cut.queue), [one for some in cut.held.values() for one in some]
    assert sorted(map(cut.place, [*cut.taken, *rest, *followers])) == list(range(len(cut.made)))
    assert [cut.place(one) for one in rest] == sorted(cut.place(one) for one in rest)


@given(cuts())
def test_nothing_is_taken_of_whose_key_an_earlier_one_stays(cut: Cut) -> None:
    for key in {one.key for one in cut.made} - {None}:
        taken = [cut.place(one) for one in cut.taken if one.key == key]
        left = [cut.place(one) for one in cut.queue if one.key == key]
        assert taken == sorted(taken)
        assert max(taken, default=-1) < min(left, default=len(cut.made))


@given(cuts())
def test_a_held_key_is_never_taken_and_its_deliveries_follow_in_order(cut: Cut) -> None:
    for key, followers in cut.held.items():
        assert key not in {one.key for one in cut.taken}
        places = [cut.place(one) for one in followers]
        assert places == sorted(places)
        assert {one.key for one in followers} <= {key}


@given(cuts())
def test_a_batch_keeps_every_limit(cut: Cut) -> None:
    if cut.batch is None:
        return
    batch, endpoint = cut.batch, cut.batch.endpoint
    limits = endpoint.limits
    assert batch.setup in cut.may_send
    assert {one.payload.endpoint for one in cut.taken} == {endpoint.name}
    assert len({one.payload.group for one in cut.taken}) == 1
    assert len(batch.bundles) <= limits.items
    assert batch.size <= min(cut.most, limits.request_bytes) or batch.count == 1
    for bundle in batch.bundles:
        assert len(bundle) <= limits.members
        assert len({(one.key, one.payload.merge) for one in bundle}) == 1
        assert len(bundle) == 1 or bundle_size(bundle, limits) - limits.item_overhead <= limits.item_bytes
    if endpoint.itemised:
        keys = [one.key for one in cut.taken if one.key is not None]
        assert len(keys) == len(set(keys))


@given(cuts())
def test_the_first_that_may_be_sent_is_sent(cut: Cut) -> None:
    behind: set[bytes | None] = set()
    for one in cut.made:
        if one.key in cut.held:
            continue
        if (one.payload.endpoint, one.payload.group) in cut.may_send and (one.key is None or one.key not in behind):
            assert cut.taken[0] is one
            return
        behind.add(one.key)
    assert cut.batch is None


def test_later_deliveries_of_the_same_endpoint_fill_the_batch_over_others() -> None:
    made = [delivery(b"a"), delivery(b"b", endpoint="user"), delivery(b"c"), delivery(b"b"), delivery(b"d")]
    batch, queue = _cut(made)
    assert batch is not None
    assert list(batch.deliveries()) == [made[0], made[2], made[4]]
    assert list(queue) == [made[1], made[3]]


def test_a_blocked_endpoint_does_not_hold_up_another_but_its_keys() -> None:
    made = [delivery(b"a", endpoint="user"), delivery(b"a"), delivery(b"b")]
    batch, queue = _cut(made, lambda endpoint, _: "go" if endpoint.name == "event" else "shut")
    assert batch is not None
    assert list(batch.deliveries()) == [made[2]]
    assert list(queue) == made[:2]


def test_a_refused_group_does_not_hold_up_another_of_its_endpoint_but_its_keys() -> None:
    made = [delivery(b"a", group="g"), delivery(b"a"), delivery(b"b"), delivery(b"c", group="g"), delivery(b"d")]
    asked: list[tuple[str, str]] = []

    def leave(endpoint: Endpoint, group: str) -> Leave:
        asked.append((endpoint.name, group))
        return "refused" if group == "g" else "go"

    batch, queue = _cut(made, leave)
    assert batch is not None
    assert list(batch.deliveries()) == [made[2], made[4]]
    assert list(queue) == [made[0], made[1], made[3]]
    assert asked == [("event", "g"), ("event", "")]


def test_however_many_of_a_refused_group_are_ahead_another_is_found() -> None:
    made = [*(delivery(b"a%d" % number, group="g") for number in range(LONGEST_WALK + 1)), delivery(b"b")]
    batch, queue = _cut(made, lambda endpoint, group: "refused" if group == "g" else "go")
    assert batch is not None
    assert list(batch.deliveries()) == made[-1:]
    assert list(queue) == made[:-1]


def test_the_trigger_is_count_bytes_or_the_one_given() -> None:
    few = {"event": replace(EVENT, limits=replace(LIMITS, items=2))}
    made = [delivery(b"a"), delivery(b"b"), delivery(b"c")]
    assert [
        batch.trigger for batch in (_cut(made, endpoints=few)[0], _cut(made, most=7)[0], _cut(made)[0]) if batch
    ] == [
        "count",
        "bytes",
        "time",
    ]


def test_a_probe_of_a_halted_sink_travels_alone() -> None:
    made = [delivery(b"a"), delivery(b"b")]
    batch, queue = _cut(made, lambda endpoint, group: "alone")
    assert batch is not None
    assert list(batch.deliveries()) == made[:1]
    assert list(queue) == made[1:]
