"""Event kinds the sketches need, with no more fields than they use."""

from msgspec import Struct

from connector.domain.events import Event


class Exposure(Event, frozen=True, kw_only=True):
    """A flag was shown to a visitor."""

    flag: str


class Line(Struct, frozen=True):
    """One product of an order."""

    name: str
    sku: str
    price: float
    quantity: int


class Purchase(Event, frozen=True, kw_only=True):
    """An order with its lines."""

    order_id: str
    affiliation: str
    currency: str
    revenue: float
    lines: tuple[Line, ...] = ()
