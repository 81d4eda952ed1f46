"""Purchases of about 800 bytes, each user's merged where they follow each other, in requests of 100 batches."""

import uuid
from typing import Any

import msgspec
from msgspec import Struct

from tests.bench.workloads import Arrived, Workload


class Attributes(Struct):
    user: str
    sequence: int
    produced_ms: int


class Data(Struct):
    custom_attributes: Attributes


class Wrapped(Struct):
    data: Data


_WRAPPED = msgspec.json.Decoder(Wrapped)


def _product(number: int) -> dict[str, Any]:
    return {
        "id": f"sku-{number % 5000:08}",
        "name": "Monopoly: 3rd Edition",
        "brand": "Hasbro",
        "category": "Games/Board games",
        "variant": "english",
        "position": 1 + number % 9,
        "price": 18.99,
        "quantity": 1 + number % 3,
        "coupon": "MAYDEALS",
        "total": 18.99 * (1 + number % 3),
        "attributes": {"material": "cardboard", "shelf": "A-17"},
    }


def event(number: int, key: str, sequence: int, now_ms: int) -> dict[str, Any]:
    products = [_product(number + offset) for offset in range(3)]
    return {
        "message_id": str(uuid.UUID(int=(now_ms << 64) + number)),
        "timestamp": now_ms,
        "user_id": key,
        "identities": {"email": f"{key}@example.com"},
        "currency": "EUR",
        "screen_name": "Checkout",
        "product_action": {
            "action": "purchase",
            "order_id": f"order-{number:012}",
            "affiliation": "web shop",
            "total": 64.97,
            "tax": 10.37,
            "shipping": 4.99,
            "coupon": "MAYDEALS",
            "products": products,
        },
        "properties": {"user": key, "sequence": sequence, "produced_ms": now_ms},
        "context": {
            "ip": "203.0.113.17",
            "locale": "de-DE",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            "device": {"platform": "Android", "manufacturer": "Example", "model": "X-1"},
            "app": {"name": "Shop", "version": "4.2.0"},
        },
    }


def arrived(body: bytes) -> Arrived:
    said = _WRAPPED.decode(body).data.custom_attributes
    return Arrived(said.user, said.sequence, said.produced_ms)


# The quota is the vendor's to give; what is measured is what an event costs.
WORKLOAD = Workload("Commerce", event, arrived, most_of_floor=2.2, settings={"MPARTICLE_RATE_PER_S": "1000000"})
