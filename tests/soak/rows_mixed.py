"""A row of everything at once: replicas and the vendor fail in turn, by chance; rounds of it make hours."""

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import Messages
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_broker
from tests.soak.conftest import Tell
from tests.soak.rows_outage import resident_mib
from tests.soak.stream import MOST_UNCOMMITTED, held, more, replica, running, steady

FAULTS_OF_REPLICAS = ("kill", "stop", "freeze")
FAULTS_OF_VENDOR = {
    "503": Reply(503),
    "429": Reply(429, {"Retry-After": "3"}),
    "reset": Reply(cut_at=0, then="reset"),
    "cut": Reply(200, body=b'{"success": true}', cut_at=20, then="close"),
    "late": Reply(200, body=b'{"success": true}', delay_s=2.0),
    "html": Reply(502, body=b"<html>"),
}
COUNT, EVERY_S, FAULT_S = 20, 9.0, 5.0
# A frozen replica is given up after its session of 6 s.
FROZEN_S = 9.0


class Moody:
    """Answers as its mood says, to a share of the requests."""

    def __init__(self, chance: random.Random) -> None:
        self.mood: Reply | None = None
        self._chance = chance

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        return self.mood if self.mood is not None and self._chance.random() < 0.7 else None


@pytest.mark.shows("L4")
@pytest.mark.row(
    f"{COUNT} faults by chance, one every {EVERY_S:.0f} s: replicas, vendor",
    bound="0 missing, no early commit, order kept, duplicates within a window a fault, memory at most 256 MiB more",
)
def test_random_faults_lose_nothing(kafka: str, tmp_path: Path, tell: Tell, round_number: int) -> None:
    async def run() -> None:
        trial, chance = on_broker(kafka, 6), random.Random(round_number)
        moody = Moody(chance)
        async with Vendor(segment(trial.ledger, moody)) as vendor:
            env = {"SEGMENT_TIMEOUT_S": "4"}
            fleet = [replica(trial, vendor, tmp_path, **env) for _ in range(2)]
            seen, done = list(fleet), list[str]()
            with trial.watch() as watch:
                async with running(fleet=fleet):
                    async with steady(trial, 300):
                        await more(trial.ledger, 1000, "a steady flow")
                        base_mib, most_mib = resident_mib(fleet[0]), 0.0
                        for _ in range(COUNT):
                            began_s = time.monotonic()
                            done.append(chance.choice((*FAULTS_OF_REPLICAS, *FAULTS_OF_VENDOR)))
                            if done[-1] in FAULTS_OF_VENDOR:
                                moody.mood = FAULTS_OF_VENDOR[done[-1]]
                                await asyncio.sleep(FAULT_S)  # how long it lasts is the fault
                                moody.mood = None
                            else:
                                seen += await struck(trial, vendor, fleet, done[-1], tmp_path, env)
                            most_mib = max(most_mib, *(resident_mib(one) for one in fleet))
                            await asyncio.sleep(max(0.0, began_s + EVERY_S - time.monotonic()))
                        await more(trial.ledger, 1000, "a flow after all")
                    await trial.settled(90)
        figures = held(trial, watch, *seen, most_duplicates=COUNT * MOST_UNCOMMITTED)
        tell(**figures, faults=" ".join(done), memory=f"{base_mib:.0f} to {most_mib:.0f} MiB")
        assert most_mib <= base_mib + 256
        assert trial.letters() == []

    asyncio.run(run())


async def struck(
    trial: Trial, vendor: Vendor, fleet: list[Connector], how: str, folder: Path, env: dict[str, str]
) -> list[Connector]:
    """Strike the first replica and put it, or its successor, last; return the successor."""
    victim = fleet[0]
    if how == "freeze":
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)  # past its session
        victim.signal(signal.SIGCONT)
        fleet.append(fleet.pop(0))
        return []
    if how == "kill":
        await victim.kill()
    else:
        assert await victim.terminate() == 0
    del fleet[0]
    fleet.append(await replica(trial, vendor, folder, **env).start())
    await until(fleet[-1].ready, 40, "the successor ready")
    return fleet[-1:]
