"""The dead-letter guard counts verdicts on content."""

import pytest

from connector.pipeline.guard import Guard


def admitted(guard: Guard, reason: str, count: int) -> int:
    return sum(guard.admits(reason) for _ in range(count))


def test_fifty_letters_are_written_and_the_next_one_halts_the_sink() -> None:
    guard = Guard(on=True)
    assert admitted(guard, "refused", 50) == 50
    assert not guard.tripped
    assert not guard.admits("refused")
    assert guard.tripped


def test_once_halted_nothing_more_is_written_whatever_its_reason() -> None:
    guard = Guard(on=True)
    admitted(guard, "malformed", 51)
    guard.accepted(1000)
    assert admitted(guard, "refused", 5) + admitted(guard, "expired", 5) == 0


@pytest.mark.parametrize("reason", ["expired", "too_old", "exhausted"])
def test_what_an_outage_leaves_behind_never_trips_it(reason: str) -> None:
    guard = Guard(on=True)
    assert admitted(guard, reason, 10_000) == 10_000
    assert admitted(guard, "refused", 50) == 50


def test_fifty_that_are_less_than_half_of_the_last_verdicts_do_not_trip_it() -> None:
    guard = Guard(on=True)
    guard.accepted(51)
    assert admitted(guard, "refused", 51) == 51
    assert not guard.admits("refused"), "51 of 102 are half"


def test_exactly_half_trips_it() -> None:
    guard = Guard(on=True)
    guard.accepted(50)
    assert admitted(guard, "refused", 51) == 50


def test_only_the_last_two_hundred_verdicts_count() -> None:
    guard = Guard(on=True)
    assert admitted(guard, "refused", 40) == 40
    guard.accepted(10_000)
    assert admitted(guard, "refused", 100) == 100, "100 letters are half of the last 200, the 101st is refused"
    assert not guard.admits("refused")


def test_a_steady_share_below_half_goes_on_for_ever() -> None:
    guard = Guard(on=True)
    for _ in range(1000):
        guard.accepted(3)
        assert guard.admits("refused")
        assert guard.admits("refused")


def test_switched_off_it_admits_everything() -> None:
    guard = Guard(on=False)
    assert admitted(guard, "refused", 1000) == 1000
