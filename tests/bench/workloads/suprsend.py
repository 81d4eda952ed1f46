"""The same Track events, in batches of 100 with no two of a key, because replies judge each alone."""

import msgspec
from msgspec import Struct

from tests.bench.workloads import Arrived, Workload
from tests.bench.workloads.segment import Properties, event


class Record(Struct):
    distinct_id: str
    properties: Properties


_RECORD = msgspec.json.Decoder(Record)


def arrived(body: bytes) -> Arrived:
    record = _RECORD.decode(body)
    return Arrived(record.distinct_id, record.properties.sequence, record.properties.produced_ms)


WORKLOAD = Workload("Track", event, arrived, most_of_floor=2.2, settings={"SUPRSEND_START_FROM": "earliest"})
