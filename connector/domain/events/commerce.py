"""What a user did with goods: Commerce and its parts. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from connector.domain.events.event import Event

ProductActionWord = Literal[
    "add_to_cart",
    "remove_from_cart",
    "add_to_wishlist",
    "remove_from_wishlist",
    "remove_from_wish_list",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "unknown",
]
"""The words of mParticle, sheet section 10, whose irregular one has a regular twin here."""

PromotionActionWord = Literal["view", "click", "unknown"]


class Product(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One product, or one line of an order.

    Units: the order's currency; `price` is of one unit, `total` of the line.
    """

    id: str | None = None
    sku: str | None = None
    name: str | None = None
    brand: str | None = None
    category: str | None = None
    variant: str | None = None
    position: int | None = None
    price: float | int | None = None
    quantity: float | int | None = None
    coupon: str | None = None
    total: float | int | None = None
    added_to_cart_ms: int | None = None
    url: str | None = None
    image_url: str | None = None
    attributes: Mapping[str, Any] = {}


class ProductAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done with products, and the transaction it belongs to.

    Units: the event's currency. `total` is all that was paid; `revenue` goes without tax and shipping, `subtotal`
    without those and the discount.
    `step`, `options`          where in the checkout.
    `list_name`, `list_source` the list the product was met in, and what led to that list.
    """

    action: ProductActionWord
    step: int | None = None
    options: str | None = None
    list_name: str | None = None
    list_source: str | None = None
    order_id: str | None = None
    checkout_id: str | None = None
    affiliation: str | None = None
    total: float | int | None = None
    subtotal: float | int | None = None
    revenue: float | int | None = None
    tax: float | int | None = None
    shipping: float | int | None = None
    discount: float | int | None = None
    coupon: str | None = None
    payment_method: str | None = None
    shipping_method: str | None = None
    item_count: int | None = None
    products: tuple[Product, ...] = ()


class Promotion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One promotion; `position` is a place on the page, in the page's own words."""

    id: str | None = None
    name: str | None = None
    creative: str | None = None
    position: str | None = None


class PromotionAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Promotions seen or clicked."""

    action: PromotionActionWord
    promotions: tuple[Promotion, ...] = ()


class Impression(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Products shown in a list."""

    list_name: str | None = None
    products: tuple[Product, ...] = ()


class Cart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was in the cart at the time."""

    products: tuple[Product, ...] = ()


class Commerce(Event, frozen=True, kw_only=True):
    """An action on products, on promotions, or products shown: one of the three, as vendors take it.

    `currency` is a code of ISO 4217; `screen_name` where it happened; `non_interactive` without the user's doing.
    `flags` are for the vendor, not for reports.
    """

    product_action: ProductAction | None = None
    promotion_action: PromotionAction | None = None
    impressions: tuple[Impression, ...] = ()
    cart: Cart | None = None
    currency: str | None = None
    screen_name: str | None = None
    non_interactive: bool | None = None
    properties: Mapping[str, Any] = {}
    flags: Mapping[str, Any] = {}

    @property
    def event_name(self) -> str:
        """The action's word; `promotion_view`, `promotion_click`; `impression`."""
        if self.product_action is not None:
            return self.product_action.action
        if self.promotion_action is not None:
            return f"promotion_{self.promotion_action.action}"
        return "impression"
