"""Flagship's stage: a topic, the vendor with a file that changes, and what it took."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from connector.sandbox.faults import parse_faults
from connector.sandbox.flagship import ENV_ID, FILE, Flagship
from connector.sandbox.server import Sandbox, Script
from connector.sandbox.vendor import Answer, Call, Item, Route
from tests.integration.events import AVRO, Made, encode, single_object_head
from tests.integration.oracle import Ledger, committed, create_topics, letters
from tests.integration.process import RUN, Connector, named, until

PARTITIONS = 2
NOBODY = "kafka-vendor-connector"


def file(short: int, long: int, *, panic: bool = False) -> dict[str, Any]:
    """Return the sandbox's file with other shares of its two variations, cb and cc."""
    made: dict[str, Any] = json.loads(json.dumps({**FILE, "panic": panic}))
    for variation, share in zip(made["campaigns"][0]["variationGroups"][0]["variations"], (short, long), strict=True):
        variation["allocation"] = share
    return made


class Stage:
    """A topic, the vendor, and what it took in order: activations as visitor and variation, hits as label."""

    def __init__(self, kafka: str, folder: Path, vendor: Flagship | None = None, faults: str = "") -> None:
        self.kafka = kafka
        self.folder = folder
        self.topic = named("flagship")
        self.letters_topic = f"{self.topic}.letters.flagship"
        create_topics(kafka, self.topic, self.letters_topic, partitions=PARTITIONS)
        self.ledger = Ledger()
        self.taken: list[tuple[str, str]] = []
        self.sandbox = Sandbox([vendor or Flagship()], Script(parse_faults(faults)), self._took)
        self._made = 0

    async def __aenter__(self) -> "Stage":
        await self.sandbox.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sandbox.stop()

    def _took(self, vendor: str, items: Iterable[Item]) -> None:
        for item in items:
            body = json.loads(item.body)
            self.taken.append((body["vid"], item.label))

    def connector(self, program: Sequence[str] = RUN, **more: str) -> Connector:
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "KAFKA_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_HEARTBEAT_INTERVAL_MS": "300",
            "CONNECTOR_SINKS": "flagship",
            "CONNECTOR_TOPICS": self.topic,
            "CONNECTOR_GROUP_ID": self.topic,
            "CONNECTOR_SCHEMA_DIR": str(AVRO),
            "CONNECTOR_DEAD_LETTER_PREFIX": f"{self.topic}.letters",
            "FLAGSHIP_POLLING_INTERVAL": "1s",
            "FLAGSHIP_LINGER_S": "0.05",
            **self.sandbox.environ(),
            **more,
        }
        return Connector(env, self.folder, program)

    async def produce(self, visitors: Iterable[str], kind: str = "Exposure") -> None:
        """Have each visitor meet the flag, or do something."""
        records = []
        for visitor in visitors:
            name = {"flag": "checkout"} if kind == "Exposure" else {"name": "did"}
            identifier = f"{self.topic}-{self._made}"
            event = {"message_id": identifier, "user_id": visitor, "timestamp": time.time_ns() // 1_000_000, **name}
            value = encode(kind, event, single_object_head(kind))
            records.append(Made(visitor.encode(), value, identifier, kind, self._made, self._made))
            self._made += 1
        await asyncio.to_thread(self.ledger.produce, self.kafka, self.topic, records)

    async def settled(self, within_s: float = 60.0, *, letters_too: bool = False) -> None:
        """Wait until everything that was produced is committed, and no letter was written unless some may be."""

        async def all_committed() -> bool:
            found = await asyncio.to_thread(committed, self.kafka, f"{self.topic}.flagship", self.topic, PARTITIONS)
            return all(found[at] == end for at, end in self.ledger.ends().items())

        await until(all_committed, within_s, "every offset committed")
        assert letters_too or await self.reasons() == {}

    async def reasons(self) -> dict[str, str]:
        """Return why visitors' records became letters."""
        found = await asyncio.to_thread(letters, self.kafka, self.letters_topic)
        return {(one.key or b"").decode(): one.notes["reason"] for one in found}

    async def publish(self, made: dict[str, Any], *, polled: bool = True) -> None:
        """Replace the file; wait until the connector has it."""
        books = self.sandbox.books["flagship"]
        served = books.statuses["200"]
        url = f"{self.sandbox.address}/flagship/{ENV_ID}/bucketing.json"
        request = Request(url, json.dumps(made).encode(), {"Content-Type": "application/json"}, method="PUT")
        await asyncio.to_thread(lambda: urlopen(request, timeout=5).close())
        if polled:
            # Of activations alone, which are answered 204: a 200 is the file.
            await until(lambda: books.statuses["200"] > served, 10, "the new file polled")


class Moody(Flagship):
    """Answers questions about some visitors, or about all (""), in a way of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.moods: dict[str, Answer] = {}
        self.asked_s: list[tuple[float, str]] = []

    @property
    def routes(self) -> Mapping[str, Route]:
        return {**super().routes, "POST /v2/{env}/campaigns/": self._moody}

    def _moody(self, call: Call) -> Answer:
        visitor = json.loads(call.body)["visitorId"]
        if visitor == NOBODY:
            return self._campaigns(call)
        self.asked_s.append((time.monotonic(), visitor))
        return self.moods.get(visitor) or self.moods.get("") or self._campaigns(call)
