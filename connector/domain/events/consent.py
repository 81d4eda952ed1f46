"""What a user agreed to. Pure."""

from msgspec import Struct


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of one purpose.

    `regulation` is the law it is asked under, such as gdpr or ccpa; the rest is the evidence vendors keep with it.
    """

    granted: bool
    regulation: str | None = None
    document: str | None = None
    timestamp_ms: int | None = None
    location: str | None = None
    hardware_id: str | None = None
