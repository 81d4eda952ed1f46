"""Rows of one sink, or one key in twenty, that fails while all else goes on as if nothing were."""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.doubles.kafka import MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.oracle import segment
from tests.integration.process import Connector, until
from tests.integration.trial import Trial, on_mock
from tests.soak.conftest import Tell
from tests.soak.stream import held, running, steady

PER_S = 200
PHASE_S = 25
OTHERS = ("mparticle", "suprsend", "flagship")
USER = re.compile(rb"user-\d+")
FILE = Reply(200, {"Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}, b'{"campaigns": []}')


class Counted:
    """When each user's only event came, at one vendor."""

    def __init__(self) -> None:
        self.at_s: dict[str, float] = {}
        self.again = 0

    def took(self, request: Request) -> None:
        for user in set(USER.findall(request.body)):
            self.again += user.decode() in self.at_s
            self.at_s.setdefault(user.decode(), request.received_s)

    def __call__(self, request: Request) -> Reply:
        """Answer as the three others answer a success."""
        if request.method == "GET":
            return FILE
        self.took(request)
        if request.path.startswith("/v2/bulk/event"):
            return rows([202] * len(json.loads(request.body)))
        return Reply(202)


def rows(codes: list[int]) -> Reply:
    """SuprSend's reply: a row for each record."""
    told = [{"status": "success" if code == 202 else "error", "status_code": code} for code in codes]
    return Reply(207, body=json.dumps({"records": told}).encode())


def addresses(vendors: Mapping[str, Vendor]) -> dict[str, str]:
    """What four sinks are told."""
    named = {name: vendor.url for name, vendor in vendors.items()}
    return {
        "CONNECTOR_SINKS": ",".join(named),
        "SEGMENT_HOST": named["segment"],
        "MPARTICLE_HOST": named["mparticle"],
        "MPARTICLE_KEY": "key",
        "MPARTICLE_SECRET": "a-secret",
        **suprsend(named["suprsend"]),
        "FLAGSHIP_ENV_ID": "env",
        "FLAGSHIP_HITS_HOST": named["flagship"],
        "FLAGSHIP_CDN_HOST": named["flagship"],
        "FLAGSHIP_DECISION_HOST": named["flagship"],
        **{f"{name.upper()}_LINGER_S": "0.1" for name in named},
    }


def suprsend(url: str) -> dict[str, str]:
    keys = {"SUPRSEND_WORKSPACE_KEY": "a-workspace-of-20-letters", "SUPRSEND_WORKSPACE_SECRET": "a-secret"}
    return {"SUPRSEND_BASE_URL": url, **keys, "SUPRSEND_START_FROM": "earliest"}


def ranked(ages_s: list[float], share: float) -> float:
    return sorted(ages_s)[int(share * len(ages_s))]


@pytest.mark.row(
    "one sink of four down for 25 s",
    bound="others: rate at least 95% of before, age p99 at most 10% and 0.25 s more, nothing sent again",
)
@pytest.mark.shows("V18")
def test_a_sink_that_is_down_is_felt_by_no_other(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial, down = on_mock(mock), asyncio.Event()
        counted = {name: Counted() for name in OTHERS}
        script = segment(trial.ledger, lambda *_: Reply(503) if down.is_set() else None)
        async with AsyncExitStack() as stack:
            scripts = {"segment": script, **counted}
            vendors = {name: await stack.enter_async_context(Vendor(one)) for name, one in scripts.items()}
            for name in OTHERS:
                mock.create_topic(f"{trial.topic}.letters.{name}")
            connector = Connector(trial.env(vendors["segment"], **addresses(vendors)), tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, PER_S, keys=100_000, kinds=("Track",)) as sent_s:
                        await until(
                            lambda: all(len(one.at_s) > max(2000, len(sent_s) - PER_S) for one in counted.values()),
                            90,
                            "four flows without backlog",
                        )
                        calm = await ages(trial, counted, sent_s)
                        down.set()
                        await until(lambda: _down(connector), 60, "readiness names the vendor")
                        shaken = await ages(trial, counted, sent_s)
                        down.clear()
                    await trial.settled(65)
                    users = {entry.made.key.decode() for entry in trial.ledger.entries.values() if entry.made.key}
                    await until(lambda: all(one.at_s.keys() == users for one in counted.values()), 30, "all of it")
        figures = held(trial, watch, connector)
        p99 = {name: (ranked(calm[name], 0.99), ranked(shaken[name], 0.99)) for name in OTHERS}
        tell(**figures, **{name: f"p99 {before:.2f} to {after:.2f} s" for name, (before, after) in p99.items()})
        assert {name: one.again for name, one in counted.items()} == dict.fromkeys(OTHERS, 0)
        for name, (before_s, after_s) in p99.items():
            assert len(shaken[name]) >= 0.95 * len(calm[name]), name
            assert after_s <= 1.1 * before_s + 0.25, name

    asyncio.run(run())


async def _down(connector: Connector) -> bool:
    return (await connector.failing()).keys() == {"vendor.segment"}


async def ages(trial: Trial, counted: Mapping[str, Counted], sent_s: Mapping[str, float]) -> Mapping[str, list[float]]:
    """Return how old the records were that came to each vendor over a phase."""
    from_s = time.monotonic()
    await asyncio.sleep(PHASE_S)  # the figure is over this very time
    to_s = time.monotonic()
    entries = list(trial.ledger.entries.values())
    of_user = {entry.made.key.decode(): sent_s[entry.made.id] for entry in entries if entry.made.key}
    return {
        name: [at_s - of_user[user] for user, at_s in one.at_s.items() if from_s <= at_s < to_s]
        for name, one in counted.items()
    }


class Choosy:
    """SuprSend, which fails every record of one user in twenty by a row of its own while `failing`."""

    def __init__(self, trial: Trial) -> None:
        self.failing = False
        self.good = 0
        self._trial = trial

    def bad(self, user: str) -> bool:
        return int(user.removeprefix("user-")) % 20 == 0

    def __call__(self, request: Request) -> Reply:
        records = json.loads(request.body)
        refused = [self.failing and self.bad(record["distinct_id"]) for record in records]
        taken = [record for record, bad in zip(records, refused, strict=True) if not bad]
        self.good += sum(not self.bad(record["distinct_id"]) for record in taken)
        name = self._trial.topic
        self._trial.ledger.accept([{"messageId": f"{name}-{one['properties']['number']}", **one} for one in taken])
        return rows([503 if bad else 202 for bad in refused])


@pytest.mark.row(
    "one key in twenty always fails, by its own verdict",
    bound="the others' rate at least 90% of before (a minute for the hour; park 6 s, ahead 3,000 at 500/s)",
)
@pytest.mark.shows("V20")
def test_keys_that_always_fail_stop_no_intake(mock: MockCluster, tmp_path: Path, tell: Tell) -> None:
    async def run() -> None:
        trial = on_mock(mock)
        trial.group, trial.letters_topic = f"{trial.topic}.suprsend", f"{trial.topic}.letters.suprsend"
        mock.create_topic(trial.letters_topic)
        choosy = Choosy(trial)
        async with Vendor(choosy) as vendor:
            small = {"CONNECTOR_PARK": "6s", "CONNECTOR_MAX_AHEAD": "3000", "CONNECTOR_MEMORY_BUDGET": "7MiB"}
            env = trial.env(vendor, CONNECTOR_SINKS="suprsend", SUPRSEND_LINGER_S="0.1", **suprsend(vendor.url))
            connector = Connector({**env, **small}, tmp_path)
            with trial.watch() as watch:
                async with running(connector):
                    async with steady(trial, 500, kinds=("Track",)) as sent_s:
                        await until(lambda: len(sent_s) > 1000 > 5 * _behind(trial), 60, "a flow without backlog")
                        calm = await rate(choosy, 15)
                        choosy.failing = True
                        rates = [await rate(choosy, 15) for _ in range(4)]
                        choosy.failing = False
                    await trial.settled(65)
        found = trial.letters_of()
        shares = ", ".join(f"{one / calm:.0%}" for one in rates)
        tell(**held(trial, watch, connector), before=f"{calm:.0f}/s", by_quarter=shares, letters=len(found))
        assert min(rates) >= 0.9 * calm
        assert all(choosy.bad((trial.ledger.entries[one].made.key or b"").decode()) for one in found)
        assert {letter.notes["reason"] for same in found.values() for letter in same} == {"exhausted"}

    asyncio.run(run())


def _behind(trial: Trial) -> int:
    return len(trial.ledger.entries) - len(trial.ledger.accepted)


async def rate(choosy: Choosy, for_s: float) -> float:
    """Return the good records a second over the next so many seconds."""
    before, began_s = choosy.good, time.monotonic()
    await asyncio.sleep(for_s)  # the figure is over this very time
    return (choosy.good - before) / (time.monotonic() - began_s)
