"""What all lanes of a quota share: permits, pace, Retry-After, circuit, set-ups. Pure: the time is an argument."""

from collections.abc import Callable, Collection, Hashable

from msgspec import Struct

from connector.pipeline.circuit import Circuit
from connector.pipeline.concurrency import Concurrency
from connector.pipeline.pace import Pace
from connector.pipeline.setup import ROTATION_S, Refusal, Refusals, Setup


class Permit(Struct, frozen=True):
    """The right to one request: the `place`-th open one, that costs so much of the quota.

    `probe` where it decides over an open circuit, `trial` what it decides over where its set-up was refused.
    """

    gate: "Gate"
    holder: Hashable
    setup: Setup
    probe: bool
    trial: Refusal | None
    suspect: bool
    started_s: float
    place: int
    cost: int

    @property
    def decides(self) -> bool:
        return self.probe or self.trial is not None


class Gate:
    """Lanes ask `wait_s`, take a permit, and give it back with what the request came to.

    A lane that had to wait is told by its `wake` when something changed that no clock can tell it.
    """

    def __init__(self, endpoints: Collection[str], *, most: int, rate_per_s: float | None, now_s: float) -> None:
        self.circuit = Circuit(now_s)
        self.refusals = Refusals(endpoints)
        self.in_use = 0
        self.concurrency = Concurrency(most, now_s)
        self.pace = Pace(rate_per_s, now_s)
        self.not_before_s = 0.0
        self._probe: Permit | None = None
        self._last_prober: Hashable = None
        self._waiting: dict[Hashable, Callable[[], None]] = {}

    @property
    def limit(self) -> int:
        """How many requests may be open at once."""
        return self.concurrency.limit

    @property
    def state(self) -> str:
        """The worst of its circuit and its set-ups."""
        return "halted_setup" if any(self.refusals.halts()) else self.circuit.state

    def wait_s(self, now_s: float, holder: Hashable) -> float:
        """Seconds until this holder may start a request of a good set-up: 0 now, infinite until it is woken."""
        circuit = self.circuit
        if circuit.state != "closed":
            wait_s = circuit.wait_s(now_s, probing=self._probe is not None)
            if wait_s <= 0.0 and holder == self._last_prober and len(self._waiting) > 1:
                wait_s = max(0.0, circuit.probe_at_s + ROTATION_S - now_s)
            return max(wait_s, self.not_before_s - now_s)
        if self.not_before_s > now_s:
            return self.not_before_s - now_s
        if self.in_use >= self.limit:
            return float("inf")
        return self.pace.wait_s(now_s)

    def trial_wait_s(self, now_s: float, holder: Hashable, setup: Setup, *, suspect: bool = False) -> float:
        """Seconds for which this set-up has to wait besides, where it was refused."""
        refusal = self.refusals.get(setup)
        if refusal is None:
            return 0.0
        return refusal.wait_s(now_s, holder, suspect=suspect, company=len(self._waiting) > 1)

    def probes(self, setup: Setup) -> bool:
        """Whether a request of this set-up would try if there is an answer at all."""
        return self.circuit.state != "closed" or self.refusals.get(setup) is not None

    def await_turn(self, holder: Hashable, wake: Callable[[], None]) -> None:
        self._waiting[holder] = wake

    def leave(self, holder: Hashable) -> None:
        self._waiting.pop(holder, None)

    def take(self, now_s: float, holder: Hashable, setup: Setup, cost: int, *, suspect: bool = False) -> Permit:
        """Start a request of that cost; `wait_s` and `trial_wait_s` said 0."""
        self.leave(holder)
        probe, trial = self.circuit.state != "closed", self.refusals.get(setup)
        self.pace.spend(now_s, cost)
        self.in_use += 1
        permit = Permit(self, holder, setup, probe, trial, suspect, now_s, self.in_use, cost)
        if probe:
            self._probe = permit
            self._last_prober = holder
            self.circuit.start()
        if trial is not None:
            trial.start(holder, suspect=suspect)
        return permit

    def answered(self, permit: Permit, now_s: float, used: float | None = None) -> None:
        """The vendor answered about content, whichever way; `used` is the share of its limit in use, where it told."""
        self._give_back(permit)
        if used is not None:
            self.pace.used(now_s, used)
        closed = self.circuit.answered(now_s)
        released = self.refusals.answered(permit.setup, suspect=permit.suspect, probe=permit.trial)
        if closed or released:
            self._restart()
            return
        self.pace.accepted(permit.cost, permit.started_s, now_s)
        self.concurrency.answered(permit.place, permit.started_s, now_s)

    def failed(self, permit: Permit, now_s: float) -> None:
        self._give_back(permit)
        if permit.probe or permit.trial is None:
            self.circuit.failed(now_s, probe=permit.probe)
        self._unanswered(permit, now_s)
        self.concurrency.failed(permit.started_s, now_s)
        if self.not_before_s > now_s:
            self.pace.interrupted(now_s, self.not_before_s)

    def limited(self, permit: Permit, now_s: float, *, gently: bool = False) -> None:
        """The vendor asks for less: fewer at once, or slower; of a Retry-After `close_until` has been told."""
        self._give_back(permit)
        self.circuit.limited(now_s, probe=permit.probe)
        self._unanswered(permit, now_s)
        asked_s = max(0.0, self.not_before_s - now_s)
        if gently or not self.concurrency.limited(permit.place, permit.started_s, now_s, asked_s):
            self.pace.limited(permit.started_s, now_s, asked_s, gently=gently)
        elif asked_s:
            self.pace.interrupted(now_s, now_s + asked_s)

    def setup_fault(self, permit: Permit, now_s: float, reason: str) -> int:
        """Return the number of the accusation against what was sent, 0 where the fault is known to be ours."""
        self._give_back(permit)
        if self.circuit.refused(probe=permit.probe):
            self._restart()
        return self.refusals.fault(now_s, permit.setup, reason, suspect=permit.suspect, probe=permit.trial)

    def abandoned(self, permit: Permit) -> None:
        """The request was cancelled and says nothing."""
        self._give_back(permit)
        self.circuit.abandoned(probe=permit.probe)

    def close_until(self, until_s: float) -> None:
        """Start nothing before that time; the latest one asked for holds."""
        self.not_before_s = max(self.not_before_s, until_s)

    def earliest_s(self, now_s: float) -> float:
        """The soonest time at which anything may be sent, as far as is known."""
        probe_s = 0.0 if self.circuit.state == "closed" else self.circuit.probe_at_s
        return max(now_s, self.not_before_s, probe_s)

    def halted(self, setup: Setup) -> bool:
        """Whether nothing of this set-up is sent but what may end its halt."""
        refusal = self.refusals.get(setup)
        return refusal is not None and refusal.halted

    def healthy_since(self, since_s: float) -> bool:
        """Whether any request of the quota was answered after that time."""
        return self.circuit.last_success_s > since_s

    def wake_all(self) -> None:
        """Let all who wait look again; in the order in which they came."""
        waiting, self._waiting = self._waiting, {}
        for wake in waiting.values():
            wake()

    def _restart(self) -> None:
        """Have lanes come back one by one."""
        self.concurrency.restart()
        self._last_prober = None

    @staticmethod
    def _unanswered(permit: Permit, now_s: float) -> None:
        if permit.trial is not None:
            permit.trial.schedule(now_s)

    def _give_back(self, permit: Permit) -> None:
        self.in_use -= 1
        if self._probe is permit:
            self._probe = None
        if permit.trial is not None:
            permit.trial.probing = False
        if self._waiting:
            self.wake_all()
