"""What follows from a reply."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connector.domain.outcome import Delivered, Outcome, Rejected, Retryable, Undetermined
from connector.pipeline.batch import Batch
from connector.pipeline.judge import Again, Judged, Now, Policy, judge
from tests.unit.pipeline.making import EVENT, POLICY, batch_of, delivery, now

DOWN = Retryable("server_error")
LIMITED = Retryable("rate_limited", limited=True)
LOST = Retryable("read_timeout", ambiguous=True)
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(
    [Delivered(), Rejected("refused"), Undetermined("bad_request"), DOWN, LIMITED, LOST]
)


def whole(batch: Batch, outcome: Outcome, at: Now, policy: Policy = POLICY) -> Judged:
    return judge(batch, [outcome] * len(batch.bundles), at, policy)


def failing(batch: Batch, times: int, *, healthy: bool = False, since_s: float = 0.0) -> Again:
    """Fail a batch that often in a row, a second apart, and return what must go again."""
    again = Again(batch, 0.0, blocks=False, reason="")
    for time in range(times):
        judged = whole(again.batch, DOWN, now(since_s + time, healthy=healthy))
        assert judged.final == ()
        again = judged.again[0]
    return again


@given(
    st.lists(OUTCOMES, min_size=1, max_size=12),
    st.booleans(),
    st.integers(0, 8),
    st.sampled_from(["resend", "dead_letter"]),
)
def test_every_delivery_is_final_or_goes_again_and_keeps_its_order(
    outcomes: Sequence[Outcome], healthy: bool, failures: int, ambiguous: str
) -> None:
    batch = replace(batch_of(len(outcomes)), failures=failures)
    policy = replace(POLICY, ambiguous=ambiguous)
    judged = judge(batch, outcomes, now(10.0, healthy=healthy), policy)
    final = [int(one.payload.body) for one, _ in judged.final]
    again = [[int(one.payload.body) for one in part.batch.deliveries()] for part in judged.again]
    assert sorted(final + [number for part in again for number in part]) == list(range(len(outcomes)))
    assert all(part == sorted(part) for part in again)
    assert all(part.not_before_s >= 10.0 for part in judged.again)


def test_each_item_follows_its_own_outcome() -> None:
    batch = batch_of(4)
    judged = judge(batch, [Delivered(), Rejected("refused", "code 7"), DOWN, Delivered()], now(), POLICY)
    assert [(one.payload.body, outcome) for one, outcome in judged.final] == [
        (b"0", Delivered()),
        (b"1", Rejected("refused", "code 7")),
        (b"3", Delivered()),
    ]
    (again,) = judged.again
    assert [one.payload.body for one in again.batch.deliveries()] == [b"2"]
    assert not again.blocks, "the lane goes on, only its key waits"


def test_a_wholly_failed_request_blocks_its_lane() -> None:
    assert whole(batch_of(3), DOWN, now()).again[0].blocks


def test_the_wait_is_what_the_vendor_asks_where_that_is_longer() -> None:
    asked = Retryable("server_error", retry_after_s=20.0)
    assert whole(batch_of(1), asked, now(100.0)).again[0].not_before_s == 120.0


def test_a_closed_idle_connection_is_tried_again_at_once_and_once_only() -> None:
    reset = Retryable("reset")
    first = whole(batch_of(1), reset, now(5.0)).again[0]
    assert first.not_before_s == 5.0
    assert whole(first.batch, reset, now(5.0)).again[0].not_before_s > 5.0


def test_the_first_failure_keeps_its_time() -> None:
    again = failing(batch_of(1), 3, since_s=7.0)
    assert again.batch.first_failure_ms == now(7.0).ms
    assert again.batch.failing_since_s == 7.0


# Ambiguous


def _unsafe() -> Batch:
    safe, unsafe = delivery(b"a", body=b"safe"), delivery(b"b", body=b"unsafe", replay_safe=False)
    return Batch(EVENT, ((safe,), (unsafe,)), "time")


def test_what_is_not_safe_to_replay_is_resent_by_default() -> None:
    assert whole(_unsafe(), LOST, now()).again[0].batch.count == 2


def test_by_policy_what_is_not_safe_to_replay_is_given_up() -> None:
    judged = whole(_unsafe(), LOST, now(), replace(POLICY, ambiguous="dead_letter"))
    assert [(one.payload.body, outcome) for one, outcome in judged.final] == [
        (b"unsafe", Rejected("ambiguous", "read_timeout"))
    ]
    assert [one.payload.body for one in judged.again[0].batch.deliveries()] == [b"safe"]


def test_by_policy_a_plain_failure_is_still_resent() -> None:
    judged = whole(_unsafe(), DOWN, now(), replace(POLICY, ambiguous="dead_letter"))
    assert judged.again[0].batch.count == 2


# Poison


def test_five_failures_while_others_succeed_take_a_batch_apart() -> None:
    again = failing(batch_of(4), 4, healthy=True)
    assert again.batch.count == 4
    judged = whole(again.batch, DOWN, now(4.0, healthy=True))
    assert judged.split == "poison"
    assert [part.batch.count for part in judged.again] == [2, 2]
    assert not any(part.blocks for part in judged.again)


def test_an_outage_takes_nothing_apart() -> None:
    again = failing(batch_of(4), 100, healthy=False)
    assert again.batch.count == 4


def test_what_fails_holds_its_lane_up_but_for_the_first_few_times() -> None:
    assert failing(batch_of(4), 4).blocks
    assert not failing(batch_of(4), 5).blocks


def test_items_that_fail_by_their_own_verdicts_hold_nothing_else_up() -> None:
    assert not failing(replace(batch_of(4), status=207), 1).blocks


def test_429_takes_nothing_apart_whatever_the_others_do() -> None:
    batch = batch_of(4)
    for second in range(20):
        judged = whole(batch, LIMITED, now(float(second), healthy=True))
        assert judged.split == ""
        batch = judged.again[0].batch
    assert batch.count == 4


def test_a_single_that_still_fails_is_parked_with_its_key() -> None:
    again = failing(batch_of(1), 5, healthy=True)
    assert again.batch.parked_since_s == 4.0
    assert not again.blocks


def test_a_parked_single_is_given_up_after_park_s() -> None:
    parked = failing(batch_of(1), 5, healthy=True).batch
    assert whole(parked, DOWN, now(603.9, healthy=True)).final == ()
    judged = whole(parked, DOWN, now(604.0, healthy=True))
    assert [outcome for _, outcome in judged.final] == [Rejected("exhausted", "server_error")]
    assert judged.again == ()


def test_park_s_of_zero_parks_for_ever() -> None:
    parked = failing(batch_of(1), 5, healthy=True).batch
    assert whole(parked, DOWN, now(1e9, healthy=True), replace(POLICY, park_s=0.0)).final == ()


def test_a_parked_single_never_blocks_its_lane_even_in_an_outage() -> None:
    parked = failing(batch_of(1), 5, healthy=True).batch
    assert not whole(parked, DOWN, now(10.0, healthy=False)).again[0].blocks


# Undetermined


def test_a_refused_batch_is_halved_at_once_and_in_order() -> None:
    judged = whole(batch_of(5), Undetermined("bad_request"), now(3.0))
    assert [[one.payload.body for one in part.batch.deliveries()] for part in judged.again] == [
        [b"0", b"1", b"2"],
        [b"3", b"4"],
    ]
    assert all(part.not_before_s == 3.0 and part.blocks for part in judged.again)
    assert judged.split == "bad_request"


def test_a_refused_single_is_rejected_for_its_content_or_its_size() -> None:
    assert [one for _, one in whole(batch_of(1), Undetermined("bad_request"), now()).final] == [
        Rejected("refused", "bad_request")
    ]
    assert [one for _, one in whole(batch_of(1), Undetermined("too_large", by_bytes=True), now()).final] == [
        Rejected("too_large", "too_large")
    ]


def test_a_verdict_on_content_ends_the_count_of_failures() -> None:
    again = failing(batch_of(4), 4, healthy=True)
    parts = whole(again.batch, Undetermined("bad_request"), now(5.0)).again
    assert [part.batch.failures for part in parts] == [0, 0]
    assert whole(parts[0].batch, DOWN, now(6.0, healthy=True)).split == ""


def test_a_record_whose_key_has_waited_long_enough_still_gets_five_attempts() -> None:
    """Its predecessor's failures were not its own (simulation, seeds 625 and 682)."""
    heir = replace(batch_of(1), suspect=True, failing_since_s=0.0, parked_since_s=0.0, parked_for_s=POLICY.park_s)
    again = failing(heir, 4, healthy=True)
    judged = whole(again.batch, DOWN, now(4.0, healthy=True))
    assert [outcome for _, outcome in judged.final] == [Rejected("exhausted", "server_error")]


def test_a_token_may_be_renewed_again_once_the_vendor_answered_otherwise() -> None:
    """A batch that fails for an hour meets more than one token that has ended (simulation, seed 1132)."""
    renewed = replace(batch_of(1), refreshed=True)
    assert not failing(renewed, 1).batch.refreshed
