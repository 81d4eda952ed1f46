"""Rows of a vendor that fails for one key alone: it waits, the others go on."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import Messages
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_mock
from tests.soak.conftest import Tell
from tests.soak.stream import held, replica, running, steady


class Unlucky:
    """Answers a 503 to any request that holds a message of this user, for as long as it is set."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.refusals = 0

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        if not any(message.get("userId") == self.user for message in messages):
            return None
        self.refusals += 1
        return Reply(503)


ONE = "user-7"


@pytest.mark.row(
    "a vendor that fails for one key alone", bound="the key parks, others flow, order kept, 0 letters once it recovers"
)
@pytest.mark.shows("V19")
def test_a_key_that_fails_alone_waits_alone(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, unlucky = on_mock(mock), Unlucky(ONE)
        async with Vendor(segment(trial.ledger, unlucky)) as vendor:
            connector = replica(trial, vendor, tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, per_s=300):
                        await until(lambda: _parked(connector), 60, "the key parked")
                        before, calm_s = len(trial.ledger.delivered), time.monotonic()
                        await asyncio.sleep(20)  # the figure is over this very time
                        rate = (len(trial.ledger.delivered) - before) / (time.monotonic() - calm_s)
                        assert not _of(trial, ONE) & trial.ledger.delivered
                        unlucky.user = ""
                        waiting, healed_s = _of(trial, ONE), time.monotonic()
                        await trial.delivered(waiting, 65)
                        took_s = time.monotonic() - healed_s
                    await trial.settled()
            tell(**held(trial, watch, connector), rate=f"{rate:.0f} of 300/s", back_after_s=f"{took_s:.0f}")
            assert rate >= 0.9 * 300
            assert trial.letters() == []

    asyncio.run(run())


@pytest.mark.row("a vendor that fails for one key for ever", bound="letters of that key's records alone, expired")
@pytest.mark.shows("V19")
def test_a_key_that_fails_for_ever_is_given_up_at_its_age(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, unlucky = on_mock(mock), Unlucky(ONE)
        async with Vendor(segment(trial.ledger, unlucky)) as vendor:
            connector = replica(trial, vendor, tmp_path, CONNECTOR_MAX_AGE="20s")
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, per_s=300):
                        await asyncio.sleep(40)  # twice the age, so that some of the key's records are given up
                    await trial.settled(90)
            found = trial.letters_of()
            tell(**held(trial, watch, connector), letters=len(found))
            assert found.keys() == _of(trial, ONE)
            assert {letter.notes["reason"] for same in found.values() for letter in same} == {"expired"}

    asyncio.run(run())


async def _parked(connector: Connector) -> bool:
    return await connector.total("connector_records_parked") > 0


def _of(trial: Trial, key: str) -> set[str]:
    entries = list(trial.ledger.entries.values())
    return {entry.made.id for entry in entries if entry.made.key == key.encode()}
