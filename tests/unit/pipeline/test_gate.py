"""What the lanes of a quota share: no order of events lets a request start that should not, or stops them all."""

import math

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector.pipeline.gate import Gate, Permit

LANES = 4


class Gates(RuleBasedStateMachine):
    """Lanes that ask, start and hear, in any order; `confirming` while one request may start beside the probes."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.gate = Gate(most=LANES, rate_per_s=None, now_s=0.0)
        self.permits: dict[int, Permit] = {}
        self.accused: dict[int, int] = {}
        self.asked_s = 0.0
        self.probe_ended_s = -math.inf
        self.confirming = False

    def _suspect(self, lane: int) -> bool:
        return self.accused.get(lane, 0) != 0 and self.accused.get(lane) == self.gate.circuit.accusation

    @rule(by_s=st.sampled_from([0.001, 0.1, 1.0, 5.0, 30.0, 60.0]))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @rule(lane=st.integers(0, LANES - 1))
    def start(self, lane: int) -> None:
        gate, circuit = self.gate, self.gate.circuit
        if lane in self.permits:
            return
        suspect = self._suspect(lane)
        if gate.wait_s(self.now_s, lane, suspect=suspect) > 0.0:
            gate.await_turn(lane, lambda: None)
            return
        assert self.now_s >= self.asked_s, "Retry-After holds for all"
        if circuit.state == "closed":
            assert len(self.permits) < gate.limit
        else:
            assert not any(permit.probe for permit in self.permits.values()), "one probe at a time"
            if self.confirming and not suspect:
                self.confirming = False
            else:
                assert self.now_s >= self.probe_ended_s + 1.0, "probes are at least a second apart"
        self.permits[lane] = gate.take(self.now_s, lane, 1, suspect=suspect)

    def _end(self, lane: int) -> Permit:
        permit = self.permits.pop(lane)
        if permit.probe:
            self.probe_ended_s = self.now_s
        return permit

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), what=st.sampled_from(["answered", "failed", "failed", "limited", "setup", "setup"]))
    def hear(self, data: st.DataObject, what: str) -> None:
        lane = data.draw(st.sampled_from(sorted(self.permits)))
        permit, gate = self._end(lane), self.gate
        if what == "setup":
            was_halted = gate.circuit.halted
            self.accused[lane] = gate.setup_fault(permit, self.now_s, "credentials")
            if not was_halted:
                self.confirming = True
                self.probe_ended_s = self.now_s
            elif not gate.circuit.accusation:
                self.confirming = False
            return
        self.accused.pop(lane, None)
        if what == "limited":
            if permit.probe is False:
                self.asked_s = max(self.asked_s, self.now_s + 5.0)
                gate.close_until(self.now_s + 5.0)
            gate.limited(permit, self.now_s)
        else:
            {"answered": gate.answered, "failed": gate.failed}[what](permit, self.now_s)
        if not gate.circuit.halted:
            self.confirming = False

    @precondition(lambda self: self.permits)
    @rule(data=st.data())
    def abandon(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from(sorted(self.permits)))
        permit = self.permits.pop(lane)
        self.gate.abandoned(permit)
        if permit.probe:
            self.probe_ended_s = -math.inf
            self.confirming = self.gate.circuit.accusation != 0

    @invariant()
    def what_is_in_use_is_what_is_open(self) -> None:
        assert self.gate.in_use == len(self.permits)
        assert 1 <= self.gate.limit <= LANES

    @invariant()
    def only_a_request_that_is_open_makes_a_wait_endless(self) -> None:
        free = set(range(LANES)) - self.permits.keys()
        if any(self.gate.wait_s(self.now_s, lane, suspect=self._suspect(lane)) == math.inf for lane in free):
            assert self.permits

    def teardown(self) -> None:
        """Once the vendor answers again, the circuit closes soon."""
        for lane in list(self.permits):
            self.gate.answered(self._end(lane), self.now_s)
        for _ in range(4 * LANES):
            waits = [self.gate.wait_s(self.now_s, lane, suspect=self._suspect(lane)) for lane in range(LANES)]
            wait_s = min(waits)
            assert wait_s <= 60.0 + 0.25
            self.now_s += wait_s
            lane = waits.index(wait_s)
            if self.gate.wait_s(self.now_s, lane, suspect=self._suspect(lane)) == 0.0:
                permit = self.gate.take(self.now_s, lane, 1, suspect=self._suspect(lane))
                self.gate.answered(permit, self.now_s)
        assert self.gate.circuit.state == "closed"


TestGates = Gates.TestCase


def gate(rate_per_s: float | None = None) -> Gate:
    return Gate(most=LANES, rate_per_s=rate_per_s, now_s=0.0)


def open_gate() -> Gate:
    made = gate()
    for _ in range(10):
        made.failed(made.take(0.0, "a", 1), 6.0)
    assert made.circuit.state == "open"
    return made


def test_as_many_requests_as_lanes_and_no_more() -> None:
    made = gate()
    permits = [made.take(0.0, lane, 1) for lane in range(LANES)]
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
    probe = made.take(7.0, "a", 1)
    assert probe.probe
    made.failed(probe, 7.0)
    for lane in ("a", "b"):
        made.await_turn(lane, lambda: None)
    assert made.wait_s(9.0, "b") == 0.0
    assert made.wait_s(9.0, "a") > 0.0
    assert made.wait_s(10.0, "a") == 0.0, "where no other comes, the same lane probes again"


def test_after_a_silence_lanes_come_back_one_by_one() -> None:
    made = open_gate()
    made.answered(made.take(7.0, "a", 1), 7.0)
    assert made.circuit.state == "closed"
    first = made.take(7.0, "b", 1)
    assert made.wait_s(7.0, "c") == math.inf
    made.answered(first, 7.1)
    second = made.take(7.1, "c", 1)
    third = made.take(7.1, "d", 1)
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
            made.answered(made.take(now_s, "a", 1), now_s)
            starts += 1
    assert 599 <= starts <= 602


def test_a_cost_by_item_is_paid_off_by_waiting() -> None:
    made = gate(10.0)
    made.answered(made.take(0.0, "a", 50), 0.0)
    assert abs(made.wait_s(0.0, "a") - 5.0) < 0.001


def test_a_limit_met_slows_what_follows_and_the_share_in_use_holds_it_there() -> None:
    made, now_s = gate(10.0), 0.0
    for number in range(20):
        now_s = number / 10.0
        made.answered(made.take(now_s, "a", 1), now_s)
    made.limited(made.take(2.0, "a", 1), 2.0)
    made.answered(made.take(2.0, "a", 8), 2.0, 0.95)
    # 10 a second were taken: a twentieth less from now on, and no more while the limit is near.
    assert made.wait_s(2.0, "a") == pytest.approx(9 / 9.5)
    assert made.wait_s(2.5, "a") == pytest.approx(9 / 9.5 - 0.5)


def test_all_who_wait_are_woken_in_the_order_they_came() -> None:
    made, woken = gate(), list[str]()
    permit = made.take(0.0, "a", 1)
    for lane in ("b", "c"):
        made.await_turn(lane, lambda lane=lane: woken.append(lane))  # type: ignore[misc]
    made.answered(permit, 0.0)
    assert woken == ["b", "c"]


def test_health_is_an_answer_after_a_time() -> None:
    made = gate()
    made.answered(made.take(5.0, "a", 1), 5.0)
    assert made.healthy_since(4.9)
    assert not made.healthy_since(5.0)


def test_the_earliest_start_is_never_while_halted() -> None:
    made = gate()
    assert made.earliest_s(3.0) == 3.0
    made.close_until(10.0)
    assert made.earliest_s(3.0) == 10.0
    made.setup_fault(made.take(3.0, "a", 1), 3.0, "credentials")
    assert made.earliest_s(3.0) == math.inf
