"""Parked records that go with another request."""

from collections.abc import Sequence

from msgspec.structs import replace

from connector.domain.outcome import Delivered, Outcome, Retryable, SetupFault, Undetermined
from connector.pipeline.aside import Aside
from connector.pipeline.batch import Batch
from connector.pipeline.deliver import Attempted
from connector.pipeline.gate import Gate
from connector.pipeline.judge import Again
from connector.pipeline.riding import Tried, apart, joined, riders
from connector.pipeline.settle import Flight
from connector.sinks.contract import Verdict
from tests.unit.pipeline.making import EVENT, LIMITS, delivery

ITEMISED = replace(EVENT, itemised=True, limits=replace(LIMITS, items=4))
MOST_BYTES = 10_000
LATER = Retryable("later")


def batch(*keys: str, **fields: object) -> Batch:
    made = Batch(ITEMISED, tuple((delivery(key.encode(), body=key.encode() * 100),) for key in keys), "time")
    return replace(made, **fields)


def parked(key: str, **fields: object) -> Aside:
    return Aside(Again(batch(key, crowds=True, parked_since_s=0.0, **fields), 5.0, blocks=False, reason=""))


def tried(flight: Flight, verdict: Verdict, status: int = 200) -> list[Tried]:
    gate = Gate({ITEMISED.name}, most=1, rate_per_s=None, now_s=0.0)
    permit = gate.take(0.0, "lane", flight.batch.setup, 1)
    return list(apart(Tried(joined(flight), Attempted(verdict, status, "", 0, 0.0), permit, {}), flight))


def names(batch: Batch) -> list[str]:
    return [(one.key or b"").decode() for one in batch.deliveries()]


def test_those_go_along_that_crowd_and_are_due_as_far_as_the_request_has_room() -> None:
    calm = Aside(Again(batch("calm", parked_since_s=0.0), 5.0, blocks=False, reason=""))
    waiting = [calm, parked("a"), parked("b"), parked("c")]
    assert riders(batch("x", "y"), waiting, 5.0, MOST_BYTES) == (waiting[1], waiting[2])
    assert riders(batch("x", "y"), waiting, 4.9, MOST_BYTES) == ()
    # 100 bytes and a separator each, in two of envelope.
    assert riders(batch("x"), waiting, 5.0, 2 + 3 * 101 - 1) == (waiting[1],)


def test_nobody_goes_with_a_record_of_its_key_or_of_another_set_up() -> None:
    assert riders(batch("a"), [parked("a")], 5.0, MOST_BYTES) == ()
    elsewhere = replace(ITEMISED, name="other")
    assert riders(batch("x"), [parked("a", endpoint=elsewhere)], 5.0, MOST_BYTES) == ()


def test_who_was_in_a_request_that_failed_as_a_whole_goes_alone_until_it_was_judged_by_itself() -> None:
    assert riders(batch("x"), [parked("a", sends=3, status=400)], 5.0, MOST_BYTES) == ()
    assert riders(batch("x"), [parked("a", sends=3, status=0)], 5.0, MOST_BYTES) == ()
    judged = parked("a", sends=3, status=200)
    assert riders(batch("x"), [judged], 5.0, MOST_BYTES) == (judged,)


def test_each_gets_its_own_part_of_the_reply() -> None:
    flight = Flight(batch("x", "y"), None, (parked("a", sends=2), parked("b")))
    verdict: Sequence[Outcome] = [Delivered(), LATER, LATER, Delivered()]
    own, first, second = tried(flight, verdict)
    assert (names(own.flight.batch), own.attempted.verdict) == (["x", "y"], [Delivered(), LATER])
    assert (names(first.flight.batch), first.attempted.verdict, first.flight.batch.sends) == (["a"], [LATER], 3)
    assert (names(second.flight.batch), second.attempted.verdict, second.flight.batch.sends) == (
        ["b"],
        [Delivered()],
        1,
    )
    assert (first.flight.aside, second.flight.aside) == flight.riders


def test_a_verdict_on_the_whole_request_is_not_about_those_that_went_along() -> None:
    for verdict, status in ((SetupFault("credentials"), 403), ([Undetermined("refused")] * 2, 400)):
        rider = parked("a", sends=2, status=200)
        (own,) = tried(Flight(batch("x"), None, (rider,)), verdict, status)
        assert names(own.flight.batch) == ["x"]
        assert (rider.batch.failures, rider.batch.sends, rider.batch.status) == (0, 3, status)
