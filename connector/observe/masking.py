"""Texts with the secrets taken out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

import msgspec

MASK = "***"
# A shorter secret stands in ordinary words; it is masked only where it is a whole JSON string.
SHORT = 8
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


class Masks:
    """Knows the secrets of a process; one that is JSON is known by the strings it holds."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            for part in (secret, *_strings(secret)):
                forms |= {msgspec.json.encode(part).decode()}
                if len(part) >= SHORT:
                    forms |= {part, quote(part, safe="")}
        self._forms = sorted(forms, key=len, reverse=True)

    def text(self, text: str) -> str:
        """Mask every secret in a text."""
        for form in self._forms:
            text = text.replace(form, f'"{MASK}"' if form.startswith('"') else MASK)
        return text

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Mask headers that carry credentials, and secrets in all others."""
        return {name: MASK if name.lower() in _SECRET_HEADERS else self.text(said) for name, said in headers.items()}


def _strings(text: str) -> Iterator[str]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return
    yield from _leaves(value)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
