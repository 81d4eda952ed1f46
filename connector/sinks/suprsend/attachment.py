"""Files that travel with an event: their objects on the wire, their media types. Pure: no path or URL is opened."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from mimetypes import MimeTypes
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from connector.domain.events import Attachment
from connector.errors import Untranslatable

Detect = Callable[[bytes], str]

_UNKNOWN = "application/octet-stream"
# The built-in table alone: what else a machine lists would make bodies differ from one machine to another.
_BY_NAME = MimeTypes(filenames=())
_SCHEME = re.compile(r"https?://")


def with_attachments(
    values: dict[str, Any], attachments: Sequence[Attachment], detect: Detect | None
) -> dict[str, Any]:
    """Return properties or data with the files appended to their `$attachments`.

    Raises: Untranslatable, for a file that is neither bytes with a name nor a public https URL.
    """
    if not attachments:
        return values
    objects = [_object(one, detect) for one in attachments]
    before = values.get("$attachments")
    return {**values, "$attachments": [*(before if isinstance(before, list) else ()), *objects]}


def _object(attachment: Attachment, detect: Detect | None) -> dict[str, Any]:
    """Render one file; content goes before a URL.

    Source: suprsend-py-sdk 0.20.0 on the wire; it alone would open a path.
    """
    content_type = data = url = None
    name = attachment.file_name
    if attachment.data is not None:
        name = (name or "").strip()
        if not name:
            raise Untranslatable("attachment", "file_name")
        content_type = media_type(attachment.data, name, detect)
        data = b64encode(attachment.data).decode()
    else:
        url = _public(attachment.url or "")
    return {
        "filename": name,
        "contentType": content_type,
        "data": data,
        "url": url,
        "ignore_if_error": attachment.ignore_if_error,
    }


def _public(url: str) -> str:
    if not _SCHEME.match(url):
        raise Untranslatable("attachment_path", "url")
    if not url.startswith("https://") or not _is_public(_host(url)):
        raise Untranslatable("attachment", "url")
    return url


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_public(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host.rstrip(".") and not host.endswith((".local", ".localhost", ".internal"))


def media_type(content: bytes, name: str, detect: Detect | None) -> str:
    """Tell what a file is by its content, else by its name."""
    if detect is None:
        return _BY_NAME.guess_type(name)[0] or _UNKNOWN
    # For nothing at all libmagic has one word for files and another for buffers; the vendor's SDK reads files.
    return detect(content) if content else "inode/x-empty"


def libmagic() -> Detect | None:
    """Return detection by content: libmagic of the system, else the one that came by pip; None where neither loads."""
    magic = _system() or _bundled()
    if magic is None:
        return None

    def detect(content: bytes) -> str:
        return str(magic.from_buffer(content, mime=True))

    return detect


def _system() -> ModuleType | None:
    try:
        import magic
    except ImportError:
        return None
    return magic if isinstance(magic, ModuleType) else None


def _bundled() -> ModuleType | None:
    try:
        import pylibmagic  # noqa: F401  tells where its libmagic is
    except ImportError:
        return None
    return _system()
