"""The circumstances of an event, in typed parts. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from connector.domain.events.device import App, Device, DeviceState, Display, Network, OperatingSystem


class WebPage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The page that was open."""

    url: str | None = None
    path: str | None = None
    title: str | None = None
    search: str | None = None
    referrer: str | None = None


class Campaign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The marketing campaign that led here: the utm parameters."""

    id: str | None = None
    name: str | None = None
    source: str | None = None
    medium: str | None = None
    term: str | None = None
    content: str | None = None


class Referrer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who sent the user here."""

    id: str | None = None
    type: str | None = None
    name: str | None = None
    url: str | None = None
    link: str | None = None


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the user was. Units: degrees, metres."""

    latitude: float | None = None
    longitude: float | None = None
    accuracy_m: float | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    postal_code: str | None = None


class Session(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The visit an event belongs to; `number` counts the user's visits."""

    id: int | None = None
    uuid: str | None = None
    number: int | None = None
    started_ms: int | None = None


class DataPlan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tracking plan the event is checked against."""

    id: str | None = None
    version: int | None = None


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All circumstances; `extra` holds what has no field here, by the vendors' own keys."""

    ip: str | None = None
    locale: str | None = None
    timezone: str | None = None
    timezone_offset_h: int | None = None
    user_agent: str | None = None
    channel: str | None = None
    active: bool | None = None
    group_id: str | None = None
    tenant_id: str | None = None
    brand_id: str | None = None
    app: App = App()
    campaign: Campaign = Campaign()
    device: Device = Device()
    device_state: DeviceState = DeviceState()
    location: Location = Location()
    network: Network = Network()
    os: OperatingSystem = OperatingSystem()
    page: WebPage = WebPage()
    plan: DataPlan = DataPlan()
    referrer: Referrer = Referrer()
    screen: Display = Display()
    session: Session = Session()
    traits: Mapping[str, Any] = {}
    integration_attributes: Mapping[str, Mapping[str, str]] = {}
    extra: Mapping[str, Any] = {}
