"""A file that travels with an event. Pure."""

from msgspec import Struct


class Attachment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file by its content, or by where the vendor finds it; nothing here opens either.

    `ignore_if_error` has the vendor go on without the file where it cannot get it.
    """

    file_name: str | None = None
    data: bytes | None = None
    url: str | None = None
    ignore_if_error: bool = False
