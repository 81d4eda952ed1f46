"""Which variation a visitor gets: the bucketing file, allocation by hash, the choice within a campaign. Pure.

Source: sheet sections 6, 7, 9, 10.
"""

from collections.abc import Collection, Mapping
from typing import Any

import mmh3
import msgspec
from msgspec import Struct

from connector.sinks.flagship.rules import Rules, Scalar
from connector.sinks.flagship.targeting import Test, targeting

_BUCKETS = 100


class Owner(Struct, frozen=True):
    """Where a flag's value comes from."""

    campaign_id: str
    group_id: str
    variation_id: str
    reference: bool
    value: Any


class Choice(Struct, frozen=True):
    """What became of one campaign for a visitor: its group and variation, None where there is none for them."""

    campaign_id: str
    group_id: str | None = None
    variation_id: str | None = None
    reference: bool = False


class Variation(Struct, frozen=True):
    """`below` is the running total of allocations up to and with this one; `choice` is itself, chosen."""

    id: str
    below: float
    flags: Mapping[str, Owner]
    choice: Choice


class VariationGroup(Struct, frozen=True):
    id: str
    matches: Test
    variations: tuple[Variation, ...]


class Campaign(Struct, frozen=True):
    """`nothing` is the choice of a visitor it has no variation for."""

    groups: tuple[VariationGroup, ...]
    nothing: Choice


class BucketingFile(Struct, frozen=True):
    """A file read under one set of rules; `flags` are all that any variation sets.

    `broken` counts the variation groups that could not be read.
    """

    rules: Rules
    campaigns: tuple[Campaign, ...] = ()
    flags: frozenset[str] = frozenset()
    panic: bool = False
    broken: int = 0


class Assigned(Struct, frozen=True):
    """Variations a visitor had before: by group (`history`), or as a flat list (`variations`)."""

    history: Mapping[str, str] = {}
    variations: Collection[str] = ()


class Decision(Struct, frozen=True):
    """All choices in file order, and the flags they make: of two that set a flag the later one owns it."""

    choices: tuple[Choice, ...] = ()
    owners: Mapping[str, Owner] = {}


_NOT_ASSIGNED = Assigned()


def read_file(body: bytes, rules: Rules) -> BucketingFile:
    """Read a bucketing file; a group that cannot be read is left out alone. Raises: ValueError."""
    try:
        raw = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise ValueError("not JSON") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("campaigns", []), list):
        raise ValueError("not a bucketing file")
    campaigns, broken = [], 0
    for campaign in raw.get("campaigns", []):
        try:
            name, raw_groups = _text(campaign["id"]), list(campaign["variationGroups"])
        except (KeyError, TypeError, AttributeError):
            broken += 1
            continue
        groups = []
        for group in raw_groups:
            try:
                groups.append(_group(name, group, rules))
            except (KeyError, TypeError, AttributeError):
                broken += 1
        campaigns.append(Campaign(tuple(groups), Choice(name)))
    variations = (one for campaign in campaigns for group in campaign.groups for one in group.variations)
    flags = frozenset(flag for variation in variations for flag in variation.flags)
    return BucketingFile(rules, tuple(campaigns), flags, bool(raw.get("panic")), broken)


def _group(campaign_id: str, raw: Mapping[str, Any], rules: Rules) -> VariationGroup:
    group_id, below = _text(raw["id"]), 0.0
    variations = []
    for one in raw["variations"]:
        variation_id, modifications = _text(one["id"]), one["modifications"]["value"]
        reference = bool(one.get("reference", False))
        below += one.get("allocation") or 0
        flags = {
            key: Owner(campaign_id, group_id, variation_id, reference, value) for key, value in modifications.items()
        }
        variations.append(Variation(variation_id, below, flags, Choice(campaign_id, group_id, variation_id, reference)))
    return VariationGroup(group_id, targeting(raw["targeting"], rules), tuple(variations))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("an id is text")
    return value


def decide(
    file: BucketingFile, visitor_id: str, context: Mapping[str, Scalar], assigned: Assigned = _NOT_ASSIGNED
) -> Decision:
    """Choose in every campaign for one visitor; `context` is what the caller supplied."""
    rules = file.rules
    known = {**rules.presets, **context}
    if rules.users_by_id:
        known["fs_users"] = visitor_id
    choices: list[Choice] = []
    owners: dict[str, Owner] = {}
    for campaign in file.campaigns:
        variation = _chosen(campaign, rules, visitor_id, known, assigned)
        if variation is None:
            choices.append(campaign.nothing)
        else:
            choices.append(variation.choice)
            owners.update(variation.flags)
    return Decision(tuple(choices), owners)


def _chosen(
    campaign: Campaign, rules: Rules, visitor_id: str, known: Mapping[str, Scalar], assigned: Assigned
) -> Variation | None:
    for group in campaign.groups:
        if group.matches(known):
            variation = _variation(group, visitor_id, rules, assigned)
            if variation is not None or rules.first_match:
                return variation
    return None


def _variation(group: VariationGroup, visitor_id: str, rules: Rules, assigned: Assigned) -> Variation | None:
    """Return the variation the visitor had, whatever its allocation, else the one of their bucket.

    One that is gone leaves the group empty where the history names the group, and has the visitor hashed anew else.
    """
    had = assigned.history.get(group.id)
    if had is not None:
        return next((variation for variation in group.variations if variation.id == had), None)
    if assigned.variations:
        for variation in group.variations:
            if variation.id in assigned.variations:
                return variation
    in_bucket = bucket(group.id + visitor_id, utf8=rules.utf8)
    for variation in group.variations:
        if variation.below > in_bucket:
            return variation
    return None


def bucket(text: str, *, utf8: bool = True) -> int:
    """Return the bucket of a variation group's id with a visitor's id behind it: 0 to 99."""
    return hashed(text, utf8=utf8) % _BUCKETS


def hashed(text: str, *, utf8: bool = True) -> int:
    """Hash by MurmurHash3, x86 32 bit, seed 0, unsigned; without `utf8` as the Python SDKs do."""
    data = text.encode(errors="surrogatepass") if utf8 or text.isascii() else b"".join(map(_sdk_bytes, text))
    return mmh3.hash(data, 0, signed=False)


def _sdk_bytes(character: str) -> bytes:
    code = ord(character)
    if code <= 0xFFFF:
        return character.encode(errors="surrogatepass")
    return bytes(((0xE0 | code >> 12) & 0xFF, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F))
