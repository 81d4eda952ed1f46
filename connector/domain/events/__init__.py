"""Our events, one struct per kind, as translators read them."""

from collections.abc import Mapping
from types import MappingProxyType

from connector.domain.events.behaviour import Media, Page, Screen, Track
from connector.domain.events.consent import Consent
from connector.domain.events.context import Campaign, Context, DataPlan, Location, Referrer, Session, WebPage
from connector.domain.events.device import App, Device, DeviceState, Display, Network, OperatingSystem
from connector.domain.events.event import Event
from connector.domain.events.people import Alias, Group, Identify

KINDS: Mapping[str, type[Event]] = MappingProxyType(
    {kind.__name__: kind for kind in (Alias, Group, Identify, Page, Screen, Track)}
)
"""Kind name -> its struct: all there are."""

__all__ = [
    "KINDS",
    "Alias",
    "App",
    "Campaign",
    "Consent",
    "Context",
    "DataPlan",
    "Device",
    "DeviceState",
    "Display",
    "Event",
    "Group",
    "Identify",
    "Location",
    "Media",
    "Network",
    "OperatingSystem",
    "Page",
    "Referrer",
    "Screen",
    "Session",
    "Track",
    "WebPage",
]
