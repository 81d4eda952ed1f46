"""Rows of a quota that counts batches: a stream ten times as fast keeps up, merged by user."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.doubles.vendor import Vendor
from tests.integration.events import Made
from tests.integration.oracle import create_topics
from tests.integration.process import Connector, until
from tests.integration.test_mparticle_quota import PER_S, QUOTA, USERS, Quota, mparticle_env
from tests.integration.trial import Trial, on_broker
from tests.soak.conftest import Tell
from tests.soak.stream import held, produced_apart, running

SECONDS = 150
LEARNT_S = 60
LEFT_S = 5


@pytest.mark.row(
    f"{PER_S:,} events/s of {USERS} users, a quota of {QUOTA} batches/s, for {SECONDS} s",
    bound="keeps up (5 s behind at the end), 429s at most 1% after a minute, none before its time, 0 duplicates",
)
@pytest.mark.parametrize("rate", [QUOTA, 1000], ids=["as set", "set too high"])
@pytest.mark.shows("V4")
def test_a_stream_keeps_up_under_a_quota_of_batches(kafka: str, tmp_path: Path, tell: Tell, rate: int) -> None:
    async def run() -> None:
        trial = on_mparticle(kafka)
        quota = Quota(trial.ledger)
        async with Vendor(quota) as vendor:
            connector = Connector(mparticle_env(kafka, vendor, trial.topic, rate=rate), tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    await until(connector.ready, 30, "ready")
                    began_s = time.monotonic()
                    await produced_apart(trial, made, SECONDS)
                    ended_s = time.monotonic()
                    await until(lambda: not trial.ledger.missing(), 30, "what was left")
                    left_s = time.monotonic() - ended_s
                    await trial.settled()
        events, batches, share = PER_S * SECONDS, quota.batches, quota.share_limited(began_s + LEARNT_S)
        tell(
            **held(trial, watch, connector),
            events_per_s=f"{events / (ended_s - began_s):.0f}",
            batches_per_s=f"{batches / (ended_s - began_s):.0f}",
            limited=f"{share:.2%}",
            left=f"{left_s:.1f} s",
        )
        assert len(trial.ledger.entries) == events
        assert events / (ended_s - began_s) >= 0.98 * PER_S
        assert share <= 0.01
        assert quota.early(vendor.received) == []
        assert left_s <= LEFT_S
        assert trial.letters() == []

    asyncio.run(run())


def on_mparticle(kafka: str) -> Trial:
    """A trial of mParticle's group and letters."""
    trial = on_broker(kafka, 6)
    trial.group, trial.letters_topic = f"{trial.topic}.mparticle", f"{trial.topic}.letters.mparticle"
    create_topics(kafka, trial.letters_topic, partitions=1)
    return trial


def made(name: str, number: int) -> Made:
    """What is known of a record by its number; its value stays where it was made."""
    user = f"user-{number * 7919 % USERS}"
    return Made(user.encode(), None, f"{name}-{number}", "Track", number, number // USERS)
