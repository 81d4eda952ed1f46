"""Open edX's tracking log as its own Segment backend sends it. Pure.

Source: event-tracking 4.0.2 on the wire: the whole entry as properties, and what is known of the browser as context.
"""

from collections.abc import Mapping
from typing import Any

from connector.domain.events import TrackingLog
from connector.errors import Untranslatable
from connector.sinks.segment.context import LIBRARY

_PAGE = (("path", "path"), ("referer", "referrer"))


def log_user(event: TrackingLog) -> str | None:
    """Return who the entry is about, as text; None for nobody: no user, null, "" or 0.

    Raises: Untranslatable, for what is neither text nor a number.
    """
    user = event.log_context.get("user_id")
    if not user:
        return None
    if not isinstance(user, str | int | float):
        raise Untranslatable("no_identity", "log_context.user_id")
    return str(user)


def log_properties(event: TrackingLog) -> Mapping[str, Any]:
    """Return the entry as it was logged."""
    whole = {
        "name": event.name,
        "timestamp": event.log_timestamp,
        "data": event.log_data,
        "context": event.log_context,
    }
    return {key: value for key, value in whole.items() if value is not None}


def browser_context(event: TrackingLog) -> Mapping[str, Any]:
    """Lift what Segment knows by a name of its own; null means absent, any other value goes as it is.

    Raises: Untranslatable, where no address can be made of path and host.
    """
    logged, found = event.log_context, dict[str, Any]()
    if logged.get("client_id") is not None:
        found["Google Analytics"] = {"clientId": logged["client_id"]}
    for name, key in (("ip", "ip"), ("agent", "userAgent")):
        if logged.get(name) is not None:
            found[key] = logged[name]
    page = {key: logged[name] for name, key in _PAGE if logged.get(name) is not None}
    url = _url(logged)
    if url is not None:
        page["url"] = url
    if page:
        found["page"] = page
    found["library"] = LIBRARY
    return found


def _url(logged: Mapping[str, Any]) -> Any:
    """Return the page's address as logged, else one of host and path; nothing of it is checked or escaped."""
    path, host, page = logged.get("path"), logged.get("host"), logged.get("page")
    if page or not path or not host:
        return page
    if not isinstance(path, str) or not isinstance(host, str):
        raise Untranslatable("unknown_value", "log_context.path")
    return f"https://{host}{path}" if path.startswith("/") else f"https://{host}/{path}"
