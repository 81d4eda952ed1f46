"""The vendor: takes what the simulated sink sends, with faults. What reaches it stays, even if who asked has died."""

import asyncio
import random
from collections.abc import Sequence
from math import log2
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct
from msgspec.json import encode

from connector.domain.exchange import HttpRequest, HttpResponse
from connector.errors import Ambiguous, ConnectorError, NotSent
from connector.pipeline.setup import Setup
from tests.simulation.fact_server import FactServer, FactsHeard
from tests.simulation.facts import QUESTIONS
from tests.simulation.feed_server import FeedServer, FeedsHeard
from tests.simulation.feeds import SWITCH, TOKEN, TOKEN_REFUSED
from tests.simulation.loop import WORLD, Host
from tests.simulation.oracle import Oracle, Sent
from tests.simulation.scenario import Scenario
from tests.simulation.sink import Entry, Merged
from tests.simulation.story import Story
from tests.simulation.weather import Weather

RETRY_AFTER_S = (0.0, 0.5, 3.0)
BURST_S = 0.5


class Answer(Struct, frozen=True):
    """What comes back: a reply or an error, None for silence; and one word per payload for the oracle."""

    reply: HttpResponse | None
    words: Sequence[str]
    error: ConnectorError | None = None


class Vendor:
    """One for all processes."""

    def __init__(
        self,
        scenario: Scenario,
        oracle: Oracle,
        story: Story,
        weather: Weather,
        feeds: FeedServer,
        facts: FactServer,
    ) -> None:
        self.feeds = feeds
        self.facts = facts
        self.scenario = scenario
        self.oracle = oracle
        self.story = story
        self._weather = weather
        self._chance = random.Random(f"{scenario.seed}/vendor")
        self._faults = True
        self._tokens = 0.0
        self._counted_s = 0.0

    def calm_down(self) -> None:
        """Answer properly from now on; what is bad stays bad."""
        self._faults = False
        self.facts.calm_down()

    def travel_s(self) -> float:
        shortest, longest = self.scenario.vendor.latency_s
        slow = 10.0 if self._weather.has("slow") else 1.0
        drawn_s = self._chance.uniform(shortest, longest)
        if self._faults and self.scenario.vendor.heavy:
            drawn_s *= self._chance.paretovariate(1.2)
        return slow * drawn_s / 2

    def connects(self) -> bool:
        """Whether a connection can be made at all."""
        return not self._weather.has("refusing")

    def answer(self, setup: Setup, body: bytes, sent: Sequence[Sent]) -> Answer:
        """Decide over a request that has arrived, for this endpoint and group."""
        endpoint, whole = setup[0], len(sent)
        refusal = self._refusal(body, sent, setup)
        if refusal is not None:
            named = whole == 1 and refusal.status in (400, 403, 413)
            return Answer(refusal, ["bad" if named else "failed"] * whole)
        itemised = self.scenario.endpoints[endpoint].itemised
        words = [self._judged(one) for one in sent] if itemised else ["ok"] * whole
        fault = self._fault()
        if fault in ("429", "429_after", "500", "503_after"):
            asks = {"retry-after": str(self._chance.choice(RETRY_AFTER_S))} if fault.endswith("after") else {}
            return Answer(HttpResponse(int(fault[:3]), asks), ["failed"] * whole)
        if fault.startswith("lost") or fault == "garbage_lost":
            return self._mute(fault, whole, words)
        for one, word in zip(sent, words, strict=True):
            if word == "ok":
                self.oracle.taken(one)
        if fault != "ok":
            return self._mute(fault, whole, words)
        return Answer(HttpResponse(200, {}, encode(words) if itemised else b'{"ok": true}'), words)

    def _refusal(self, body: bytes, sent: Sequence[Sent], setup: Setup) -> HttpResponse | None:
        """Refuse the whole request: for the weather, its size or its content."""
        weather = self._weather
        if (window := weather.find("unauthorised")) and window.refuses(*setup):
            return HttpResponse(401)
        if self._over_quota():
            return HttpResponse(429, self._chance.choice(({}, {"retry-after": "1"})))
        if window := weather.find("down") or weather.find("limited"):
            asks = {"retry-after": f"{window.retry_after_s:g}"} if window.retry_after_s else {}
            return HttpResponse(503 if window.kind == "down" else 429, asks)
        if len(body) > self.scenario.vendor.most_bytes:
            return HttpResponse(413)
        kinds = {one.fate.kind for one in sent}
        if "forbidden" in kinds:
            return HttpResponse(403)
        if self.scenario.endpoints[setup[0]].itemised:
            return None
        if "stubborn" in kinds:
            return HttpResponse(500)
        if "poison" in kinds:
            return HttpResponse(400)
        return None

    def _over_quota(self) -> bool:
        """Spend one request of the quota, which faults or their end do not change."""
        rate, now_s = self.scenario.vendor.quota, self._weather.now_s
        if rate is None:
            return False
        self._tokens = min(rate * BURST_S, self._tokens + (now_s - self._counted_s) * rate)
        self._counted_s = now_s
        if self._tokens < 1.0:
            return True
        self._tokens -= 1.0
        return False

    def _judged(self, one: Sent) -> str:
        if one.fate.kind == "poison":
            return "bad"
        vendor = self.scenario.vendor
        sulks = vendor.sulky and crc32(one.fate.user.encode()) % 4 == 0
        later = vendor.sulky if sulks else vendor.item_later
        if one.fate.kind == "stubborn" or (self._faults and self._chance.random() < later):
            return "later"
        return "ok"

    def _fault(self) -> str:
        if self._weather.has("hanging"):
            return self._chance.choice(("taken_silent", "lost_silent"))
        if not self._faults:
            return "ok"
        mix = self.scenario.vendor.mix
        return self._chance.choices(list(mix), list(mix.values()))[0]

    def _mute(self, fault: str, whole: int, words: Sequence[str]) -> Answer:
        """Leave the asker in the dark: no reply at all, a reset, or a body that does not say what became of each."""
        told = ["ambiguous"] * whole
        if fault.endswith("silent"):
            return Answer(None, told)
        if fault.endswith("reset"):
            return Answer(None, told, Ambiguous("reset"))
        if fault == "not_sent":
            return Answer(None, told, NotSent("reset"))
        whole_reply = encode(words)
        bodies = (b"<html>", b"", b"[]", whole_reply[:-1], encode([*words, "ok"]), encode(["new"] * whole))
        return Answer(HttpResponse(200, {}, self._chance.choice(bodies)), told)


class VendorHttp:
    """The `Http` of one process."""

    def __init__(self, vendor: Vendor, host: Host) -> None:
        self._vendor = vendor
        self._host = host
        self._closed = False
        self._feeds = FeedsHeard(vendor.feeds, host, vendor.oracle.told_off)
        self._not_before_s: dict[str, float] = {}
        self._refused: dict[Setup, tuple[float, int]] = {}
        self._facts = FactsHeard(vendor.facts, host, self._not_before_s)

    def close(self) -> None:
        """End with the process: whatever is sent from now on is a fault of the flow."""
        self._closed = True

    async def send(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        vendor, loop = self._vendor, asyncio.get_running_loop()
        if self._host.gone:
            raise asyncio.CancelledError
        endpoint = request.url.rsplit("/", 1)[1]
        if endpoint in (TOKEN, SWITCH):
            return await self._feeds.ask(endpoint)
        if request.url.startswith(QUESTIONS):
            return await self._facts.ask(endpoint, timeout_s)
        self._feeds.check(request.headers)
        setup = (endpoint, request.headers["authorization"])
        entries = _read(request.body)
        if vendor.story.told:
            numbers = [entry.number for entry, _ in entries]
            vendor.story.say("{} sends {} to {} ({} bytes)", self._host.name, numbers, setup, len(request.body))
        started_s = loop.time()
        self._check(setup, started_s)
        sent = vendor.oracle.sending(self._host, endpoint, entries, setup[1])
        future: asyncio.Future[Answer] = loop.create_future()
        arrive_s = vendor.travel_s()

        def arrive() -> None:
            words = ["ambiguous"] * len(sent)
            if arrive_s >= timeout_s:
                return
            if TOKEN in request.headers and not vendor.feeds.good(int(request.headers[TOKEN])):
                answer = Answer(HttpResponse(TOKEN_REFUSED), ["failed"] * len(sent))
            else:
                answer = vendor.answer(setup, request.body, sent)
            if answer.reply is None and answer.error is None:
                return
            back_s = vendor.travel_s()
            loop.call_later(
                back_s, _give, future, Answer(answer.reply, answer.words or words, answer.error), context=WORLD
            )

        if vendor.connects():
            loop.call_later(arrive_s, arrive, context=WORLD)
        else:
            refused = Answer(None, ["failed"] * len(sent), NotSent("connect"))
            loop.call_later(min(arrive_s, timeout_s), _give, future, refused, context=WORLD)
        silence = Answer(None, ["ambiguous"] * len(sent), Ambiguous("deadline"))
        deadline = loop.call_later(timeout_s, _give, future, silence, context=WORLD)
        try:
            answer = await future
        finally:
            deadline.cancel()
        return self._hand_over(setup, sent, answer, started_s)

    def _check(self, setup: Setup, now_s: float) -> None:
        """Check that the process may send at all, not before Retry-After allows it, and no more than probes of a set-up
        that is refused."""
        vendor = self._vendor
        if self._closed:
            vendor.story.violated("end", f"{self._host.name} sends after its end")
        quota = vendor.scenario.endpoints[setup[0]].quota
        not_before_s = self._not_before_s.get(quota, 0.0)
        if now_s < not_before_s - 1e-6:
            vendor.story.violated("retry-after", f"{self._host.name} sends {not_before_s - now_s:.3f} s too early")
        if setup in self._refused:
            since_s, asked = self._refused[setup]
            if asked > _probes(now_s - since_s + 1e-6):
                vendor.story.violated("set-up", f"{self._host.name} goes on with {setup}, which is refused")
            self._refused[setup] = since_s, asked + 1

    def _hear(self, setup: Setup, status: int, now_s: float, started_s: float) -> None:
        """Note a set-up fault, or its end: an answer to what started since. A token that ended gives its probe back."""
        if status in (401, 403):
            self._refused.setdefault(setup, (now_s, 0))
        elif status in (200, 400, 413) and started_s >= self._refused.get(setup, (now_s, 0))[0]:
            self._refused.pop(setup, None)
        elif status == TOKEN_REFUSED and setup in self._refused:
            since_s, asked = self._refused[setup]
            self._refused[setup] = since_s, asked - 1

    def _hand_over(self, setup: Setup, sent: Sequence[Sent], answer: Answer, started_s: float) -> HttpResponse:
        vendor, reply = self._vendor, answer.reply
        for one, word in zip(sent, answer.words, strict=True):
            vendor.oracle.heard(one, word)
        if vendor.story.told:
            what = answer.error if reply is None else (reply.status, dict(reply.headers), reply.body)
            numbers = [one.fate.number for one in sent]
            vendor.story.say("{} hears of {}: {!r} {}", self._host.name, numbers, what, "")
        if answer.error is not None:
            raise answer.error
        assert reply is not None
        now_s, asked_s = asyncio.get_running_loop().time(), float(reply.headers.get("retry-after", 0))
        self._hear(setup, reply.status, now_s, started_s)
        if asked_s:
            quota = vendor.scenario.endpoints[setup[0]].quota
            until_s = now_s + asked_s
            self._not_before_s[quota] = max(self._not_before_s.get(quota, 0.0), until_s)
        return reply


def _give(future: "asyncio.Future[Answer]", answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)


def _probes(for_s: float) -> int:
    """Count the probes of a refused set-up: after 1, 3, 7, 15, 31 and 63 s, then each minute."""
    return min(6, int(log2(for_s + 1.0))) + max(0, int((for_s - 63.0) / 60.0))


def _read(body: bytes) -> list[tuple[Entry, bytes]]:
    """Read a request: its payloads with their bytes."""
    entries: list[tuple[Entry, bytes]] = []
    for item in msgspec.json.decode(body, type=list[msgspec.Raw]):
        fields: dict[str, Any] = msgspec.json.decode(item)
        raws = (
            msgspec.convert(msgspec.json.decode(item, type=Merged), Merged).members if "members" in fields else [item]
        )
        for raw in raws:
            entries.append((msgspec.json.decode(raw, type=Entry), bytes(raw)))
    return entries
