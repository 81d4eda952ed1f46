"""Whether a quota's vendor answers at all: closed, open after failures, half open while it is probed. Pure."""

from typing import Literal

State = Literal["closed", "open", "half_open"]

FAILURES_TO_OPEN = 10
SILENCE_TO_OPEN_S = 5.0
PROBE_FIRST_S = 1.0
PROBE_EARLY_S = 8.0
PROBE_LATE_S = 30.0
EARLY_S = 60.0


class Circuit:
    """The state of one quota's vendor. Every reading of time is an argument."""

    def __init__(self, now_s: float) -> None:
        self.state: State = "closed"
        self.last_success_s = now_s
        self.probe_at_s = 0.0
        self._failures = 0
        self._opened_s = 0.0
        self._probes = 0

    def wait_s(self, now_s: float, *, probing: bool) -> float:
        """Seconds until a request may start; infinite where the reply of another decides."""
        if self.state == "closed":
            return 0.0
        return float("inf") if probing else max(0.0, self.probe_at_s - now_s)

    def start(self) -> None:
        """Note that a request starts; while open it is the probe."""
        if self.state == "open":
            self.state = "half_open"

    def answered(self, now_s: float) -> bool:
        """Note an answer about content; return whether this closed the circuit."""
        self.last_success_s = now_s
        self._failures = 0
        return self._close()

    def refused(self, *, probe: bool) -> bool:
        """Note a set-up fault: no success, but the end of a silence; return whether this closed the circuit."""
        return probe and self._close()

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
            self.state = "open"
            self._schedule(now_s)

    def limited(self, now_s: float, *, probe: bool) -> None:
        """Note a 429: the vendor lives, it only asks for less; it does not open, and ends a probe."""
        if probe and self.state != "closed":
            self.state = "open"
            self._schedule(now_s)

    def abandoned(self, *, probe: bool) -> None:
        """Note that a request was cancelled: it says nothing, and another one may probe."""
        if probe and self.state == "half_open":
            self.state = "open"

    def _close(self) -> bool:
        was_closed = self.state == "closed"
        self.state = "closed"
        self._failures = 0
        return not was_closed

    def _schedule(self, now_s: float) -> None:
        """Set the next probe: doubling, and after the first minute of an outage a steady slow pace."""
        doubled = PROBE_FIRST_S * 2.0 ** min(self._probes, 10)
        early = now_s - self._opened_s < EARLY_S
        self._probes += 1
        self.probe_at_s = now_s + (min(doubled, PROBE_EARLY_S) if early else PROBE_LATE_S)
