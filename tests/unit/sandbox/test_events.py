"""Generated events: one seed decides them, and each is one that the connector reads."""

from collections import Counter
from itertools import islice

from connector.adapters.schema_files import load_schemas
from connector.domain.events import Event
from connector.domain.record import Partition, Record
from connector.errors import SchemaMissing, Undecodable
from connector.pipeline.decode import Decoder, Ignored
from connector.sandbox.events import events, schema_folder
from connector.sandbox.shop import CONTENTS


class NoRegistry:
    async def fetch(self, schema_id: int) -> list[str]:
        raise SchemaMissing


def test_a_seed_decides_every_byte() -> None:
    assert list(islice(events(3, ["segment"]), 200)) == list(islice(events(3, ["segment"]), 200))
    assert list(islice(events(3, ["segment"]), 200)) != list(islice(events(4, ["segment"]), 200))


def test_events_are_of_several_kinds_and_few_are_of_no_use() -> None:
    decoder = Decoder(NoRegistry(), fingerprints=load_schemas(schema_folder()).values())
    found: Counter[str] = Counter()
    users: set[bytes] = set()
    for offset, made in enumerate(islice(events(1, ["segment"]), 2000)):
        users.add(made.key)
        try:
            event = decoder.decode(Record(Partition("t", 0), offset, 5, made.key, made.value))
        except Undecodable as fault:
            found[fault.reason] += 1
            continue
        found[event.reason if isinstance(event, Ignored) else type(event).__name__] += 1
        if isinstance(event, Event):
            assert event.message_id == made.id
    kinds = {kind for kind, _, _ in CONTENTS.values()}
    assert kinds | {"tombstone"} <= found.keys()
    # Of 2000 records 4 are garbled and 20 tombstones; nothing else is without an event.
    assert sum(count for name, count in found.items() if name not in kinds | {"tombstone"}) in range(1, 20)
    assert found["tombstone"] in range(5, 50)
    assert len(users) > 100
