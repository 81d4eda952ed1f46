"""SEGMENT_* variables."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connector.environment import DurationS, EnvSettings
from connector.sinks.address import base_address

# Source: "Regional Segment", read 2025-11-07.
_HOSTS = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}


class SegmentSettings(EnvSettings):
    """What the Segment sink is told.

    Source: of the bounds of `batch_size` and `rate_per_s`, segment.com/docs, "HTTP API", read 2025-11-07.
    """

    model_config = SettingsConfigDict(env_prefix="SEGMENT_")

    write_key: SecretStr = Field(min_length=1, description="write key of the source")
    region: Literal["us", "eu"] = Field("us", description="where the workspace lives: us or eu")
    host: str | None = Field(None, description="address instead of the region's, without /v1")
    batch_size: int = Field(100, ge=1, le=2_500, description="messages in a request, at most")
    linger_s: DurationS = Field(0.2, ge=0, le=60, description="how long a batch waits to fill")
    timeout_s: DurationS = Field(15.0, gt=0, le=300, description="time for one whole request")
    rate_per_s: float = Field(1_000.0, gt=0, description="requests a second, at most, of this process")
    gzip: Literal["on", "off"] = Field("off", description="compress requests")

    @field_validator("write_key")
    @classmethod
    def _is_text(cls, write_key: SecretStr) -> SecretStr:
        try:
            write_key.get_secret_value().encode()
        except UnicodeEncodeError:
            raise ValueError("must be UTF-8 text") from None
        return write_key

    @field_validator("host")
    @classmethod
    def _is_a_base_address(cls, host: str | None) -> str | None:
        return None if host is None else base_address(host, version="v1")

    @property
    def url(self) -> str:
        """The one endpoint that takes all kinds."""
        return (self.host or _HOSTS[self.region]) + "/v1/batch"
