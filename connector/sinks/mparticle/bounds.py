"""How long and how many the vendor takes, and which values. Pure.

A reply never says which batch failed, so what the vendor might refuse does not leave. Only names are cut, as the vendor
itself does with names from a server.
Units: characters are code points.
Source: docs.mparticle.com, "Default Service Limits", October 2023; value types by the vendor's schema.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct

from connector.errors import Untranslatable

LONGEST_NAME = 256
LONGEST_VALUE = 4096
MOST_ATTRIBUTES = 100
MOST_ENTRIES = 1000
LONGEST_ENTRY = 512
_OTHER_SCALARS = frozenset((int, float, bool, type(None)))

Attributes = Mapping[str, Any]
NONE: Attributes = MappingProxyType({})


class Bounds(Struct, frozen=True):
    """`cut_names`: a name that is too long is cut, else the event is refused."""

    cut_names: bool = True

    def name(self, text: str, field: str) -> str:
        if len(text) <= LONGEST_NAME:
            return text
        if not self.cut_names:
            raise Untranslatable("too_long", field)
        return text[:LONGEST_NAME]

    def attributes(self, values: Attributes, field: str) -> Attributes | None:
        """Check an event's attributes or flags: scalars alone. None where there are none. Raises: Untranslatable."""
        if not values:
            return None
        longest = 0
        for name, value in values.items():
            if len(name) > longest:
                longest = len(name)
            if type(value) is str:
                if len(value) > LONGEST_VALUE:
                    raise Untranslatable("too_long", field)
            elif type(value) not in _OTHER_SCALARS:
                raise Untranslatable("not_scalar", field)
        if longest <= LONGEST_NAME and len(values) <= MOST_ATTRIBUTES:
            return values
        return self._named(values, field)

    def user_attributes(self, values: Attributes) -> Attributes | None:
        """Check a user's attributes: scalars, or lists of them. None where there are none. Raises: Untranslatable."""
        if not values:
            return None
        for value in values.values():
            if type(value) is str:
                if len(value) > LONGEST_VALUE:
                    raise Untranslatable("too_long", "user_attributes")
            elif isinstance(value, list | tuple):
                _check_list(value)
            elif type(value) not in _OTHER_SCALARS:
                raise Untranslatable("not_scalar", "user_attributes")
        return self._named(values, "user_attributes")

    def _named(self, values: Attributes, field: str) -> Attributes:
        if len(values) > MOST_ATTRIBUTES:
            raise Untranslatable("too_many", field)
        return {self.name(name, field): value for name, value in values.items()}


def _check_list(entries: Sequence[Any]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise Untranslatable("too_many", "user_attributes")
    for entry in entries:
        if type(entry) is not str:
            if type(entry) not in _OTHER_SCALARS:
                raise Untranslatable("not_scalar", "user_attributes")
        elif len(entry) > LONGEST_ENTRY:
            raise Untranslatable("too_long", "user_attributes")


def scalars(values: Attributes, field: str) -> Attributes | None:
    """Check flags, for which no limits are documented. None where there are none. Raises: Untranslatable."""
    for value in values.values():
        if type(value) is not str and type(value) not in _OTHER_SCALARS:
            raise Untranslatable("not_scalar", field)
    return values or None


def texts(values: Attributes, field: str) -> Attributes | None:
    """Check attributes that are text on the wire; other scalars become text as JSON writes them, null is left out."""
    for value in values.values():
        if type(value) is not str:
            break
    else:
        return values or None
    checked = scalars(values, field) or {}
    return {
        name: value if type(value) is str else msgspec.json.encode(value).decode()
        for name, value in checked.items()
        if value is not None
    } or None
