"""Our events, one struct per kind, as translators read them."""

from connector.domain.events.event import Event

__all__ = ["Event"]
