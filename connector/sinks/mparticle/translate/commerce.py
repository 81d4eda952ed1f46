"""What a user did with products and promotions, as commerce events. Pure.

Source: mparticle Python SDK 0.16.1 for names and order; docs.mparticle.com, "JSON Reference", October 2023: an event
takes one of the three forms, so one that has several becomes several.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from connector.domain.events import Commerce, Impression, Product, ProductAction, Promotion, PromotionAction
from connector.domain.ids import role_id
from connector.errors import Untranslatable
from connector.sinks.mparticle.bounds import Attributes, Bounds, scalars, texts
from connector.sinks.mparticle.translate.circumstances import EventData, common, wrapped
from connector.sinks.mparticle.vocabulary import PRODUCT_ACTIONS, PROMOTION_ACTIONS, required, word

# Our word, and the vendor's irregular one.
_ACTIONS = {"remove_from_wishlist": "remove_from_wish_list"}


class WireProduct(Struct, frozen=True, omit_defaults=True, gc=False):
    id: str | None = None
    name: str | None = None
    brand: str | None = None
    category: str | None = None
    variant: str | None = None
    position: int | None = None
    price: float | int | None = None
    quantity: float | int | None = None
    coupon_code: str | None = None
    added_to_cart_time_ms: int | None = None
    total_product_amount: float | int | None = None
    custom_attributes: Attributes | None = None


class WireProductAction(Struct, frozen=True, omit_defaults=True, gc=False):
    action: str
    checkout_step: int | None = None
    checkout_options: str | None = None
    product_action_list: str | None = None
    product_list_source: str | None = None
    transaction_id: str | None = None
    affiliation: str | None = None
    total_amount: float | int | None = None
    tax_amount: float | int | None = None
    shipping_amount: float | int | None = None
    coupon_code: str | None = None
    products: Sequence[WireProduct] | None = None


class WirePromotionAction(Struct, frozen=True, omit_defaults=True):
    action: str
    promotions: Sequence[Promotion] | None = None


class WireImpression(Struct, frozen=True):
    product_impression_list: str
    products: Sequence[WireProduct]


class WireCart(Struct, frozen=True):
    products: Sequence[WireProduct]


class CommerceEvent(EventData, frozen=True, kw_only=True, omit_defaults=True):
    product_action: WireProductAction | None = None
    promotion_action: WirePromotionAction | None = None
    product_impressions: Sequence[WireImpression] | None = None
    shopping_cart: WireCart | None = None
    currency_code: str | None = None
    screen_name: str | None = None
    is_non_interactive: bool | None = None
    custom_flags: Attributes | None = None


def commerce(event: Commerce, ident: str, bounds: Bounds) -> Iterator[tuple[str, str, bytes]]:
    """Yield role, id and body of each form the event has; one alone goes by no role."""
    forms = list(_forms(event))
    if not forms:
        raise Untranslatable("missing", "product_action")
    cart = None if event.cart is None else WireCart(_products(event.cart.products))
    flags = scalars(event.flags, "custom_flags")
    for name, form in forms:
        role = name if len(forms) > 1 else ""
        form_id = role_id(ident, role)
        data = CommerceEvent(
            **common(event, form_id, event.properties, bounds),
            **{name: form},
            shopping_cart=cart,
            currency_code=event.currency,
            screen_name=event.screen_name,
            is_non_interactive=event.non_interactive,
            custom_flags=flags,
        )
        yield role, form_id, wrapped(data, "commerce_event")


def _forms(event: Commerce) -> Iterator[tuple[str, Any]]:
    if event.product_action is not None:
        yield "product_action", _product_action(event.product_action)
    if event.promotion_action is not None:
        yield "promotion_action", _promotion_action(event.promotion_action)
    if event.impressions:
        yield "product_impressions", [_impression(one) for one in event.impressions]


def _product_action(done: ProductAction) -> WireProductAction:
    action = word(_ACTIONS.get(done.action, done.action), PRODUCT_ACTIONS, "product_action.action")
    return WireProductAction(
        required(action, "product_action.action"),
        done.step,
        done.options,
        done.list_name,
        done.list_source,
        done.order_id,
        done.affiliation,
        done.total,
        done.tax,
        done.shipping,
        done.coupon,
        _products(done.products) or None,
    )


def _impression(shown: Impression) -> WireImpression:
    name = required(shown.list_name, "product_impression_list")
    return WireImpression(name, _products(shown.products))


def _products(products: Sequence[Product]) -> list[WireProduct]:
    return [
        WireProduct(
            one.id or one.sku,
            one.name,
            one.brand,
            one.category,
            one.variant,
            one.position,
            one.price,
            one.quantity,
            one.coupon,
            one.added_to_cart_ms,
            one.total,
            texts(one.attributes, "products.custom_attributes"),
        )
        for one in products
    ]


def _promotion_action(done: PromotionAction) -> WirePromotionAction:
    action = required(word(done.action, PROMOTION_ACTIONS, "promotion_action.action"), "promotion_action.action")
    return WirePromotionAction(action, done.promotions or None)
