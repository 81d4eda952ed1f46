"""What happens in a small shop, by kind of event: fields as the schemas of avro/ have them. Pure.

Whatever a vendor makes of an event, its id stands somewhere in it: `trace`, an order's number, a page's address. Where
a kind has no room for that, the user is one of its own.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

Content = Callable[[str, str, random.Random], dict[str, Any]]

_ACTIONS = ("Product Searched", "Product Shared", "Help Asked", "Video Watched", "Newsletter Opened")
_PAGES = ("Home", "Catalogue", "Basket", "Help")
_PLANS = ("free", "basic", "pro")
_CART_ACTIONS = ("view_detail", "add_to_cart", "add_to_cart", "remove_from_cart", "add_to_wishlist", "checkout")
_SESSIONS = 10_000


def _track(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    properties = {"trace": ident, "query": f"word-{chance.randrange(1000)}", "seconds": round(chance.uniform(1, 90), 1)}
    return {"name": chance.choice(_ACTIONS), "category": "shop", "label": ident, "properties": properties}


def _page(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    name = chance.choice(_PAGES)
    page = {"url": f"https://shop.example/{name.lower()}?view={ident}", "title": name}
    return {"name": name, "context": {"page": page}, "properties": {"trace": ident, "depth": chance.randrange(9)}}


def _screen(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    properties = {"trace": ident, "depth": chance.randrange(9)}
    return {"name": chance.choice(_PAGES), "user_id": f"visitor-{ident}", "properties": properties}


def _identify(ident: str, user: str, chance: random.Random) -> dict[str, Any]:
    traits = {"trace": ident, "plan": chance.choice(_PLANS), "orders": chance.randrange(50)}
    return {"traits": traits, "identities": {"email": f"{user}@shop.example"}}


def _group(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    return {"group_id": f"team-{chance.randrange(20)}", "traits": {"trace": ident, "seats": chance.randrange(1, 90)}}


def _alias(ident: str, _user: str, _chance: random.Random) -> dict[str, Any]:
    return {"previous_id": f"visitor-{ident}"}


def _product(chance: random.Random) -> dict[str, Any]:
    number, price = chance.randrange(1000), round(chance.uniform(5, 200), 2)
    quantity = chance.randrange(1, 4)
    product = {"id": f"p-{number}", "sku": f"sku-{number}", "name": f"Product {number}", "category": "goods"}
    return {**product, "price": price, "quantity": quantity, "total": round(price * quantity, 2)}


def _cart(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    action = {"action": chance.choice(_CART_ACTIONS), "products": [_product(chance)]}
    return {"product_action": action, "currency": "EUR", "properties": {"trace": ident}}


def _purchase(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    products = [_product(chance) for _ in range(chance.randrange(1, 4))]
    total = round(sum(product["total"] for product in products), 2)
    action = {"action": "purchase", "order_id": ident, "affiliation": "shop", "total": total, "products": products}
    return {"product_action": action, "currency": "EUR", "properties": {"trace": ident}}


def _promotion(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    promotion = {"id": f"banner-{chance.randrange(9)}", "name": "Summer", "position": "top"}
    action = {"action": chance.choice(("view", "click")), "promotions": [promotion]}
    return {"promotion_action": action, "properties": {"trace": ident}}


def _edit(ident: str, user: str, chance: random.Random) -> dict[str, Any]:
    operations = [
        {"op": "set", "properties": {"trace": ident, "plan": chance.choice(_PLANS)}},
        {"op": "increment", "properties": {"visits": 1}},
        {"op": "add_channel", "channel": "email", "value": f"{user}@shop.example"},
    ]
    return {"operations": operations[: chance.randrange(1, 4)]}


def _session(chance: random.Random) -> dict[str, Any]:
    return {"session": {"id": chance.randrange(1, _SESSIONS)}}


def _session_start(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    return {"context": _session(chance), "properties": {"trace": ident}}


def _session_end(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    duration_ms = chance.randrange(1_000, 900_000)
    return {"context": _session(chance), "duration_ms": duration_ms, "properties": {"trace": ident}}


def _app_state(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    transition = chance.choice(("install", "foreground", "foreground", "background"))
    return {"transition": transition, "properties": {"trace": ident}}


def _push(ident: str, _user: str, _chance: random.Random) -> dict[str, Any]:
    return {"token": f"token-{ident}", "platform": "android", "provider": "fcm", "properties": {"trace": ident}}


def _workflow(ident: str, user: str, chance: random.Random) -> dict[str, Any]:
    data = {"trace": ident, "order": chance.randrange(10_000)}
    return {"slug": "order-shipped", "recipients": [user], "data": data, "idempotency_key": ident}


def _exposure(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    decided = {"variation_id": chance.choice(("cb", "cc")), "variation_group_id": "ca", "experiment_id": "checkout"}
    met = chance.choice((decided, {"flag": "checkout"}))
    return {**met, "user_id": f"visitor-{ident}", "properties": {"trace": ident}}


def _consent(ident: str, _user: str, chance: random.Random) -> dict[str, Any]:
    granted = chance.random() < 0.8
    consent = {"marketing": {"granted": granted, "regulation": "gdpr", "document": f"notice-{ident}"}}
    return {"granted": granted, "consent": consent, "user_id": f"visitor-{ident}"}


CONTENTS: Mapping[str, tuple[str, int, Content]] = {
    "track": ("Track", 40, _track),
    "page": ("Page", 12, _page),
    "screen": ("Screen", 8, _screen),
    "identify": ("Identify", 8, _identify),
    "group": ("Group", 3, _group),
    "alias": ("Alias", 1, _alias),
    "cart": ("Commerce", 8, _cart),
    "purchase": ("Commerce", 4, _purchase),
    "promotion": ("Commerce", 2, _promotion),
    "edit": ("ProfileEdit", 4, _edit),
    "session start": ("SessionStart", 2, _session_start),
    "session end": ("SessionEnd", 2, _session_end),
    "app state": ("AppState", 1, _app_state),
    "push": ("PushRegistration", 1, _push),
    "workflow": ("Workflow", 2, _workflow),
    "exposure": ("Exposure", 1, _exposure),
    "consent": ("ConsentChange", 1, _consent),
}
"""What happens: the kind of its event, how often beside the others, and its fields but the common ones."""
