"""mParticle's quota counts batches: merged by user, a stream ten times as fast as the quota keeps up with itself."""

import asyncio
import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from multidict import CIMultiDict

from connector.sandbox.mparticle import Mparticle
from connector.sandbox.vendor import Call
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import Made, encode, single_object_head
from tests.integration.invariants import assert_sound
from tests.integration.oracle import Ledger, Watch, committed, create_topics, letters
from tests.integration.process import Connector, named, segment_env, until

pytestmark = pytest.mark.slow

SECONDS = 12
PER_S, USERS, QUOTA = 2_000, 200, 270
# What was on its way when a 429 was answered may still arrive.
ON_ITS_WAY_S = 0.25


def paced(name: str, seconds: int = SECONDS) -> Iterator[Made]:
    """Make events at a pace; each bears the time it is made at."""
    began_s, head = time.monotonic(), single_object_head("Track")
    for number in range(PER_S * seconds):
        due_s = began_s + number / PER_S
        time.sleep(max(0.0, due_s - time.monotonic()))
        user, identifier = f"user-{number * 7919 % USERS}", f"{name}-{number}"
        event = {"message_id": identifier, "user_id": user, "timestamp": time.time_ns() // 1_000_000, "name": "Pressed"}
        value = encode("Track", {**event, "properties": {"number": number, "price": 19.5}}, head)
        yield Made(user.encode(), value, identifier, "Track", number, number // USERS)


class Quota:
    """The sandbox's mParticle behind a quota of so many batches in each second."""

    def __init__(self, ledger: Ledger) -> None:
        self.answered: list[tuple[float, int]] = []
        self.asked: list[tuple[float, float]] = []
        self.batches = 0
        self._ledger = ledger
        self._bulk = Mparticle().routes["POST /v2/bulkevents"]
        self._began_s, self._used = 0.0, 0

    def __call__(self, request: Request) -> Reply:
        now_s, now_ms = time.monotonic(), time.time_ns() // 1_000_000
        headers = CIMultiDict(request.headers)
        answer = self._bulk(Call("POST", request.path, request.path, headers, request.body, now_ms))
        assert answer.status == 202 and not any(item.reason for item in answer.items), answer
        cost = answer.cost or 0
        if now_s >= self._began_s + 1.0:
            self._began_s, self._used = now_s, 0
        if self._used + cost > QUOTA:
            wait_s = math.ceil(self._began_s + 1.0 - now_s)
            self.answered.append((now_s, 429))
            self.asked.append((now_s, wait_s))
            refusal = Mparticle().refusal(429, wait_s)
            return Reply(429, refusal.headers)
        self._used += cost
        self.batches += cost
        self.answered.append((now_s, 202))
        self._ledger.accept([{"messageId": item.id, "body": item.body.decode()} for item in answer.items])
        return Reply(202, {"X-mp-rate-limit-percentage-used": str(100 * self._used // QUOTA)})

    def early(self, received: list[Request]) -> list[float]:
        """Return when requests came that should have waited."""
        return [
            one.received_s
            for one in received
            for at_s, wait_s in self.asked
            if at_s + ON_ITS_WAY_S < one.received_s < at_s + wait_s
        ]

    def share_limited(self, from_s: float) -> float:
        statuses = [status for at_s, status in self.answered if at_s >= from_s]
        return statuses.count(429) / len(statuses)


def mparticle_env(kafka: str, vendor: Vendor, topic: str, *, rate: int) -> dict[str, str]:
    """The environment of a replica that keeps to so many batches a second."""
    env = {
        **segment_env(kafka, vendor.url, topic, group=topic),
        "CONNECTOR_SINKS": "mparticle",
        "CONNECTOR_MAX_IN_FLIGHT": "16",
        "MPARTICLE_KEY": "key",
        "MPARTICLE_SECRET": "a-very-secret-secret",
        "MPARTICLE_HOST": vendor.url,
        "MPARTICLE_RATE_PER_S": str(rate),
    }
    return {name: value for name, value in env.items() if not name.startswith("SEGMENT_")}


def test_a_stream_of_two_hundred_users_keeps_up_under_the_quota(kafka: str, tmp_path: Path) -> None:
    async def run() -> None:
        topic, ledger = named("events"), Ledger()
        create_topics(kafka, topic, f"{topic}.letters.mparticle")
        quota = Quota(ledger)
        async with Vendor(quota) as vendor:
            env = mparticle_env(kafka, vendor, topic, rate=QUOTA)
            with Watch(kafka, f"{topic}.mparticle", topic, ledger) as watch:
                async with Connector(env, tmp_path) as connector:
                    await until(connector.ready, 30, "ready")
                    began_s = time.monotonic()
                    await asyncio.to_thread(ledger.produce, kafka, topic, paced(topic))
                    produced_s = time.monotonic()
                    await until(lambda: not ledger.missing(), 10, "what was left")
                    left_s = time.monotonic() - produced_s
                    await until(lambda: committed(kafka, f"{topic}.mparticle", topic) == ledger.ends(), 10, "commits")
                    assert await connector.terminate() == 0
        share = quota.share_limited(began_s)
        took_s = produced_s - began_s
        print(
            f"{len(ledger.entries) / took_s:.0f} events/s, {quota.batches / took_s:.0f} batches/s, "
            f"{len(quota.answered)} requests, {share:.2%} limited, the rest within {left_s:.1f} s"
        )
        assert share <= 0.01
        assert quota.early(vendor.received) == []
        assert left_s <= 5.0
        assert letters(kafka, f"{topic}.letters.mparticle") == []
        assert (ledger.duplicates, ledger.out_of_order(), ledger.changed()) == (0, [], [])
        assert_sound(ledger, watch, connector)

    asyncio.run(run())
