"""What all lanes of a quota share: permits, pace, Retry-After, circuit. Pure: the time is an argument."""

from collections.abc import Callable, Hashable

from msgspec import Struct

from connector.pipeline.circuit import Circuit
from connector.pipeline.concurrency import Concurrency
from connector.pipeline.pace import Pace

ROTATION_S = 0.25


class Permit(Struct, frozen=True):
    """The right to one request: the `place`-th open one, that costs so much of the quota.

    `probe` where it decides over an open or halted circuit.
    """

    gate: "Gate"
    holder: Hashable
    probe: bool
    suspect: bool
    started_s: float
    place: int
    cost: int


class Gate:
    """Lanes ask `wait_s`, take a permit, and give it back with what the request came to.

    A lane that had to wait is told by its `wake` when something changed that no clock can tell it.
    """

    def __init__(self, *, most: int, rate_per_s: float | None, now_s: float) -> None:
        self.circuit = Circuit(now_s)
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

    def wait_s(self, now_s: float, holder: Hashable, *, suspect: bool = False) -> float:
        """Seconds until this holder may start a request: 0 now, infinite until it is woken."""
        circuit = self.circuit
        if circuit.state != "closed":
            wait_s = circuit.wait_s(now_s, suspect=suspect, probing=self._probe is not None)
            if wait_s <= 0.0 and holder == self._last_prober and len(self._waiting) > 1:
                wait_s = max(0.0, circuit.probe_at_s + ROTATION_S - now_s)
            return max(wait_s, self.not_before_s - now_s)
        if self.not_before_s > now_s:
            return self.not_before_s - now_s
        if self.in_use >= self.limit:
            return float("inf")
        return self.pace.wait_s(now_s)

    def await_turn(self, holder: Hashable, wake: Callable[[], None]) -> None:
        self._waiting[holder] = wake

    def leave(self, holder: Hashable) -> None:
        self._waiting.pop(holder, None)

    def take(self, now_s: float, holder: Hashable, cost: int, *, suspect: bool = False) -> Permit:
        """Start a request of that cost; `wait_s` said 0."""
        self.leave(holder)
        probe = self.circuit.state != "closed"
        self.pace.spend(now_s, cost)
        self.in_use += 1
        permit = Permit(self, holder, probe, suspect, now_s, self.in_use, cost)
        if probe:
            self._probe = permit
            self._last_prober = holder
            self.circuit.start(suspect=suspect)
        return permit

    def answered(self, permit: Permit, now_s: float, used: float | None = None) -> None:
        """The vendor answered about content, whichever way; `used` is the share of its limit in use, where it told."""
        self._give_back(permit)
        if used is not None:
            self.pace.used(now_s, used)
        if self.circuit.answered(now_s, suspect=permit.suspect, probe=permit.probe):
            self.concurrency.restart()
            self._last_prober = None
            return
        self.pace.accepted(permit.cost, permit.started_s, now_s)
        self.concurrency.answered(permit.place, permit.started_s, now_s)

    def failed(self, permit: Permit, now_s: float) -> None:
        self._give_back(permit)
        self.circuit.failed(now_s, probe=permit.probe)
        self.concurrency.failed(permit.started_s, now_s)
        if self.not_before_s > now_s:
            self.pace.interrupted(now_s, self.not_before_s)

    def limited(self, permit: Permit, now_s: float, *, gently: bool = False) -> None:
        """The vendor asks for less: fewer at once, or slower; of a Retry-After `close_until` has been told."""
        self._give_back(permit)
        self.circuit.limited(now_s, probe=permit.probe)
        asked_s = max(0.0, self.not_before_s - now_s)
        if gently or not self.concurrency.limited(permit.place, permit.started_s, now_s, asked_s):
            self.pace.limited(permit.started_s, now_s, asked_s, gently=gently)
        elif asked_s:
            self.pace.interrupted(now_s, now_s + asked_s)

    def setup_fault(self, permit: Permit, now_s: float, reason: str) -> int:
        """Return the number of the accusation against what was sent, 0 where the fault is known to be ours."""
        self._give_back(permit)
        return self.circuit.setup_fault(now_s, reason, suspect=permit.suspect, probe=permit.probe)

    def abandoned(self, permit: Permit) -> None:
        """The request was cancelled and says nothing."""
        self._give_back(permit)
        if permit.probe and self.circuit.state == "half_open":
            self.circuit.state = "open"

    def close_until(self, until_s: float) -> None:
        """Start nothing before that time; the latest one asked for holds."""
        self.not_before_s = max(self.not_before_s, until_s)

    def earliest_s(self, now_s: float) -> float:
        """The soonest time at which anything may be sent, as far as is known; never while halted."""
        if self.circuit.halted:
            return float("inf")
        probe_s = 0.0 if self.circuit.state == "closed" else self.circuit.probe_at_s
        return max(now_s, self.not_before_s, probe_s)

    def healthy_since(self, since_s: float) -> bool:
        """Whether any request of the quota was answered after that time."""
        return self.circuit.last_success_s > since_s

    def wake_all(self) -> None:
        """Let all who wait look again; in the order in which they came."""
        waiting, self._waiting = self._waiting, {}
        for wake in waiting.values():
            wake()

    def _give_back(self, permit: Permit) -> None:
        self.in_use -= 1
        if self._probe is permit:
            self._probe = None
        if self._waiting:
            self.wake_all()
