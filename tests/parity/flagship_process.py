"""Flagship's SDKs as a stream: the steps that a captured process took, as the events that carry what it knew."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from connector.domain.events import (
    Commerce,
    ConsentChange,
    Context,
    Event,
    Exposure,
    Identify,
    Page,
    Product,
    ProductAction,
    Screen,
    Track,
)
from tests.parity.capture import Subject

BEGAN_MS = 1_700_000_000_250  # at which the captures' clock stood
ANONYMOUS_ID = {"2.1.5": "2024010112000012345", "3.0.1": "5f0c6f0e-8d4e-4b0e-9c63-0b6f2f4a0001"}


class Process(Struct):
    """What an SDK knows of its one visitor after some steps, and the events it has not sent yet."""

    input: Mapping[str, Any]
    version: str
    user_id: str | None
    anonymous_id: str | None
    context: dict[str, Any]
    consent: bool
    waiting: list[Event]
    now_ms: int = BEGAN_MS

    @property
    def batches(self) -> bool:
        return self.version == "3.0.1"

    @property
    def asks(self) -> bool:
        return bool(self.input["mode"] == "DECISION_API")

    def ids(self) -> dict[str, Any]:
        return {"user_id": self.user_id, "anonymous_id": self.anonymous_id, "timestamp_ms": self.now_ms}

    def told(self) -> Identify:
        return Identify(traits=self.context, **self.ids())

    def exposed(self, flag: str) -> Exposure:
        return Exposure(flag=flag, context=Context(traits=self.context), **self.ids())


def begun(subject: Subject) -> Process:
    given, version = subject.input["visitor"], subject.version
    # Source: flagship.md 2. The older SDK makes an anonymous id only where it asks the API.
    logged = given.get("authenticated") and (version == "3.0.1" or subject.input["mode"] == "DECISION_API")
    process = Process(
        input=subject.input,
        version=version,
        user_id=given["id"],
        anonymous_id=ANONYMOUS_ID[version] if logged else None,
        context=dict(given["context"]),
        consent=given.get("consent", True),
        waiting=[],
    )
    if process.batches:
        process.waiting.append(ConsentChange(granted=process.consent, **process.ids()))
    return process


def inputs(subject: Subject) -> list[Event]:
    """Take the steps; return the events of what the last one sends."""
    process, events = begun(subject), list[Event]()
    for step in subject.input["steps"]:
        events = _STEPS[step["op"]](process, step)
    return events


# Steps


def _nothing(process: Process, step: Mapping[str, Any]) -> list[Event]:
    return []


def _later(process: Process, step: Mapping[str, Any]) -> list[Event]:
    process.now_ms += step["ms"]
    return []


def _decided(process: Process, step: Mapping[str, Any]) -> list[Event]:
    """Ask the API, by a flag that nobody has, and tell the context: at once, or with the next batch."""
    asked: list[Event] = [process.exposed("nobody's flag")] if process.asks else []
    if not process.batches:
        return [*asked, process.told()]
    if not process.asks:
        process.waiting.append(process.told())
    return asked


def _context(process: Process, step: Mapping[str, Any]) -> list[Event]:
    process.context.update(step.get("context", {}))
    if "pair" in step:
        key, value = step["pair"]
        process.context[key] = value
    return _decided(process, step) if step.get("synchronize") else []


def _authenticated(process: Process, step: Mapping[str, Any]) -> list[Event]:
    process.anonymous_id = process.anonymous_id or process.user_id
    process.user_id = step["visitor_id"]
    return []


def _unauthenticated(process: Process, step: Mapping[str, Any]) -> list[Event]:
    if process.anonymous_id is not None:
        process.user_id, process.anonymous_id = process.anonymous_id, None
    return []


def _activated(process: Process, step: Mapping[str, Any]) -> list[Event]:
    return [process.exposed(step["key"])]


def _hit(process: Process, step: Mapping[str, Any]) -> list[Event]:
    event = _HITS[step["type"]](step, {**process.ids(), "context": _circumstances(step)})
    if not process.batches:
        return [event]
    process.waiting = _joined(process.waiting, event)
    full = len(process.waiting) >= process.input["config"].get("max_pool_size", 20)
    return _flushed(process, step) if full else []


def _joined(waiting: list[Event], event: Event) -> list[Event]:
    """Put an item to the transaction it follows: they are one event of ours."""
    last = waiting[-1] if waiting else None
    if isinstance(last, Commerce) and isinstance(event, Commerce) and last.product_action and event.product_action:
        products = last.product_action.products + event.product_action.products
        return [*waiting[:-1], replace(last, product_action=replace(last.product_action, products=products))]
    return [*waiting, event]


def _flushed(process: Process, step: Mapping[str, Any]) -> list[Event]:
    events, process.waiting = process.waiting, []
    return events


_STEPS: Mapping[str, Callable[[Process, Mapping[str, Any]], list[Event]]] = {
    "activate": _activated,
    "advance_ms": _later,
    "authenticate": _authenticated,
    "fetch_flags": _decided,
    "flush": _flushed,
    "get_flag": _activated,
    "get_modification": _activated,
    "hit": _hit,
    "poll_bucketing": _nothing,
    "start": _nothing,
    "synchronize": _decided,
    "unauthenticate": _unauthenticated,
    "update_context": _context,
}


# Hits


def _circumstances(step: Mapping[str, Any]) -> Context:
    width, height = step.get("resolution", (None, None))
    given = {
        "ip": step.get("ip"),
        "locale": step.get("locale"),
        "screen": {"width": width, "height": height},
        "session": {"number": step.get("session_number")},
    }
    return msgspec.convert(given, Context)


def _track(step: Mapping[str, Any], common: Mapping[str, Any]) -> Event:
    told: dict[str, Any] = {name: step.get(name) for name in ("category", "label", "value")}
    return Track(name=step["action"], **told, **common)


def _page(step: Mapping[str, Any], common: Mapping[str, Any]) -> Event:
    return Page(properties={"url": step["location"]}, **common)


def _screen(step: Mapping[str, Any], common: Mapping[str, Any]) -> Event:
    return Screen(name=step["location"], **common)


def _transaction(step: Mapping[str, Any], common: Mapping[str, Any]) -> Event:
    action = ProductAction(
        action="purchase",
        order_id=step["transaction_id"],
        affiliation=step["affiliation"],
        total=step.get("total_revenue"),
        shipping=step.get("shipping_cost"),
        tax=step.get("taxes"),
        payment_method=step.get("payment_method"),
        shipping_method=step.get("shipping_method"),
        item_count=step.get("item_count"),
        coupon=step.get("coupon_code"),
    )
    return Commerce(product_action=action, currency=step.get("currency"), **common)


def _item(step: Mapping[str, Any], common: Mapping[str, Any]) -> Event:
    """An item comes with its transaction only; that one is not compared."""
    product = Product(
        name=step["product_name"],
        sku=step["product_sku"],
        category=step.get("item_category"),
        quantity=step.get("item_quantity"),
        price=step.get("price"),
    )
    action = ProductAction(action="purchase", order_id=step["transaction_id"], products=(product,))
    return Commerce(product_action=action, **common)


_HITS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Event]] = {
    "EVENT": _track,
    "ITEM": _item,
    "PAGE": _page,
    "SCREEN": _screen,
    "TRANSACTION": _transaction,
}
