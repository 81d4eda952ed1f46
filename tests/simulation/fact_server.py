"""The vendor's answers about users, and the store that all processes share.

A process must not ask for what it was told a while ago, nor before Retry-After allows it.
"""

import asyncio
import random
from collections.abc import Sequence

from msgspec.json import encode

from connector.domain.exchange import HttpResponse
from connector.errors import Ambiguous, NotSent, StoreFailed
from connector.sinks.contract import Endpoint, Limits, Lookup, StoredLookup
from tests.simulation.facts import SEEN, ProfileLookup, profile_of
from tests.simulation.facts_known import Facts
from tests.simulation.loop import Host
from tests.simulation.scenario import Informed, Scenario
from tests.simulation.story import Story
from tests.simulation.weather import Weather

HEARD_S = 0.001
ALONE = Limits(items=1, request_bytes=1000, item_bytes=1000, linger_s=0.0)
FAULTS = ("down", "limited", "garbage", "not_sent", "silent")


def make_lookups(informed: Informed) -> Sequence[Lookup | StoredLookup]:
    """Make the lookups that the sink needs."""
    made = list[Lookup | StoredLookup]()
    if informed.profile_s is not None:
        endpoint = Endpoint("profile", ALONE, informed.quota, informed.timeout_s, informed.rate)
        made.append(ProfileLookup(endpoint, informed.profile_s))
    if informed.store != "none":
        made.append(StoredLookup(SEEN, "memory", informed.store))
    return made


class FactServer:
    """Answers questions about users."""

    def __init__(self, scenario: Scenario, truth: Facts, story: Story, weather: Weather) -> None:
        self.truth = truth
        self.informed = scenario.informed
        self.story = story
        self.weather = weather
        self.chance = random.Random(f"{scenario.seed}/facts")
        self._faults = scenario.theme != "calm"

    def calm_down(self) -> None:
        self._faults = False

    def answer(self, user: str) -> HttpResponse:
        """Answer a question that has arrived. Raises: NotSent, Ambiguous."""
        weather = self.weather
        if weather.has("unauthorised"):
            return HttpResponse(401)
        window = weather.find("profiles") or weather.find("down") or weather.find("limited")
        if window is not None:
            asks = {"retry-after": f"{window.retry_after_s:g}"} if window.retry_after_s else {}
            return HttpResponse(429 if window.kind == "limited" else 503, asks)
        fault = self.chance.choice(FAULTS) if self._faults and self.chance.random() < 0.1 else ""
        if weather.has("refusing") or fault == "not_sent":
            raise NotSent("connect")
        if weather.has("hanging") or fault == "silent":
            raise Ambiguous("deadline")
        if fault in ("down", "limited"):
            return HttpResponse(503 if fault == "down" else 429)
        known = profile_of(user)
        if fault == "garbage":
            return HttpResponse(200, {}, b"<html>")
        return HttpResponse(404) if known is None else HttpResponse(200, {}, encode(known))


class FactsHeard:
    """What one process asked about users, and was told. `not_before_s` by quota, as all its replies asked."""

    def __init__(self, server: FactServer, host: Host, not_before_s: dict[str, float]) -> None:
        self._server = server
        self._host = host
        self._not_before_s = not_before_s
        self._told_s: dict[str, float] = {}

    async def ask(self, user: str, timeout_s: float) -> HttpResponse:
        """Ask about a user. Raises: NotSent, Ambiguous."""
        server, story = self._server, self._server.story
        informed, now_s = server.informed, server.weather.now_s
        if now_s < self._not_before_s.get(informed.quota, 0.0) - HEARD_S:
            story.violated("retry-after", f"{self._host.name} asks about {user} before it was told to")
        told_s = self._told_s.get(user)
        if told_s is not None and told_s + HEARD_S < now_s < told_s + (informed.profile_s or 0.0) - HEARD_S:
            story.violated("lookup", f"{self._host.name} asks about {user} though it was told at {told_s:.3f} s")
        server.truth.unanswered[user] += 1
        there_s, back_s = server.chance.uniform(0.005, 0.3), server.chance.uniform(0.005, 0.3)
        await asyncio.sleep(min(there_s, timeout_s))
        try:
            reply = server.answer(user)
        except Ambiguous:
            await asyncio.sleep(max(0.0, timeout_s - there_s))
            raise
        if there_s + back_s >= timeout_s:
            await asyncio.sleep(max(0.0, timeout_s - there_s))
            raise Ambiguous("deadline")
        await asyncio.sleep(back_s)
        self._note(user, reply)
        return reply

    def _note(self, user: str, reply: HttpResponse) -> None:
        now_s = self._server.weather.now_s
        self._server.story.say("{} asks about {}: {} {}", self._host.name, user, reply.status, reply.body)
        asked_s = float(reply.headers.get("retry-after", 0))
        if asked_s:
            quota = self._server.informed.quota
            self._not_before_s[quota] = max(self._not_before_s.get(quota, 0.0), now_s + asked_s)
        if reply.status == 404 or (reply.status == 200 and reply.body.isdigit()):
            self._server.truth.unanswered[user] -= 1
            self._told_s[user] = now_s


class Memory:
    """What the store holds, by user."""

    def __init__(self, scenario: Scenario, truth: Facts, story: Story, weather: Weather) -> None:
        self.story = story
        self.weather = weather
        self.chance = random.Random(f"{scenario.seed}/store")
        self._truth = truth
        self.values: dict[str, bytes] = {}

    def keep(self, key: str, value: bytes | None) -> None:
        self._truth.kept(key, value)
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


class SharedStore:
    """The `Store` of one process. In bad weather it fails, sometimes after it has done what it was asked."""

    def __init__(self, memory: Memory, host: Host) -> None:
        self._memory = memory
        self._host = host

    async def get(self, key: str) -> bytes | None:
        await self._pass(fails=self._memory.weather.has("store"))
        return self._memory.values.get(key)

    async def put(self, key: str, value: bytes | None) -> None:
        memory = self._memory
        fails = memory.weather.has("store")
        await asyncio.sleep(memory.chance.uniform(0.0, 0.05))
        if not fails or memory.chance.random() < 0.3:
            memory.story.say("{} has {} of {} kept", self._host.name, value, key)
            memory.keep(key, value)
        await self._pass(fails=fails)

    async def close(self) -> None:
        """Nothing is open here."""

    async def _pass(self, *, fails: bool) -> None:
        await asyncio.sleep(self._memory.chance.uniform(0.0, 1.0 if fails else 0.05))
        if fails:
            raise StoreFailed("timeout")
