"""A row of everything at once: replicas, broker, registry, records and the vendor fail in turn, by chance."""

import asyncio
import random
import signal
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import fmean

import pytest
from msgspec import Struct

from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.campaign import Messages
from tests.integration.events import KINDS, Made, mixed
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.registry import Registry, heads
from tests.integration.trial import Trial
from tests.services.kafka import Kafka
from tests.soak.conftest import Tell
from tests.soak.rows_outage import resident_mib
from tests.soak.stream import KEYS, MOST, MOST_UNCOMMITTED, more, on_cluster, replica, running, steady

FAULTS_OF_VENDOR = {
    "503": Reply(503),
    "429": Reply(429, {"Retry-After": "3"}),
    "reset": Reply(cut_at=0, then="reset"),
    "cut": Reply(200, body=b'{"success": true}', cut_at=20, then="close"),
    "late": Reply(200, body=b'{"success": true}', delay_s=2.0),
    "html": Reply(502, body=b"<html>"),
}
OTHER_FAULTS = ("kill", "stop", "freeze", "broker away", "broker frozen", "registry", "poison")
PER_S, EVERY_S, FAULT_S = 200, 9.0, 5.0
RECOVERY_S = 15
# A frozen replica is given up after its session of 6 s.
FROZEN_S = 9.0
POISONS = 20


class Moody:
    """Answers as its mood says, to a share of the requests."""

    def __init__(self, chance: random.Random) -> None:
        self.mood: Reply | None = None
        self._chance = chance

    def __call__(self, request: Request, messages: Messages) -> Reply | None:
        return self.mood if self.mood is not None and self._chance.random() < 0.7 else None


class Scene(Struct):
    """All that can be struck. The first of the fleet is never ended: its memory is looked at.

    Shape: `heads` are those of the records to come; `poison` the ids of records that are no event.
    """

    trial: Trial
    kafka: Kafka
    vendor: Vendor
    moody: Moody
    registry: Registry
    folder: Path
    fleet: list[Connector]
    seen: list[Connector]
    heads: dict[str, bytes]
    poison: list[str]

    def replica(self) -> Connector:
        known = {"SCHEMA_REGISTRY_URL": self.registry.url, "SCHEMA_REGISTRY_TIMEOUT": "1s"}
        self.seen.append(replica(self.trial, self.vendor, self.folder, SEGMENT_TIMEOUT_S="4", **known))
        return self.seen[-1]

    def records(self) -> Iterator[Made]:
        return mixed(MOST, keys=KEYS, name=self.trial.topic, heads=self.heads)

    async def strike(self, how: str) -> None:
        """Bring a fault, and return once it is over."""
        if how in FAULTS_OF_VENDOR:
            self.moody.mood = FAULTS_OF_VENDOR[how]
            await asyncio.sleep(FAULT_S)  # how long it lasts is the fault
            self.moody.mood = None
        elif how == "poison":
            await self._poison()
        elif how == "registry":
            await self._new_schemas()
        elif how.startswith("broker"):
            await self._broker(how)
        else:
            await self._replica(how)

    async def _replica(self, how: str) -> None:
        victim = self.fleet[1]
        if how == "freeze":
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)  # past its session
            victim.signal(signal.SIGCONT)
            self.fleet.append(self.fleet.pop(1))
            return
        if how == "kill":
            await victim.kill()
        else:
            assert await victim.terminate() == 0
        del self.fleet[1]
        self.fleet.append(await self.replica().start())
        await until(self.fleet[-1].ready, 40, "the successor ready")

    async def _broker(self, how: str) -> None:
        node = self.kafka.nodes[1]
        if how == "broker frozen":
            node.pause()
            await asyncio.sleep(FROZEN_S)  # past the members' sessions
            node.resume()
        else:
            await asyncio.to_thread(self.kafka.stop)
            await asyncio.sleep(FAULT_S)
            await asyncio.to_thread(self.kafka.start)

    async def _new_schemas(self) -> None:
        """Have records come by schemas that are new, while nobody can be asked for them."""
        first = max(self.registry.known) + 1
        self.registry.known |= {first + at: self.registry.known[at + 1] for at in range(len(KINDS))}
        self.registry.faulty = dict.fromkeys(range(first, first + len(KINDS)), Reply(500))
        self.heads |= heads(first)
        await asyncio.sleep(FAULT_S)
        self.registry.faulty = {}

    async def _poison(self) -> None:
        names = [f"{self.trial.topic}-poison-{len(self.poison) + at}" for at in range(POISONS)]
        self.poison += names
        await self.trial.produce(Made(name.encode(), b"\x01 no event", name, "Track", 0, 0) for name in names)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Kafka]:
    kafka = Kafka(tmp_path / "kafka")
    try:
        yield kafka.start()
    finally:
        kafka.stop()


@pytest.mark.shows("L4")
@pytest.mark.row(
    f"faults by chance, one every {EVERY_S:.0f} s and more: replicas, broker, registry, records, vendor",
    bound="0 missing, no early commit, order kept, duplicates within a window a fault, a fresh record 15 s after each; "
    "memory at most 256 MiB more, and 4 MiB or 1 MiB/h in the second half; threads and files as before",
)
def test_faults_by_chance_lose_nothing(
    own_kafka: Kafka, tmp_path: Path, tell: Tell, round_number: int, faults: int
) -> None:
    async def run() -> None:
        trial, chance = on_cluster(own_kafka), random.Random(round_number)
        moody, registry = Moody(chance), Registry()
        async with Vendor(segment(trial.ledger, moody)) as vendor, registry.server:
            scene = Scene(trial, own_kafka, vendor, moody, registry, tmp_path, [], [], dict(heads()), [])
            stays = scene.replica()
            scene.fleet.append(stays)
            done, slowest_s, mib, began_s = list[str](), 0.0, list[float](), time.monotonic()
            with trial.watch() as watch:
                async with running(fleet=scene.fleet):
                    async with steady(trial, PER_S, records=scene.records()) as sent_s:
                        # What writes letters has threads of its own, from the first one on: here it writes all.
                        await scene.strike("poison")
                        await until(partial(_wrote_letters, stays), 60, "the first letters")
                        scene.fleet += [await scene.replica().start() for _ in range(2)]
                        for one in scene.fleet:
                            await until(one.ready, 40, "each replica ready")
                        await more(trial.ledger, 1000, "a steady flow")
                        before = threads_and_files(stays)
                        for _ in range(faults):
                            next_s = time.monotonic() + EVERY_S
                            done.append(chance.choice((*OTHER_FAULTS, *FAULTS_OF_VENDOR)))
                            await scene.strike(done[-1])
                            slowest_s = max(slowest_s, await fresh(trial, sent_s, done[-1]))
                            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
                            mib.append(resident_mib(stays))
                        await more(trial.ledger, 1000, "a flow after all")
                        after = threads_and_files(stays)
                    await trial.settled(90)
        trial.assert_conserved(watch, *scene.seen)
        half, hours = len(mib) // 2, (time.monotonic() - began_s) / 2 / 3600
        grown = fmean(mib[-half // 2 :]) - fmean(mib[half : half + half // 2])
        tell(
            records=len(trial.ledger.entries),
            missing=0,
            duplicates=trial.ledger.duplicates,
            letters=len(scene.poison),
            slowest=f"{slowest_s:.1f} s",
            memory=f"{mib[0]:.0f} to {max(mib):.0f} MiB, {grown:+.1f} in the second half",
            threads_and_files=f"{before} to {after}",
            faults=" ".join(f"{done.count(one)} {one}" for one in sorted(set(done))),
        )
        assert trial.letters_of().keys() == set(scene.poison)
        assert trial.ledger.duplicates <= faults * MOST_UNCOMMITTED
        assert max(mib) <= mib[0] + 256
        assert grown <= max(4.0, hours)
        # A connection of each lane may be open or not.
        assert abs(after[0] - before[0]) <= 2
        assert abs(after[1] - before[1]) <= 2 + LANES

    asyncio.run(run())


LANES = 8


async def _wrote_letters(connector: Connector) -> bool:
    return await connector.total("connector_dead_letters_total") >= POISONS


async def fresh(trial: Trial, sent_s: Mapping[str, float], after: str) -> float:
    """Wait until a record that is sent from now on is delivered; return how long that took."""
    over_s, at = time.monotonic(), len(trial.ledger.accepted)

    def delivered() -> bool:
        return any(sent_s.get(one, 0.0) > over_s for one in trial.ledger.accepted[at:])

    await until(delivered, RECOVERY_S, f"a fresh record after {after}")
    return time.monotonic() - over_s


def threads_and_files(connector: Connector) -> tuple[int, int]:
    folder = Path(f"/proc/{connector.process.pid}")
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))
