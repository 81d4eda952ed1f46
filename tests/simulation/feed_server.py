"""The vendor's side of the feeds. A token that is too old is refused.

A process must send with the last token it was given, nothing while the last it heard is that the switch is off, and
ask for each of the two once at a time and never before it was told to.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.json import encode

from connector.domain.exchange import HttpResponse
from connector.errors import Ambiguous, FeedFailed, NotSent
from connector.sinks.contract import Feed
from tests.simulation.feeds import SWITCH, TOKEN, SwitchFeed, TokenFeed, read_value
from tests.simulation.loop import Host
from tests.simulation.scenario import Fresh, Scenario
from tests.simulation.story import Story
from tests.simulation.weather import Weather

HEARD_S = 0.001


def make_feeds(fresh: Fresh) -> Sequence[Feed]:
    """Make the feeds that the sink needs."""
    made = list[Feed]()
    if fresh.token_s is not None:
        made.append(TokenFeed(fresh.token_s * fresh.refresh_at))
    if fresh.switch != "none":
        made.append(SwitchFeed(fresh.switch_s, fresh.switch == "hold"))
    return made


class FeedServer:
    """One for all processes; bad weather makes it fail, or say what nobody can read."""

    def __init__(self, scenario: Scenario, story: Story, weather: Weather) -> None:
        self.story = story
        self.weather = weather
        self.chance = random.Random(f"{scenario.seed}/feeds")
        self._lasts_s = scenario.fresh.token_s
        self._issued_s: list[float] = []

    def good(self, token: int) -> bool:
        """Whether requests with it are answered."""
        return self._lasts_s is None or self.weather.now_s < self._issued_s[token] + self._lasts_s

    def answer(self, name: str) -> HttpResponse:
        """Answer a question that has arrived. Raises: NotSent, Ambiguous."""
        window = self.weather.find("feeds")
        if window is None:
            return HttpResponse(200, {}, encode(self._value(name)))
        fault = self.chance.choice(("down", "garbage", "not_sent", "silent", "well"))
        if fault == "not_sent":
            raise NotSent("connect")
        if fault == "silent":
            raise Ambiguous("deadline")
        if fault == "down":
            asks = {"retry-after": f"{window.retry_after_s:g}"} if window.retry_after_s else {}
            return HttpResponse(503, asks)
        return HttpResponse(200, {}, b"<html>" if fault == "garbage" else encode(self._value(name)))

    def _value(self, name: str) -> int:
        if name == SWITCH:
            return not self.weather.has("off")
        self._issued_s.append(self.weather.now_s)
        return len(self._issued_s) - 1


class FeedsHeard:
    """What one process asked and was told of its feeds, and what it may do by that."""

    def __init__(self, server: FeedServer, host: Host, told_off: set[Host]) -> None:
        self._told_off = told_off
        self._server = server
        self._host = host
        self._heard: dict[str, tuple[int, float]] = {}
        self._asking: set[str] = set()
        self._not_before_s: dict[str, float] = {}

    async def ask(self, name: str) -> HttpResponse:
        """Ask the server. Raises: NotSent, Ambiguous."""
        server, story = self._server, self._server.story
        now_s = server.weather.now_s
        if name in self._asking:
            story.violated("feed", f"{self._host.name} asks for its {name} twice at once")
        if now_s < self._not_before_s.get(name, 0.0) - HEARD_S:
            story.violated("feed", f"{self._host.name} asks for its {name} before it was told to")
        self._asking.add(name)
        try:
            await asyncio.sleep(server.chance.uniform(0.01, 0.5))
            reply = server.answer(name)
            await asyncio.sleep(server.chance.uniform(0.01, 0.5))
        finally:
            self._asking.discard(name)
        self._note(name, reply)
        return reply

    def check(self, headers: Mapping[str, str]) -> None:
        """Check a request for deliveries as it starts."""
        story, now_s = self._server.story, self._server.weather.now_s
        token, since_s = self._heard.get(TOKEN, (0, now_s))
        if TOKEN in headers and headers[TOKEN] != str(token) and now_s > since_s + HEARD_S:
            story.violated("feed", f"{self._host.name} sends with token {headers[TOKEN]} though it was given {token}")
        on, since_s = self._heard.get(SWITCH, (1, now_s))
        if not on and now_s > since_s + HEARD_S:
            story.violated("feed", f"{self._host.name} sends though it was told not to")

    def _note(self, name: str, reply: HttpResponse) -> None:
        story, now_s = self._server.story, self._server.weather.now_s
        story.say("{} asks for its {}: {} {}", self._host.name, name, reply.status, reply.body)
        asked_s = float(reply.headers.get("retry-after", 0))
        if asked_s:
            self._not_before_s[name] = now_s + asked_s
        try:
            value = read_value(reply, int if name == TOKEN else bool)
        except (FeedFailed, msgspec.DecodeError):
            return
        self._heard[name] = (value, now_s)
        if name == SWITCH and not value:
            self._told_off.add(self._host)
