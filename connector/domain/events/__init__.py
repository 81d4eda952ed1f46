"""Our events, one struct per kind, as translators read them."""

from collections.abc import Mapping
from types import MappingProxyType

from connector.domain.events.attachment import Attachment
from connector.domain.events.behaviour import Media, Page, Screen, Track
from connector.domain.events.commerce import (
    Cart,
    Commerce,
    Impression,
    Product,
    ProductAction,
    Promotion,
    PromotionAction,
)
from connector.domain.events.consent import Consent
from connector.domain.events.context import Campaign, Context, DataPlan, Location, Referrer, Session, WebPage
from connector.domain.events.device import App, Device, DeviceState, Display, Network, OperatingSystem
from connector.domain.events.diagnostics import Breadcrumb, Crash, NetworkPerformance
from connector.domain.events.event import Event
from connector.domain.events.exposure import Exposure
from connector.domain.events.lifecycle import AppState, Attribution, FirstRun, SessionEnd, SessionStart
from connector.domain.events.people import Alias, Group, Identify
from connector.domain.events.permission import ConsentChange, OptOut
from connector.domain.events.profile import Operation, ProfileChange, ProfileEdit, UserAttributeChange
from connector.domain.events.push import PushMessage, PushRegistration
from connector.domain.events.tracking_log import TrackingLog
from connector.domain.events.workflow import DeliveryInstruction, PushToken, Recipient, Workflow

KINDS: Mapping[str, type[Event]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            Alias,
            AppState,
            Attribution,
            Breadcrumb,
            Commerce,
            ConsentChange,
            Crash,
            Exposure,
            FirstRun,
            Group,
            Identify,
            NetworkPerformance,
            OptOut,
            Page,
            ProfileChange,
            ProfileEdit,
            PushMessage,
            PushRegistration,
            Screen,
            SessionEnd,
            SessionStart,
            Track,
            TrackingLog,
            UserAttributeChange,
            Workflow,
        )
    }
)
"""Kind name -> its struct: all there are."""

__all__ = [
    "KINDS",
    "Alias",
    "App",
    "AppState",
    "Attachment",
    "Attribution",
    "Breadcrumb",
    "Campaign",
    "Cart",
    "Commerce",
    "Consent",
    "ConsentChange",
    "Context",
    "Crash",
    "DataPlan",
    "DeliveryInstruction",
    "Device",
    "DeviceState",
    "Display",
    "Event",
    "Exposure",
    "FirstRun",
    "Group",
    "Identify",
    "Impression",
    "Location",
    "Media",
    "Network",
    "NetworkPerformance",
    "OperatingSystem",
    "Operation",
    "OptOut",
    "Page",
    "Product",
    "ProductAction",
    "ProfileChange",
    "ProfileEdit",
    "Promotion",
    "PromotionAction",
    "PushMessage",
    "PushRegistration",
    "PushToken",
    "Recipient",
    "Referrer",
    "Screen",
    "Session",
    "SessionEnd",
    "SessionStart",
    "Track",
    "TrackingLog",
    "UserAttributeChange",
    "WebPage",
    "Workflow",
]
