"""Whether a quota's vendor answers at all: closed, open after failures, halted by a set-up fault. Pure.

A set-up fault names our credentials or address, but a firewall rule about one item's content looks the same. So the
first one accuses the content: nothing else starts but one request with content that never met such a fault. If that
fails alike the fault is ours and the halt stands; if it is answered, what failed since was to blame itself.
"""

from collections import deque
from typing import Literal

State = Literal["closed", "open", "half_open", "halted_setup"]

FAILURES_TO_OPEN = 10
SILENCE_TO_OPEN_S = 5.0
PROBE_FIRST_S = 1.0
PROBE_EARLY_S = 8.0
PROBE_LATE_S = 30.0
SETUP_PROBE_LONGEST_S = 60.0
EARLY_S = 60.0
REMEMBERED = 64


class Circuit:
    """The state of one quota's vendor. Every reading of time is an argument.

    `accusation` numbers a halt while the content is under suspicion, 0 once the fault is ours; `guilty` holds the
    numbers of the last ones that turned out to be about the content. `suspect` content met a set-up fault before.
    """

    def __init__(self, now_s: float) -> None:
        self.state: State = "closed"
        self.reason = ""
        self.accusation = 0
        self.guilty: deque[int] = deque(maxlen=REMEMBERED)
        self.last_success_s = now_s
        self.probe_at_s = 0.0
        self._accusations = 0
        self._asked = False
        self._failures = 0
        self._opened_s = 0.0
        self._probes = 0

    @property
    def halted(self) -> bool:
        return self.state == "halted_setup"

    def wait_s(self, now_s: float, *, suspect: bool, probing: bool) -> float:
        """Seconds until a request may start; infinite where the reply of another decides."""
        if self.state == "closed":
            return 0.0
        if probing:
            return float("inf")
        if self.halted and self.accusation and not suspect and not self._asked:
            return 0.0
        return max(0.0, self.probe_at_s - now_s)

    def start(self, *, suspect: bool = False) -> None:
        """Note that a request starts; while open it is the probe, while halted perhaps the one that decides."""
        if self.state == "open":
            self.state = "half_open"
        elif self.halted and not suspect:
            self._asked = True

    def answered(self, now_s: float, *, suspect: bool, probe: bool) -> bool:
        """Note an answer about content; return whether this closed the circuit.

        A reply to a request from before the halt says nothing about the halt.
        """
        self.last_success_s = now_s
        self._failures = 0
        if self.state == "closed" or (self.halted and not probe):
            return False
        if self.halted and self.accusation and not suspect:
            self.guilty.append(self.accusation)
        self.accusation = 0
        self._close()
        return True

    def failed(self, now_s: float, *, probe: bool) -> None:
        """Note that the vendor did not answer, or not for itself."""
        self._failures += 1
        if self.state == "closed":
            if self._failures >= FAILURES_TO_OPEN and now_s - self.last_success_s >= SILENCE_TO_OPEN_S:
                self.state = "open"
                self._opened_s = now_s
                self._probes = 0
                self._schedule(now_s)
        elif probe:
            if not self.halted:
                self.state = "open"
            self._schedule(now_s)

    def limited(self, now_s: float, *, probe: bool) -> None:
        """Note a 429: the vendor lives, it only asks for less; it neither opens nor halts, and ends a probe."""
        if probe and self.state != "closed":
            if not self.halted:
                self.state = "open"
            self._schedule(now_s)

    def setup_fault(self, now_s: float, reason: str, *, suspect: bool, probe: bool) -> int:
        """Note a set-up fault; return the number under which its content is accused, 0 once the fault is ours."""
        self.reason = reason
        if not self.halted:
            self.state = "halted_setup"
            self._opened_s = now_s
            self._probes = 0
            self._asked = False
            self._accusations += 1
            self.accusation = self._accusations
            self._schedule(now_s)
            return self.accusation
        if self.accusation and not suspect:
            self.accusation = 0
        if probe:
            self._schedule(now_s)
        return self.accusation

    def _close(self) -> None:
        self.state = "closed"
        self.reason = ""
        self._failures = 0

    def _schedule(self, now_s: float) -> None:
        """Set the next probe: doubling, and after the first minute of an outage a steady slow pace."""
        doubled = PROBE_FIRST_S * 2.0 ** min(self._probes, 10)
        if self.halted:
            interval = min(doubled, SETUP_PROBE_LONGEST_S)
        elif now_s - self._opened_s < EARLY_S:
            interval = min(doubled, PROBE_EARLY_S)
        else:
            interval = PROBE_LATE_S
        self._probes += 1
        self.probe_at_s = now_s + interval
