"""What the lanes of a quota share: no order of events lets a request start that should not, or stops them all."""

import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector.pipeline.gate import Gate, Permit
from connector.pipeline.setup import Setup
from tests.unit.pipeline.making import SETUP

LANES = 4
SETUPS = [SETUP, ("user", ""), ("event", "other")]


class Gates(RuleBasedStateMachine):
    """Lanes that ask, start and hear, in any order; of the set-ups in `free` one request may start beside the probes.

    `accused` has what a lane's content was last refused under.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.gate = Gate(["event", "user"], most=LANES, rate_per_s=None, now_s=0.0)
        self.permits: dict[int, Permit] = {}
        self.accused: dict[int, tuple[Setup, int]] = {}
        self.asked_s = 0.0
        self.probe_ended_s = -math.inf
        self.trial_ended_s: dict[Setup, float] = {}
        self.free: set[Setup] = set()

    def _suspect(self, lane: int, setup: Setup) -> bool:
        accused, number = self.accused.get(lane, (setup, 0))
        refusal = self.gate.refusals.get(setup)
        return accused == setup and number != 0 and refusal is not None and number == refusal.accusation

    def _wait_s(self, lane: int, setup: Setup) -> float:
        trial_s = self.gate.trial_wait_s(self.now_s, lane, setup, suspect=self._suspect(lane, setup))
        return max(trial_s, self.gate.wait_s(self.now_s, lane))

    def _take(self, lane: int, setup: Setup) -> Permit:
        return self.gate.take(self.now_s, lane, setup, 1, suspect=self._suspect(lane, setup))

    @rule(by_s=st.sampled_from([0.001, 0.1, 1.0, 5.0, 30.0, 60.0]))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @rule(lane=st.integers(0, LANES - 1), setup=st.sampled_from(SETUPS))
    def start(self, lane: int, setup: Setup) -> None:
        gate = self.gate
        if lane in self.permits:
            return
        if self._wait_s(lane, setup) > 0.0:
            gate.await_turn(lane, lambda: None)
            return
        assert self.now_s >= self.asked_s, "Retry-After holds for all"
        if gate.circuit.state == "closed":
            assert len(self.permits) < gate.limit
        else:
            assert not any(permit.probe for permit in self.permits.values()), "one probe at a time"
            assert self.now_s >= self.probe_ended_s + 1.0, "probes are at least a second apart"
        refusal = gate.refusals.get(setup)
        if refusal is not None:
            assert not any(permit.trial is refusal for permit in self.permits.values()), "one trial at a time"
            if setup in self.free and not self._suspect(lane, setup):
                self.free.remove(setup)
            else:
                ended_s = self.trial_ended_s.get(setup, -math.inf)
                assert self.now_s >= ended_s + 1.0, "trials are at least a second apart"
        self.permits[lane] = self._take(lane, setup)

    def _end(self, lane: int) -> Permit:
        permit = self.permits.pop(lane)
        if permit.probe:
            self.probe_ended_s = self.now_s
        if permit.trial is not None and permit.trial is self.gate.refusals.get(permit.setup):
            self.trial_ended_s[permit.setup] = self.now_s
        return permit

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), what=st.sampled_from(["answered", "failed", "failed", "limited", "setup", "setup"]))
    def hear(self, data: st.DataObject, what: str) -> None:
        lane = data.draw(st.sampled_from(sorted(self.permits)))
        permit, gate = self._end(lane), self.gate
        setup = permit.setup
        if what == "setup":
            others = {one for one in SETUPS if one[1] == setup[1] and gate.refusals.get(one) is None}
            was_halted = gate.halted(setup)
            self.accused[lane] = (setup, gate.setup_fault(permit, self.now_s, "credentials"))
            if not was_halted:
                self.free |= others | {setup}
                self.trial_ended_s[setup] = self.now_s
        else:
            self.accused.pop(lane, None)
        if what == "limited":
            if permit.probe is False:
                self.asked_s = max(self.asked_s, self.now_s + 5.0)
                gate.close_until(self.now_s + 5.0)
            gate.limited(permit, self.now_s)
        elif what != "setup":
            {"answered": gate.answered, "failed": gate.failed}[what](permit, self.now_s)
        known = {one: gate.refusals.get(one) for one in self.free}
        self.free = {one for one, refusal in known.items() if refusal is not None and not refusal.confirmed}

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from(sorted(self.permits)))
        permit = self.permits.pop(lane)
        self.gate.abandoned(permit)
        if permit.probe:
            self.probe_ended_s = -math.inf
        if permit.trial is not None:
            self.trial_ended_s[permit.setup] = -math.inf

    @invariant()
    def what_is_in_use_is_what_is_open(self) -> None:
        assert self.gate.in_use == len(self.permits)
        assert 1 <= self.gate.limit <= LANES

    @invariant()
    def only_a_request_that_is_open_makes_a_wait_endless(self) -> None:
        free = set(range(LANES)) - self.permits.keys()
        if any(self._wait_s(lane, setup) == math.inf for lane in free for setup in SETUPS):
            assert self.permits

    @invariant()
    def a_doubt_is_a_group_of_which_another_endpoint_was_refused(self) -> None:
        halted = {group for (_, group), _ in self.gate.refusals.halts()}
        for setup in SETUPS:
            refusal = self.gate.refusals.get(setup)
            assert refusal is None or setup[1] in halted

    def teardown(self) -> None:
        """Once the vendor answers again, the circuit closes soon, and every set-up is good."""
        for lane in list(self.permits):
            self.gate.answered(self._end(lane), self.now_s)
        for _ in range(4 * LANES):
            waits = {(lane, setup): self._wait_s(lane, setup) for setup in SETUPS for lane in range(LANES)}
            trials = {one: wait_s for one, wait_s in waits.items() if self.gate.probes(one[1])} or waits
            lane, setup = min(trials, key=trials.__getitem__)
            assert trials[lane, setup] <= 60.0 + 0.25
            self.now_s += trials[lane, setup]
            if self._wait_s(lane, setup) == 0.0:
                self.gate.answered(self._take(lane, setup), self.now_s)
        assert self.gate.state == "closed"
        assert not self.gate.refusals


TestGates = Gates.TestCase


def gate(rate_per_s: float | None = None) -> Gate:
    return Gate(["event"], most=LANES, rate_per_s=rate_per_s, now_s=0.0)


def open_gate() -> Gate:
    made = gate()
    for _ in range(10):
        made.failed(made.take(0.0, "a", SETUP, 1), 6.0)
    assert made.circuit.state == "open"
    return made


def test_as_many_requests_as_lanes_and_no_more() -> None:
    made = gate()
    permits = [made.take(0.0, lane, SETUP, 1) for lane in range(LANES)]
    assert made.wait_s(0.0, "x") == math.inf
    made.answered(permits[0], 0.1)
    assert made.wait_s(0.1, "x") == 0.0


def test_the_latest_deadline_asked_for_holds() -> None:
    made = gate()
    made.close_until(30.0)
    made.close_until(10.0)
    assert made.wait_s(0.0, "a") == 30.0
    assert made.wait_s(30.0, "a") == 0.0


def test_a_retry_after_holds_for_probes_too() -> None:
    made = open_gate()
    made.close_until(100.0)
    assert made.wait_s(7.0, "a") == 93.0, "also once the probe is due"


def test_lanes_take_turns_in_probing() -> None:
    made = open_gate()
    probe = made.take(7.0, "a", SETUP, 1)
    assert probe.probe
    made.failed(probe, 7.0)
    for lane in ("a", "b"):
        made.await_turn(lane, lambda: None)
    assert made.wait_s(9.0, "b") == 0.0
    assert made.wait_s(9.0, "a") > 0.0
    assert made.wait_s(10.0, "a") == 0.0, "where no other comes, the same lane probes again"


def test_after_a_silence_lanes_come_back_one_by_one() -> None:
    made = open_gate()
    made.answered(made.take(7.0, "a", SETUP, 1), 7.0)
    assert made.circuit.state == "closed"
    first = made.take(7.0, "b", SETUP, 1)
    assert made.wait_s(7.0, "c") == math.inf
    made.answered(first, 7.1)
    second = made.take(7.1, "c", SETUP, 1)
    third = made.take(7.1, "d", SETUP, 1)
    assert made.wait_s(7.1, "e") == math.inf
    made.answered(second, 7.2)
    made.answered(third, 7.2)
    assert made.limit == LANES


def test_a_pace_of_ten_a_second_is_kept_over_a_minute() -> None:
    made, now_s, starts = gate(10.0), 0.0, 0
    while now_s < 60.0:
        wait_s = made.wait_s(now_s, "a")
        now_s += max(wait_s, 1e-6)
        if wait_s == 0.0:
            made.answered(made.take(now_s, "a", SETUP, 1), now_s)
            starts += 1
    assert 599 <= starts <= 602


def test_a_cost_by_item_is_paid_off_by_waiting() -> None:
    made = gate(10.0)
    made.answered(made.take(0.0, "a", SETUP, 50), 0.0)
    assert abs(made.wait_s(0.0, "a") - 5.0) < 0.001


def test_a_limit_met_slows_what_follows_and_the_share_in_use_holds_it_there() -> None:
    made, now_s = gate(10.0), 0.0
    for number in range(20):
        now_s = number / 10.0
        made.answered(made.take(now_s, "a", SETUP, 1), now_s)
    made.limited(made.take(2.0, "a", SETUP, 1), 2.0)
    made.answered(made.take(2.0, "a", SETUP, 8), 2.0, 0.95)
    # 10 a second were taken: a twentieth less from now on, and no more while the limit is near.
    assert made.wait_s(2.0, "a") == pytest.approx(9 / 9.5)
    assert made.wait_s(2.5, "a") == pytest.approx(9 / 9.5 - 0.5)


def test_all_who_wait_are_woken_in_the_order_they_came() -> None:
    made, woken = gate(), list[str]()
    permit = made.take(0.0, "a", SETUP, 1)
    for lane in ("b", "c"):
        made.await_turn(lane, lambda lane=lane: woken.append(lane))  # type: ignore[misc]
    made.answered(permit, 0.0)
    assert woken == ["b", "c"]


def test_health_is_an_answer_after_a_time() -> None:
    made = gate()
    made.answered(made.take(5.0, "a", SETUP, 1), 5.0)
    assert made.healthy_since(4.9)
    assert not made.healthy_since(5.0)


def test_the_earliest_start_is_when_the_gate_opens() -> None:
    made = gate()
    assert made.earliest_s(3.0) == 3.0
    made.close_until(10.0)
    assert made.earliest_s(3.0) == 10.0


# Set-ups


def test_a_refused_group_leaves_the_others_of_its_quota_alone() -> None:
    made = gate()
    assert made.setup_fault(made.take(0.0, "a", ("event", "ios"), 1), 0.0, "credentials") == 1
    other = ("event", "android")
    assert made.trial_wait_s(0.0, "b", other) == 0.0
    made.answered(made.take(0.0, "b", other, 1), 0.1)
    assert made.halted(("event", "ios")), "another key pair tells nothing of this one"
    assert list(made.refusals.guilty) == []
    assert made.state == "halted_setup"


def test_a_set_up_fault_that_ends_an_outage_halts_its_group_alone() -> None:
    made = open_gate()
    made.setup_fault(made.take(7.0, "a", ("event", "ios"), 1), 7.0, "credentials")
    assert made.circuit.state == "closed"
    assert made.wait_s(7.0, "b") == 0.0
    assert made.trial_wait_s(7.0, "b", ("event", "android")) == 0.0
    assert made.limit == 1, "lanes come back one by one"


def test_after_a_halt_lanes_come_back_one_by_one() -> None:
    made = gate()
    made.setup_fault(made.take(0.0, "a", SETUP, 1), 0.0, "credentials")
    made.answered(made.take(0.0, "b", SETUP, 1), 0.1)
    assert made.state == "closed"
    assert made.limit == 1
