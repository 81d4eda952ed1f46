"""Bodies as JSON, encoded once. Pure."""

import msgspec

from connector.errors import Untranslatable

_ENCODER = msgspec.json.Encoder()


def encoded(body: object) -> bytes:
    """Encode a body as compact UTF-8 JSON, keys in the order of its fields or as they were put in.

    Raises: Untranslatable, for text that is no Unicode, or nesting without end.
    """
    try:
        return _ENCODER.encode(body)
    except (UnicodeEncodeError, TypeError, RecursionError):
        # The original error carries the value, which is user data.
        raise Untranslatable("not_encodable") from None
