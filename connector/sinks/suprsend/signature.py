"""The signature of a request: over its method, the very bytes sent, their type, the time and the address. Pure."""

import hashlib
import hmac
from base64 import b64encode
from email.utils import formatdate

CONTENT_TYPE = "application/json; charset=utf-8"


def http_date(now_ms: int) -> str:
    """Write a time as the Date header has it: in GMT, English, to the second."""
    return formatdate(now_ms // 1000, usegmt=True)


def sign(secret: bytes, method: str, body: bytes, date: str, uri: str) -> str:
    """Sign one request.

    Shape:  Base64 of HMAC-SHA-256 over five lines: method, MD5 of the body in hex, content type, date, path and query.
    Source: suprsend-py-sdk 0.20.0 on the wire; the MD5 is no protection but the vendor's format.
    """
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    text = "\n".join((method, digest, CONTENT_TYPE, date, uri))
    return b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
