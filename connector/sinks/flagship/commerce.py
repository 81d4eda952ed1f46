"""A purchase as a transaction and its items. Pure.

Source: sheet section 13. The bounds of ten characters are not kept: the SDK sends longer ones too.
"""

from typing import Any

from msgspec import UNSET, UnsetType

from connector.domain.events import Product, ProductAction
from connector.sinks.flagship.hits import optional, required, whole_number
from connector.sinks.flagship.wire import ItemHit, TransactionHit


def transaction(
    action: ProductAction, currency: str | None, affiliation: str, common: dict[str, Any]
) -> TransactionHit:
    """`tr` is all that was paid; what it counts for is the affiliation, or the one of the settings."""
    return TransactionHit(
        tid=required(action.order_id, "order_id"),
        ta=required(action.affiliation or affiliation, "affiliation"),
        tc=_text(currency),
        icn=UNSET if action.item_count is None else action.item_count,
        pm=_text(action.payment_method),
        ts=_number(action.shipping),
        sm=_text(action.shipping_method),
        tt=_number(action.tax),
        tr=_number(action.total),
        tcc=_text(action.coupon),
        **common,
    )


def item(product: Product, action: ProductAction, common: dict[str, Any]) -> ItemHit:
    return ItemHit(
        tid=required(action.order_id, "order_id"),
        name=required(product.name, "products.name"),
        ic=required(product.sku or product.id, "products.sku"),
        iv=optional(product.category, "products.category"),
        iq=whole_number(product.quantity),
        ip=_number(product.price),
        **common,
    )


def _text(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text


def _number(number: float | None) -> int | float | UnsetType:
    return UNSET if number is None else number
