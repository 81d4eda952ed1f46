"""How an app fared: NetworkPerformance, Breadcrumb, Crash. Pure."""

from collections.abc import Mapping
from typing import Any, ClassVar

from connector.domain.events.event import Event


class NetworkPerformance(Event, frozen=True, kw_only=True):
    """One HTTP call of the app.

    Units: `elapsed_ms` from request to reply; `payload` is base64 text.
    """

    kind_name: ClassVar[str | None] = "network_performance"

    url: str
    verb: str | None = None
    elapsed_ms: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    status: int | None = None
    payload: str | None = None
    properties: Mapping[str, Any] = {}


class Breadcrumb(Event, frozen=True, kw_only=True):
    """A mark left on the way, to be read after a crash."""

    kind_name: ClassVar[str | None] = "breadcrumb"

    label: str
    session_number: int | None = None
    properties: Mapping[str, Any] = {}


class Crash(Event, frozen=True, kw_only=True):
    """The app failed, or caught an exception (`handled`).

    `top_context`  what was on the screen.
    `report`       the platform's own report, as base64 text.
    `image_base_address`, `image_size`  unsigned, to 64 bits.
    """

    kind_name: ClassVar[str | None] = "crash"

    class_name: str | None = None
    severity: str | None = None
    message: str | None = None
    stack_trace: str | None = None
    handled: bool | None = None
    top_context: str | None = None
    report: str | None = None
    image_base_address: int | None = None
    image_size: int | None = None
    session_number: int | None = None
    breadcrumbs: tuple[Breadcrumb, ...] = ()
    properties: Mapping[str, Any] = {}
