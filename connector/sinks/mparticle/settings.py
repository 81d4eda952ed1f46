"""MPARTICLE_* variables."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connector.environment import DurationS, EnvSettings
from connector.sinks.address import base_address
from connector.sinks.mparticle.vocabulary import IDENTITIES, platform_named

# Source: docs.mparticle.com, "HTTP API" and "Data Hosting Locations", October 2023.
_HOSTS = {
    "us1": "https://s2s.mparticle.com",
    "us2": "https://s2s.us2.mparticle.com",
    "eu1": "https://s2s.eu1.mparticle.com",
    "au1": "https://s2s.au1.mparticle.com",
}
_PAIRS_WANTED = 'must be JSON such as {"iOS": {"key": "...", "secret": "..."}}, by the platforms the vendor knows'


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The credentials of one input."""

    key: str
    secret: str


class MparticleSettings(EnvSettings):
    """What the mParticle sink is told."""

    model_config = SettingsConfigDict(env_prefix="MPARTICLE_")

    key: SecretStr = Field(min_length=1, description="key of the input")
    secret: SecretStr = Field(min_length=1, description="secret of the input")
    key_pairs: SecretStr | None = Field(
        None,
        description="inputs of their own for some platforms; the others go to the first: "
        'JSON, {"iOS": {"key": ..., "secret": ...}}',
    )
    pod: Literal["us1", "us2", "eu1", "au1"] = Field("us1", description="where the account lives: us1, us2, eu1, au1")
    host: str | None = Field(None, description="address instead of the pod's, without /v2")
    environment: Literal["production", "development"] = Field(
        "production", description="environment of events that name none"
    )
    upload: Literal["bulk", "single"] = Field("bulk", description="many batches in a request, or one")
    merge: Literal["on", "off"] = Field(
        "on", description="consecutive events of one user travel in one batch, as the quota counts batches"
    )
    customer_id_key: Literal["customerid", "customer_id"] = Field(
        "customerid", description="how the customer id is spelled on the wire"
    )
    anonymous_id_as: str | None = Field(
        None, description="identity that takes the anonymous id, such as other_id_2; not sent if empty"
    )
    long_names: Literal["truncate", "dead_letter"] = Field(
        "truncate", description="what becomes of names beyond 256 characters"
    )
    other_categories: Literal["dead_letter", "other"] = Field(
        "dead_letter",
        description="what becomes of a category that is no event type of the vendor's: a dead letter, "
        "or type other with the category as an attribute",
    )
    batch_size: int = Field(100, ge=1, le=100, description="batches in a request, at most")
    linger_s: DurationS = Field(1.0, ge=0, le=60, description="how long a batch waits to fill")
    timeout_s: DurationS = Field(15.0, gt=0, le=300, description="time for one whole request")
    rate_per_s: float = Field(270.0, gt=0, description="batches a second, at most, of this process")

    @field_validator("key", "secret")
    @classmethod
    def _is_text(cls, one: SecretStr) -> SecretStr:
        try:
            one.get_secret_value().encode()
        except UnicodeEncodeError:
            raise ValueError("must be UTF-8 text") from None
        return one

    @field_validator("key")
    @classmethod
    def _has_no_colon(cls, key: SecretStr) -> SecretStr:
        if ":" in key.get_secret_value():
            raise ValueError("must hold no colon")
        return key

    @field_validator("key_pairs")
    @classmethod
    def _are_pairs(cls, key_pairs: SecretStr | None) -> SecretStr | None:
        if key_pairs is not None:
            _pairs(key_pairs)
        return key_pairs

    @field_validator("host")
    @classmethod
    def _is_a_base_address(cls, host: str | None) -> str | None:
        return None if host is None else base_address(host, version="v2")

    @field_validator("anonymous_id_as")
    @classmethod
    def _is_an_identity(cls, name: str | None) -> str | None:
        if name and name not in IDENTITIES:
            raise ValueError("must be one of " + ", ".join(sorted(IDENTITIES)))
        return name or None

    @property
    def url(self) -> str:
        """The endpoint without its last part."""
        return (self.host or _HOSTS[self.pod]) + "/v2"

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """Platform -> credentials; "" for all others."""
        named = {} if self.key_pairs is None else _pairs(self.key_pairs)
        return {"": Pair(self.key.get_secret_value(), self.secret.get_secret_value()), **named}


def _pairs(text: SecretStr) -> Mapping[str, Pair]:
    try:
        read = msgspec.json.decode(text.get_secret_value(), type=dict[str, Pair])
        pairs = {platform_named(name) or "": pair for name, pair in read.items()}
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise ValueError(_PAIRS_WANTED) from None
    if "" in pairs or len(pairs) < len(read):
        raise ValueError(_PAIRS_WANTED)
    if any(not pair.key or not pair.secret or ":" in pair.key for pair in pairs.values()):
        raise ValueError("must hold keys without a colon, and no empty key or secret")
    return pairs
