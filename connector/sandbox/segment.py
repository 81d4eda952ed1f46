"""Segment as a local server with moods: slow, 429, 503, a connection cut after the body, 400 for what it refuses."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

# What a request is answered with, by share; the rest is taken at once.
FAULTS = {"slow": 0.05, "limited": 0.01, "unavailable": 0.02, "cut": 0.01, "cut_taken": 0.02}
SLOW_S = (0.2, 1.0)
USUAL_S = (0.01, 0.05)
MOST_BYTES = 512_000


class Batch(Struct):
    """What is read of a request's body."""

    batch: list[dict[str, Any]]


class SegmentVendor:
    """Serves `POST /v1/batch`. `accepted` is told of the messages of every request that was taken.

    A message is refused for what it holds, and its whole request with it: properties with a `total` below zero.
    Source: the status codes are those of segment.com/docs, "HTTP API", read 2025-11-07.
    """

    def __init__(self, chance: random.Random, accepted: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
        self.answers: Counter[str] = Counter()
        self.url = ""
        self._chance = chance
        self._accepted = accepted
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_post("/v1/batch", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        # Drawn before anything is awaited: requests meet their faults in the order they came in.
        mood, wait_s = self._mood(), self._chance.uniform(*USUAL_S)
        slow_s = self._chance.uniform(*SLOW_S)
        body = await request.read()
        await asyncio.sleep(slow_s if mood == "slow" else wait_s)
        if mood == "limited":
            return self._reply("429", {"Retry-After": "1"})
        if mood == "unavailable":
            return self._reply("503")
        if mood == "cut":
            return self._cut(request)
        try:
            messages = msgspec.json.decode(body, type=Batch).batch
        except msgspec.DecodeError:
            return self._reply("400")
        if any(_refused(message) for message in messages):
            return self._reply("400")
        self._accepted(messages)
        return self._cut(request) if mood == "cut_taken" else self._reply("200")

    def _mood(self) -> str:
        drawn = self._chance.random()
        for mood, share in FAULTS.items():
            if drawn < share:
                return mood
            drawn -= share
        return ""

    def _reply(self, status: str, headers: Mapping[str, str] | None = None) -> web.Response:
        self.answers[status] += 1
        return web.json_response({"success": status == "200"}, status=int(status), headers=headers)

    def _cut(self, request: web.Request) -> web.Response:
        """End the connection without an answer: the sender cannot know whether the request was taken."""
        self.answers["none"] += 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response()


def _refused(message: Mapping[str, Any]) -> bool:
    total = (message.get("properties") or {}).get("total")
    return isinstance(total, int | float) and total < 0
