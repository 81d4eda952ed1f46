"""Of two key pairs of mParticle's one is revoked: its records wait and are named, the other's are delivered."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from multidict import CIMultiDict

from connector.sandbox.mparticle import Mparticle
from connector.sandbox.vendor import Call
from tests.doubles.kafka import PARTITIONS, MockCluster
from tests.doubles.vendor import Reply, Request, Vendor
from tests.integration.events import Made, encode, single_object_head
from tests.integration.invariants import assert_sound
from tests.integration.oracle import Ledger, Watch, committed, letters
from tests.integration.process import Connector, named, segment_env, until

pytestmark = pytest.mark.slow

LANES, USERS, RECORDS = 8, 60, 1200
OTHERS, REVOKED, RENEWED = "others:others-secret", "ios:revoked-secret", "ios:renewed-secret"


def platform(user: int, number: int) -> str:
    """Every third user is on iOS, every third elsewhere, and every third is seen on both."""
    return "iOS" if user % 3 == 0 or (user % 3 == 1 and number // USERS % 2) else "Android"


def events(name: str) -> Iterator[Made]:
    head, since_ms = single_object_head("Track"), time.time_ns() // 1_000_000
    for number in range(RECORDS):
        user, identifier = number % USERS, f"{name}-{number}"
        value = {
            "message_id": identifier,
            "user_id": f"user-{user}",
            "timestamp": since_ms + number,
            "name": "Pressed",
            "context": {"device": {"platform": platform(user, number)}},
        }
        yield Made(f"user-{user}".encode(), encode("Track", value, head), identifier, "Track", number, number // USERS)


class Pairs:
    """The sandbox's mParticle, which answers 403 to a key pair that it does not know."""

    def __init__(self, ledger: Ledger) -> None:
        self.refused_s: list[float] = []
        self._ledger = ledger
        self._bulk = Mparticle().routes["POST /v2/bulkevents"]

    def __call__(self, request: Request) -> Reply:
        now_ms = time.time_ns() // 1_000_000
        if request.headers["authorization"] not in map(basic, (OTHERS, RENEWED)):
            self.refused_s.append(request.received_s)
            return Reply(403, body=b'{"errors": [{"code": "FORBIDDEN", "message": "forbidden"}]}')
        headers = CIMultiDict(request.headers)
        answer = self._bulk(Call("POST", request.path, request.path, headers, request.body, now_ms))
        assert answer.status == 202 and not any(item.reason for item in answer.items), answer
        self._ledger.accept([{"messageId": item.id, "body": item.body.decode()} for item in answer.items])
        return Reply(202)


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


def key_pairs(pair: str) -> str:
    key, secret = pair.split(":")
    return json.dumps({"iOS": {"key": key, "secret": secret}})


def environment(bootstrap: str, url: str, topic: str, pairs: Path) -> dict[str, str]:
    env = segment_env(bootstrap, url, topic, group=topic)
    key, secret = OTHERS.split(":")
    return {name: value for name, value in env.items() if not name.startswith("SEGMENT_")} | {
        "CONNECTOR_SINKS": "mparticle",
        "CONNECTOR_MAX_IN_FLIGHT": str(LANES),
        "MPARTICLE_KEY": key,
        "MPARTICLE_SECRET": secret,
        "MPARTICLE_KEY_PAIRS_FILE": str(pairs),
        "MPARTICLE_HOST": url,
        "MPARTICLE_LINGER_S": "0.05",
    }


@pytest.mark.shows("V15")
def test_of_two_key_pairs_the_revoked_one_waits_until_its_file_is_mended_and_the_other_goes_on(
    mock: MockCluster, tmp_path: Path
) -> None:
    async def run() -> None:
        ledger, topic, pairs = Ledger(), mock.create_topic(named("events")), tmp_path / "pairs"
        letters_topic, group = mock.create_topic(f"{topic}.letters.mparticle"), f"{topic}.mparticle"
        pairs.write_text(key_pairs(REVOKED))
        ledger.produce(mock.bootstrap, topic, events(topic))
        never = {identifier for identifier, entry in ledger.entries.items() if entry.made.number % USERS % 3 == 2}
        vendor_of = Pairs(ledger)
        async with Vendor(vendor_of) as vendor:
            with Watch(mock.bootstrap, group, topic, ledger, letters_topic) as watch:
                async with Connector(environment(mock.bootstrap, vendor.url, topic, pairs), tmp_path) as connector:
                    await until(lambda: never <= ledger.delivered, 40, "the records of the other pair delivered")
                    # The first of each lane, the confirmation, and one probe or more.
                    await until(lambda: probes(vendor_of.refused_s) != [], 40, "a probe")
                    said = (await connector.failing())["vendor.mparticle"]
                    assert "bulkevents iOS: credentials" in said
                    assert await connector.total("connector_circuit_state", 'state="halted_setup"') == 1
                    halted = ('endpoint="bulkevents"', 'group="iOS"')
                    assert await connector.total("connector_setup_halted") == 1
                    assert await connector.total("connector_setup_halted", *halted) == 1
                    assert await connector.total("connector_records_resolved_total", 'outcome="dead_lettered"') == 0
                    for page in ("/metrics", "/readyz", "/"):
                        assert "revoked-secret" not in (await connector.get(page))[1]
                    pairs.write_text(key_pairs(RENEWED))
                    await until(lambda: not ledger.missing(), 60, "every record delivered")
                    await until(connector.ready, 15, "ready again")
                    assert await connector.terminate() == 0
        print(f"{len(vendor_of.refused_s)} refused, probes after {probes(vendor_of.refused_s)} s")
        assert len(vendor_of.refused_s) - len(probes(vendor_of.refused_s)) <= LANES + 1
        assert all(after - before >= 1.9 for before, after in pairwise(probes(vendor_of.refused_s)))
        assert letters(mock.bootstrap, letters_topic) == []
        assert (ledger.duplicates, committed(mock.bootstrap, group, topic, PARTITIONS)) == (0, ledger.ends())
        assert_sound(ledger, watch, connector)
        for pair in (OTHERS, REVOKED, RENEWED):
            assert pair.split(":")[1] not in connector.log

    def probes(refused_s: list[float]) -> list[float]:
        return [round(at_s - refused_s[0], 2) for at_s in refused_s if at_s >= refused_s[0] + 1.0]

    asyncio.run(run())
