"""The bodies that travel, one struct per type, keys in the order the official SDK writes them. Pure.

A key that is not set is absent, except that the batched form says null for an id there is none of.
Source: sheet sections 2, 11 to 13.
"""

from collections.abc import Mapping

from msgspec import UNSET, Struct, UnsetType, field

from connector.sinks.flagship.rules import Scalar

Text = str | UnsetType
Number = int | float | UnsetType
Whole = int | UnsetType
Id = str | UnsetType | None


class Hit(Struct, frozen=True, gc=False, kw_only=True, tag_field="t"):
    """What all hits share: `uip` address, `ul` language, `sr` resolution, `sn` and `cst` session number and start."""

    ds: str = "APP"
    vid: str
    cuid: Id = UNSET
    uip: Text = UNSET
    ul: Text = UNSET
    sr: Text = UNSET
    sn: Whole = UNSET
    cst: Whole = UNSET


class PageHit(Hit, frozen=True, gc=False, kw_only=True, tag="PAGEVIEW"):
    dl: str


class ScreenHit(Hit, frozen=True, gc=False, kw_only=True, tag="SCREENVIEW"):
    dl: str


class EventHit(Hit, frozen=True, gc=False, kw_only=True, tag="EVENT"):
    """`ec` category, `ea` action, `el` label, `ev` value."""

    ec: str
    ea: str
    el: Text = UNSET
    ev: Whole = UNSET


class TransactionHit(Hit, frozen=True, gc=False, kw_only=True, tag="TRANSACTION"):
    """`ta` is what the purchase counts for; `tr` the revenue with taxes `tt` and shipping `ts`; `icn` items."""

    tid: str
    ta: str
    tc: Text = UNSET
    icn: Whole = UNSET
    pm: Text = UNSET
    ts: Number = UNSET
    sm: Text = UNSET
    tt: Number = UNSET
    tr: Number = UNSET
    tcc: Text = UNSET


class ItemHit(Hit, frozen=True, gc=False, kw_only=True, tag="ITEM"):
    """`ic` is the product's code, `iv` its category, `ip` the price of one of `iq`."""

    tid: str
    name: str = field(name="in")
    ic: str
    iv: Text = UNSET
    iq: Whole = UNSET
    ip: Number = UNSET


class SegmentHit(Hit, frozen=True, gc=False, kw_only=True, tag="SEGMENT"):
    """A visitor's context, every value as text."""

    s: Mapping[str, str]


class Activation(Struct, frozen=True, gc=False, kw_only=True):
    """`caid` is the variation group in spite of its name."""

    caid: str
    vaid: str
    vid: str
    aid: Id = UNSET


class ContextEvent(Struct, frozen=True, gc=False, kw_only=True):
    type: str = "CONTEXT"
    data: Mapping[str, Scalar]
    visitor_id: str = field(name="visitorId")
