"""Vendors as small models under load, and lanes that always have something to send through the real gate."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from connector.pipeline.backoff import delay_s
from connector.pipeline.gate import Gate, Permit
from tests.unit.pipeline.making import SETUP

LANES = 16


class Reply(Struct, frozen=True):
    """What comes back and when. Units: seconds; `asked_s` as a Retry-After, 0 for none."""

    status: int
    took_s: float
    asked_s: float = 0.0


class Server(Protocol):
    """Answers a request that starts now; it keeps count of what is open by itself."""

    def ask(self, now_s: float, chance: random.Random) -> Reply: ...


class Steady:
    """Answers after much the same time, whatever the load."""

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        return Reply(200, 0.1 * chance.uniform(0.8, 1.2))


class Spiky:
    """One answer in twenty takes very long."""

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        return Reply(200, chance.uniform(0.08, 0.12) * (20.0 if chance.random() < 0.05 else 1.0))


class BrownOut:
    """For half a minute everything takes twenty times as long, whatever the load."""

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        return Reply(200, chance.uniform(0.08, 0.12) * (20.0 if 30.0 <= now_s < 60.0 else 1.0))


class _Busy:
    """Knows the ends of what is open."""

    def __init__(self) -> None:
        self._ends_s: list[float] = []

    def open(self, now_s: float) -> int:
        self._ends_s = [end_s for end_s in self._ends_s if end_s > now_s]
        return len(self._ends_s)

    def add(self, end_s: float) -> None:
        self._ends_s.append(end_s)


class LimitAt(_Busy):
    """Refuses what would be more than six at once."""

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        if self.open(now_s) >= 6:
            return Reply(429, 0.005)
        took_s = chance.uniform(0.08, 0.12)
        self.add(now_s + took_s)
        return Reply(200, took_s)


class Queue:
    """Works on four at once; the others wait their turn."""

    def __init__(self) -> None:
        self._free_s = [0.0] * 4

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        begins_s = max(now_s, heapq.heappop(self._free_s))
        ends_s = begins_s + chance.uniform(0.08, 0.12)
        heapq.heappush(self._free_s, ends_s)
        return Reply(200, ends_s - now_s)


class Growing(_Busy):
    """Takes longer the more is open, so that beyond eight it gets less done."""

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        took_s = chance.uniform(0.08, 0.12) * (1.0 + ((self.open(now_s) + 1) / 8) ** 2)
        self.add(now_s + took_s)
        return Reply(200, took_s)


class Quota:
    """A bucket of tokens; a request without one is refused, perhaps with a Retry-After."""

    def __init__(self, rate_per_s: float, burst: float, asked_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = self._tokens = burst
        self._asked_s = asked_s
        self._seen_s = 0.0

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        self._tokens = min(self._burst, self._tokens + (now_s - self._seen_s) * self._rate_per_s)
        self._seen_s = now_s
        if self._tokens < 1.0:
            return Reply(429, 0.005, self._asked_s)
        self._tokens -= 1.0
        return Reply(200, chance.uniform(0.04, 0.06))


class Windowed:
    """So many in each second; the first beyond is told to wait for the next one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._window, self._count = -1, 0

    def ask(self, now_s: float, chance: random.Random) -> Reply:
        if int(now_s) != self._window:
            self._window, self._count = int(now_s), 0
        self._count += 1
        if self._count > self._most:
            return Reply(429, 0.005, 1.0)
        return Reply(200, chance.uniform(0.04, 0.06))


class Load:
    """What came of some time under full load: when and how each request was answered."""

    def __init__(self) -> None:
        self.replies: list[tuple[float, int]] = []

    def goodput(self, from_s: float, to_s: float) -> float:
        """Requests a second that were taken."""
        return sum(status == 200 for at_s, status in self.replies if from_s <= at_s < to_s) / (to_s - from_s)

    def refused(self, from_s: float, to_s: float) -> float:
        """Share of 429 among all."""
        statuses = [status for at_s, status in self.replies if from_s <= at_s < to_s]
        return statuses.count(429) / len(statuses)


class _Lanes:
    """Sixteen lanes over one gate: each asks, starts, hears, and backs off on its own after a 429."""

    def __init__(self, gate: Gate, server: Server, seed: int) -> None:
        self.load = Load()
        self._gate = gate
        self._server = server
        self._chance = random.Random(seed)
        self._due: list[tuple[float, int, int]] = [(0.0, lane, lane) for lane in range(LANES)]
        self._events = LANES
        self._met = [0] * LANES
        self._open: dict[int, tuple[Permit, Reply]] = {}
        self._idle: deque[int] = deque()

    def run(self, until_s: float) -> Load:
        while self._due[0][0] < until_s:
            now_s, _, lane = heapq.heappop(self._due)
            wait_s = self._hear(lane, now_s) if lane in self._open else 0.0
            if wait_s:
                self._at(now_s + wait_s, lane)
            else:
                self._try(lane, now_s)
        return self.load

    def _at(self, at_s: float, lane: int) -> None:
        self._events += 1
        heapq.heappush(self._due, (at_s, self._events, lane))

    def _try(self, lane: int, now_s: float) -> None:
        wait_s = self._gate.wait_s(now_s, lane)
        if wait_s == float("inf"):
            self._idle.append(lane)
        elif wait_s > 0.0:
            self._at(now_s + max(wait_s, 1e-6), lane)
        else:
            permit = self._gate.take(now_s, lane, SETUP, 1)
            reply = self._server.ask(now_s, self._chance)
            self._open[lane] = (permit, reply)
            self._at(now_s + reply.took_s, lane)

    def _hear(self, lane: int, now_s: float) -> float:
        """Let the gate know; return for how long this lane backs off."""
        permit, reply = self._open.pop(lane)
        self.load.replies.append((now_s, reply.status))
        if reply.status == 200:
            self._met[lane] = 0
            self._gate.answered(permit, now_s)
        else:
            self._met[lane] += 1
            if reply.asked_s:
                self._gate.close_until(now_s + reply.asked_s)
            self._gate.limited(permit, now_s)
        while self._idle:
            self._at(now_s, self._idle.popleft())
        met = self._met[lane]
        return delay_s(met, self._chance, first_s=0.5, longest_s=60.0) if met else 0.0


def under_load(make: Callable[[], Server], gate: Gate, *, for_s: float, seed: int = 1) -> Load:
    """Keep sixteen lanes busy through this gate."""
    return _Lanes(gate, make(), seed).run(for_s)
