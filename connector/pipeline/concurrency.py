"""How many requests of a quota may be open at once, learnt from 429s and latency. Pure: the time is an argument.

A 429 for a request that was the n-th open one, where so many were never taken, says that n is too many, unless fewer
are refused as well. Latency far above its own baseline is met by a trial with fewer: they stay where as much gets
done, else the latency is not our doing, and becomes the baseline.
"""

from statistics import median

from msgspec import Struct

SAMPLES = 30
TOO_SLOW = 2.0
FINE = 1.5
FEWER = 0.75
AS_MUCH = 0.95
DRIFT = 0.05
TRIED_EVERY_S = 60.0
KEPT_REQUESTS = 400
KEPT_LEAST_S = 4.0
KEPT_MOST_S = 60.0
KEPT_PER_WAIT = 20


class Trial(Struct, frozen=True):
    """What held before fewer were tried. Units: answers a second."""

    limit: int
    done: float


class Concurrency:
    """The limit of one quota, between 1 and `most`. After a silence it comes back to where it was, one by one."""

    def __init__(self, most: int, now_s: float) -> None:
        self.limit = most
        self._most = most
        self._ramp_to = most
        self._baseline_s = float("inf")
        self._latencies_s: list[float] = []
        self._full = False
        self._trial: Trial | None = None
        self._tried_s = float("-inf")
        self._changed_s = now_s
        self._proven = 0
        self._before = most
        self._doubted = False
        self._least_refused = most + 1
        self._kept_s = 0.0
        self._kept_until_s = float("-inf")

    def answered(self, place: int, started_s: float, now_s: float) -> None:
        """Note an answer to a request that was the `place`-th open one when it started."""
        self._doubted = False
        self._least_refused = self._most + 1
        if self.limit < self._ramp_to:
            self.limit += 1
            return
        if started_s < self._changed_s:
            return
        self._proven = max(self._proven, place)
        self._full |= place >= self.limit
        self._latencies_s.append(now_s - started_s)
        if len(self._latencies_s) >= max(SAMPLES, 3 * self.limit):
            self._judge(now_s)

    def failed(self, started_s: float, now_s: float) -> None:
        """Note that no answer came; a long wait for none counts as latency."""
        if started_s >= self._changed_s and now_s - started_s > self._baseline_s:
            self._latencies_s.append(now_s - started_s)

    def limited(self, place: int, started_s: float, now_s: float, asked_s: float) -> bool:
        """Note a 429; return whether that many at once explain it.

        Several of one moment tell together: the least of them was too many. Where the first was refused as well, their
        number is not to blame, and all is as before.
        """
        fresh = started_s >= self._changed_s
        if fresh and place <= self._proven:
            return False
        if not fresh and not self._doubted:
            return True
        self._least_refused = min(self._least_refused, place)
        if self._least_refused <= 1:
            if self._doubted:
                self._doubted = False
                self._kept_until_s = now_s
                self._change(self._before, now_s)
            return False
        if not self._doubted:
            self._doubted = True
            self._before = self._ramp_to
            self._keep(place, now_s, asked_s)
        self._change(min(self.limit, self._least_refused - 1), now_s)
        return True

    def restart(self) -> None:
        """Begin with one, after a silence."""
        self.limit = 1

    def _keep(self, place: int, now_s: float, asked_s: float) -> None:
        """Feel out more only after a while, longer where the same number was too many again."""
        usual_s = 0.0 if self._baseline_s == float("inf") else self._baseline_s
        again_s = 2 * self._kept_s if self.limit == place else 0.0
        self._kept_s = min(KEPT_MOST_S, max(KEPT_LEAST_S, KEPT_REQUESTS * usual_s / place, again_s))
        self._kept_until_s = now_s + max(self._kept_s, KEPT_PER_WAIT * asked_s)

    def _judge(self, now_s: float) -> None:
        """Look at a window of answers under one limit."""
        usual_s, full, trial = median(self._latencies_s), self._full, self._trial
        done = self.limit / usual_s if usual_s > 0.0 else float("inf")
        self._clear()
        if trial is not None:
            self._trial = None
            if done < AS_MUCH * trial.done:
                self._baseline_s = max(self._baseline_s, usual_s)
                self._change(trial.limit, now_s)
                return
            self._kept_until_s = max(self._kept_until_s, now_s + TRIED_EVERY_S)
            self._tried_s = float("-inf")
        if usual_s < self._baseline_s:
            self._baseline_s = usual_s
        elif usual_s < FINE * self._baseline_s:
            self._baseline_s += DRIFT * (usual_s - self._baseline_s)
        if not full:
            return
        slow = usual_s > TOO_SLOW * self._baseline_s
        if self.limit > 1 and (slow or now_s - self._tried_s >= TRIED_EVERY_S):
            self._tried_s = now_s
            self._trial = Trial(self.limit, done)
            self._change(int(self.limit * FEWER), now_s)
        elif usual_s < FINE * self._baseline_s and self.limit < self._most and now_s >= self._kept_until_s:
            self._change(self.limit + 1, now_s)

    def _change(self, limit: int, now_s: float) -> None:
        if limit < self.limit:
            self._proven = min(self._proven, limit)
        self.limit = self._ramp_to = limit
        self._changed_s = now_s
        self._clear()

    def _clear(self) -> None:
        self._latencies_s.clear()
        self._full = False
