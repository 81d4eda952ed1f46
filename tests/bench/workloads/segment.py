"""Track events of about 480 bytes, in batches of 100."""

import uuid
from typing import Any

import msgspec
from msgspec import Struct

from tests.bench.workloads import Arrived, Workload


class Properties(Struct):
    sequence: int
    produced_ms: int


class Message(Struct, rename="camel"):
    user_id: str
    properties: Properties


_MESSAGE = msgspec.json.Decoder(Message)


def event(number: int, key: str, sequence: int, now_ms: int) -> dict[str, Any]:
    return {
        "message_id": str(uuid.UUID(int=(now_ms << 64) + number)),
        "timestamp": now_ms,
        "user_id": key,
        "anonymous_id": str(uuid.UUID(int=number)),
        "name": "Product Added",
        "properties": {
            "sequence": sequence,
            "produced_ms": now_ms,
            "product_id": f"sku-{number % 5000:08}",
            "name": "Monopoly: 3rd Edition",
            "category": "Games",
            "brand": "Hasbro",
            "price": 18.99,
            "quantity": 1 + number % 3,
            "coupon": "MAYDEALS",
            "currency": "EUR",
            "in_stock": True,
            "image_url": "https://www.example.com/product/path.jpg",
        },
        "context": {
            "ip": "203.0.113.17",
            "locale": "de-DE",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        },
    }


def arrived(body: bytes) -> Arrived:
    message = _MESSAGE.decode(body)
    return Arrived(message.user_id, message.properties.sequence, message.properties.produced_ms)


WORKLOAD = Workload("Track", event, arrived, most_of_floor=1.75, settings={"SEGMENT_BATCH_SIZE": "100"})
