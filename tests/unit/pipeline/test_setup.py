"""Whether what a vendor refuses is our set-up or the content, by plain sequences."""

from typing import Literal

import pytest

from connector.pipeline.setup import Refusal, Refusals, Setup, named

IOS, ANDROID, USER_IOS = ("event", "ios"), ("event", "android"), ("user", "ios")


def accused(at_s: float = 10.0) -> Refusals:
    """Refuse one request of the key pair of iOS; there are two endpoints."""
    refusals = Refusals(["event", "user"])
    assert refusals.fault(at_s, IOS, "credentials", suspect=False, probe=None) == 1
    return refusals


def wait_s(refusals: Refusals, setup: Setup, at_s: float, *, suspect: bool = False) -> float:
    refusal = refusals.get(setup)
    return 0.0 if refusal is None else refusal.wait_s(at_s, "lane", suspect=suspect, company=False)


def start(refusals: Refusals, setup: Setup, *, suspect: bool = False) -> Refusal:
    refusal = refusals.get(setup)
    assert refusal is not None
    refusal.start("lane", suspect=suspect)
    return refusal


def end(
    refusals: Refusals,
    at_s: float,
    setup: Setup,
    outcome: Literal["answered", "refused", "silent"],
    *,
    suspect: bool = False,
) -> None:
    """Try a refused set-up with one request."""
    trial = start(refusals, setup, suspect=suspect)
    trial.probing = False
    if outcome == "answered":
        refusals.answered(setup, suspect=suspect, probe=trial)
    elif outcome == "refused":
        refusals.fault(at_s, setup, "credentials", suspect=suspect, probe=trial)
    else:
        trial.schedule(at_s)


def test_a_set_up_fault_lets_one_request_with_other_content_start_at_once() -> None:
    refusals = accused()
    assert wait_s(refusals, IOS, 10.0) == 0.0
    assert wait_s(refusals, IOS, 10.0, suspect=True) == 1.0
    start(refusals, IOS)
    assert wait_s(refusals, IOS, 1000.0) == float("inf")
    assert wait_s(refusals, IOS, 1000.0, suspect=True) == float("inf")


def test_an_answer_to_other_content_acquits_the_set_up() -> None:
    refusals = accused()
    end(refusals, 10.1, IOS, "answered")
    assert not refusals
    assert list(refusals.guilty) == [1]


def test_only_an_answer_of_the_same_endpoint_and_group_acquits_it() -> None:
    refusals = accused()
    assert not refusals.answered(ANDROID, suspect=False, probe=None)
    end(refusals, 10.1, USER_IOS, "answered")
    assert [setup for setup, _ in refusals.halts()] == [IOS]
    assert list(refusals.guilty) == []


def test_the_same_fault_of_other_content_confirms_it_and_the_halt_stands() -> None:
    refusals = accused()
    end(refusals, 10.1, IOS, "refused")
    refusal = refusals.get(IOS)
    assert refusal is not None and refusal.confirmed
    assert wait_s(refusals, IOS, 10.1) > 0.0
    assert list(refusals.guilty) == []


def test_the_reply_to_a_request_that_was_on_its_way_confirms_it_too() -> None:
    refusals = accused()
    assert refusals.fault(10.1, IOS, "credentials", suspect=False, probe=None) == 0
    refusal = refusals.get(IOS)
    assert refusal is not None and refusal.confirmed


def test_probes_of_a_confirmed_halt_back_off_from_one_to_sixty_seconds() -> None:
    refusals, now_s, waits = accused(), 10.0, []
    refusals.fault(now_s, IOS, "credentials", suspect=False, probe=None)
    for _ in range(10):
        waits.append(wait_s(refusals, IOS, now_s))
        now_s += waits[-1]
        end(refusals, now_s, IOS, "refused")
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]


def test_where_there_is_no_other_content_the_accused_itself_probes_and_stays_accused() -> None:
    refusals, now_s = accused(), 10.0
    for due_s in (1.0, 2.0, 4.0):
        assert wait_s(refusals, IOS, now_s, suspect=True) == due_s
        now_s += due_s
        end(refusals, now_s, IOS, "refused", suspect=True)
    refusal = refusals.get(IOS)
    assert refusal is not None and refusal.accusation == 1
    assert wait_s(refusals, IOS, now_s) == 0.0, "other content may come at any time"
    end(refusals, now_s, IOS, "answered", suspect=True)
    assert not refusals
    assert list(refusals.guilty) == []


def test_a_reply_to_a_request_from_before_the_halt_does_not_lift_it() -> None:
    refusals = accused()
    assert not refusals.answered(IOS, suspect=False, probe=None)
    assert [setup for setup, _ in refusals.halts()] == [IOS]


def test_silence_does_not_lift_a_halt() -> None:
    refusals = accused()
    end(refusals, 11.0, IOS, "silent")
    assert [setup for setup, _ in refusals.halts()] == [IOS]
    assert wait_s(refusals, IOS, 11.0) == 2.0, "the second pause"


def test_another_endpoint_of_the_group_tries_one_request_and_goes_on_once_it_is_answered() -> None:
    refusals = accused()
    assert wait_s(refusals, USER_IOS, 10.0) == 0.0
    start(refusals, USER_IOS)
    assert wait_s(refusals, USER_IOS, 10.0) == float("inf")
    end(refusals, 10.1, USER_IOS, "answered")
    assert refusals.get(USER_IOS) is None


def test_another_endpoint_of_the_group_that_is_refused_as_well_is_judged_for_itself() -> None:
    refusals = accused()
    end(refusals, 10.1, USER_IOS, "refused")
    assert sorted(setup for setup, _ in refusals.halts()) == [IOS, USER_IOS]
    end(refusals, 10.2, USER_IOS, "answered")
    assert list(refusals.guilty) == [2]
    assert [setup for setup, _ in refusals.halts()] == [IOS]


@pytest.mark.parametrize("suspect", [False, True])
def test_with_the_halt_its_doubts_end(suspect: bool) -> None:
    refusals = accused()
    end(refusals, 11.0, IOS, "answered", suspect=suspect)
    assert refusals.get(USER_IOS) is None


def test_a_doubt_that_gets_no_answer_is_tried_at_longer_and_longer_intervals() -> None:
    refusals = accused()
    end(refusals, 10.0, USER_IOS, "silent")
    assert wait_s(refusals, USER_IOS, 10.0) == 1.0
    end(refusals, 11.0, USER_IOS, "silent")
    assert wait_s(refusals, USER_IOS, 11.0) == 2.0


def test_who_probed_last_lets_another_try_where_there_is_one() -> None:
    refusals = accused()
    end(refusals, 10.0, IOS, "refused")
    refusal = refusals.get(IOS)
    assert refusal is not None
    due_s = refusal.probe_at_s
    assert refusal.wait_s(due_s, "other lane", suspect=False, company=True) == 0.0
    assert refusal.wait_s(due_s, "lane", suspect=False, company=True) > 0.0
    assert refusal.wait_s(due_s, "lane", suspect=False, company=False) == 0.0


def test_a_set_up_is_named_by_its_group_where_it_has_one() -> None:
    assert named(IOS) == {"endpoint": "event", "group": "ios"}
    assert named(("event", "")) == {"endpoint": "event"}
