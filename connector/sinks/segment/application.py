"""The life of an app under the names of Segment's mobile spec. Pure.

Source: segment.com/docs, "Native Mobile Spec", read 2025-11-25.
"""

from collections.abc import Mapping
from typing import Any

from connector.domain.events import AppState

# What the spec has no name for is not here.
_NAMES: Mapping[str, str] = {
    "install": "Application Installed",
    "upgrade": "Application Updated",
    "foreground": "Application Opened",
    "background": "Application Backgrounded",
    "application_initialized": "Application Opened",
    "application_foreground": "Application Opened",
    "application_background": "Application Backgrounded",
    "launch_referral": "Application Opened",
}
_FROM_BACKGROUND: Mapping[str, bool] = {
    "foreground": True,
    "application_foreground": True,
    "application_initialized": False,
}


def lifecycle(event: AppState) -> tuple[str, Mapping[str, Any]] | None:
    """Return name and properties of a transition; None where the spec knows none. The event's own properties win."""
    name = _NAMES.get(event.transition)
    if name is None:
        return None
    if event.transition == "application_initialized" and (event.first_run or event.upgrade):
        name = "Application Installed" if event.first_run else "Application Updated"
    if name == "Application Backgrounded":
        return name, event.properties
    app = event.context.app
    said: dict[str, Any] = {"version": app.version, "build": app.build}
    if name == "Application Updated":
        said |= {"previous_version": event.previous_version, "previous_build": event.previous_build}
    if name == "Application Opened":
        said["from_background"] = _FROM_BACKGROUND.get(event.transition)
    return name, {**{key: value for key, value in said.items() if value is not None}, **event.properties}
