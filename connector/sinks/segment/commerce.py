"""What was done with goods, under the names of Segment's ecommerce spec. Pure.

Source: segment.com/docs, "Spec: V2 Ecommerce Events", read 2025-11-25.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from connector.domain.events import Commerce, Product, ProductAction, Promotion

# Spec events about one product: of an action on several products each is a message of its own.
_OF_ONE_PRODUCT: Mapping[str, str] = {
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "add_to_wishlist": "Product Added to Wishlist",
    "remove_from_wishlist": "Product Removed from Wishlist",
    "remove_from_wish_list": "Product Removed from Wishlist",
    "click": "Product Clicked",
    "view_detail": "Product Viewed",
}
_OF_AN_ORDER: Mapping[str, str] = {
    "checkout_option": "Checkout Step Completed",
    "purchase": "Order Completed",
    "refund": "Order Refunded",
}
_PROMOTIONS: Mapping[str, str] = {"view": "Promotion Viewed", "click": "Promotion Clicked"}

# Our field and Segment's property.
_PRODUCT = (
    ("id", "product_id"),
    ("sku", "sku"),
    ("category", "category"),
    ("name", "name"),
    ("brand", "brand"),
    ("variant", "variant"),
    ("price", "price"),
    ("quantity", "quantity"),
    ("coupon", "coupon"),
    ("position", "position"),
    ("url", "url"),
    ("image_url", "image_url"),
)
_ORDER = (
    ("checkout_id", "checkout_id"),
    ("order_id", "order_id"),
    ("step", "step"),
    ("shipping_method", "shipping_method"),
    ("payment_method", "payment_method"),
    ("affiliation", "affiliation"),
    ("subtotal", "subtotal"),
    ("total", "total"),
    ("revenue", "revenue"),
    ("shipping", "shipping"),
    ("tax", "tax"),
    ("discount", "discount"),
    ("coupon", "coupon"),
)
_PROMOTION = (("id", "promotion_id"), ("creative", "creative"), ("name", "name"), ("position", "position"))


class Named(Struct, frozen=True):
    """One track message: its name and properties, and its role where an event makes several."""

    name: str
    properties: Mapping[str, Any]
    role: str = ""


def tracks(event: Commerce) -> Sequence[Named]:
    """Name what happened; () where the spec has no name for it. Own properties win; a sole message has no role."""
    found = [*_product_action(event), *_promotion_action(event), *_impressions(event)]
    if not found and event.product_action is None and event.promotion_action is None and event.cart is not None:
        found = [Named("Cart Viewed", _priced(event, {"products": _products(event.cart.products)}))]
    several = len(found) > 1
    return [Named(one.name, {**one.properties, **event.properties}, one.role if several else "") for one in found]


def _product_action(event: Commerce) -> Iterator[Named]:
    action = event.product_action
    if action is None:
        return
    if action.action in _OF_ONE_PRODUCT:
        for number, product in enumerate(action.products or (Product(),), start=1):
            yield Named(_OF_ONE_PRODUCT[action.action], _priced(event, _product(product)), f"item:{number}")
        return
    name = _order_name(action)
    if name:
        order = _named(action, _ORDER)
        if name == "Checkout Started" and "total" in order:
            # The one event whose total is called otherwise.
            order["value"] = order.pop("total")
        if action.products:
            order["products"] = _products(action.products)
        yield Named(name, _priced(event, order))


def _order_name(action: ProductAction) -> str:
    if action.action == "checkout":
        return "Checkout Started" if action.step is None else "Checkout Step Viewed"
    return _OF_AN_ORDER.get(action.action, "")


def _promotion_action(event: Commerce) -> Iterator[Named]:
    action = event.promotion_action
    if action is None or action.action not in _PROMOTIONS:
        return
    for number, promotion in enumerate(action.promotions or (Promotion(),), start=1):
        yield Named(
            _PROMOTIONS[action.action], _interacted(event, _named(promotion, _PROMOTION)), f"promotion:{number}"
        )


def _impressions(event: Commerce) -> Iterator[Named]:
    for number, impression in enumerate(event.impressions, start=1):
        shown: dict[str, Any] = {} if impression.list_name is None else {"list_id": impression.list_name}
        shown["products"] = _products(impression.products)
        yield Named("Product List Viewed", _interacted(event, shown), f"list:{number}")


def _products(products: Sequence[Product]) -> list[Mapping[str, Any]]:
    return [_product(product) for product in products]


def _product(product: Product) -> dict[str, Any]:
    return {**_named(product, _PRODUCT), **product.attributes}


def _priced(event: Commerce, properties: dict[str, Any]) -> dict[str, Any]:
    if event.currency is not None:
        properties["currency"] = event.currency
    return _interacted(event, properties)


def _interacted(event: Commerce, properties: dict[str, Any]) -> dict[str, Any]:
    """Mark what happened without the user's doing, as Google Analytics behind Segment reads it."""
    return {**properties, "nonInteraction": 1} if event.non_interactive else properties


def _named(part: Struct, names: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {theirs: value for ours, theirs in names if (value := getattr(part, ours)) is not None}
