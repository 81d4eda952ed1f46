"""FLAGSHIP_* variables."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from connector.environment import DurationS, EnvSettings, SizeBytes
from connector.sinks.address import base_address
from connector.sinks.contract import Halt


class FlagshipSettings(EnvSettings):
    """What the Flagship sink is told.

    Source: sheet sections 1 (addresses; 200 decisions a second), 4 (2 s for a decision), 5 (polling), 11 (100
    activations), 13 (32 bytes).
    """

    model_config = SettingsConfigDict(env_prefix="FLAGSHIP_")

    env_id: str = Field(min_length=1, description="id of the environment")
    api_key: SecretStr | None = Field(None, description="API key; needed where decisions are asked for")
    protocol: Literal["batch", "single"] = Field(
        "batch", description="batch sends as SDK 3, many in a request with their queue times; single as SDK 2.1"
    )
    mode: Literal["bucketing", "api"] = Field(
        "bucketing", description="who decides: we, by the bucketing file, or the decision API"
    )
    decision_rules: Literal["sound", "python-2.1", "python-3.0"] = Field(
        "sound", description="whose rules decide by the file: sound ones, or those of a Python SDK with its defects"
    )
    polling_interval: DurationS = Field(60.0, ge=1, description="how often the file, or the panic switch, is asked for")
    file_limit: SizeBytes = Field(16 << 20, ge=1 << 20, le=256 << 20, description="largest bucketing file that is read")
    panic: Literal["skip", "hold"] = Field("skip", description="what becomes of records met in panic")
    too_old: Literal["dead_letter", "now"] = Field(
        "dead_letter", description="what becomes of events older than 4 hours; now sends them as of now"
    )
    affiliation: str = Field("purchase", min_length=1, description="what a purchase without an affiliation counts for")
    visitor_cache_url: SecretStr | None = Field(
        None, description="store of visitors' assignments: sqlite:///<path> or redis://<host>; none without"
    )
    visitor_cache_down: Literal["decide", "wait"] = Field(
        "decide", description="what to do while that store is down: decide without, and count, or wait"
    )
    decisions_topic: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,249}$",
        description="topic that decisions are written to for others; none without",
    )
    decision_ttl: DurationS = Field(60.0, ge=0, description="how long a decision of the API stands")
    decision_rate_per_s: float = Field(
        200.0, gt=0, description="decisions asked for a second, at most, of this process"
    )
    decision_timeout_s: DurationS = Field(2.0, gt=0, le=300, description="time for one whole question to the API")
    decision_host: str = Field("https://decision.flagship.io", description="address of decisions, without /v2")
    hits_host: str | None = Field(None, description="address of hits, instead of the protocol's own")
    cdn_host: str = Field("https://cdn.flagship.io", description="address of bucketing files")
    batch_size: int = Field(100, ge=1, le=5_000, description="hits in a request, at most")
    linger_s: DurationS = Field(0.2, ge=0, le=60, description="how long a batch waits to fill")
    timeout_s: DurationS = Field(10.0, gt=0, le=300, description="time for one whole request")
    rate_per_s: float = Field(1_000.0, gt=0, description="requests a second, at most, of this process")

    @field_validator("env_id")
    @classmethod
    def _fits_a_hit(cls, env_id: str) -> str:
        if len(env_id.encode()) > 32 or not env_id.isascii() or not env_id.isalnum():
            raise ValueError("must be letters and digits, at most 32")
        return env_id

    @field_validator("decision_host", "hits_host", "cdn_host")
    @classmethod
    def _is_a_base_address(cls, host: str | None) -> str | None:
        return None if host is None else base_address(host, version="v2")

    @field_validator("visitor_cache_url")
    @classmethod
    def _is_a_store(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        parts = urlsplit(url.get_secret_value())
        is_file = parts.scheme == "sqlite" and not parts.netloc and parts.path.strip("/")
        if not is_file and not (parts.scheme in ("redis", "rediss") and parts.hostname):
            raise ValueError("must be sqlite:///<path>, redis://<host> or rediss://<host>")
        return url

    @model_validator(mode="after")
    def _can_ask(self) -> Self:
        if self.mode == "api" and (self.api_key is None or not self.api_key.get_secret_value()):
            raise ValueError("FLAGSHIP_API_KEY must be set where FLAGSHIP_MODE is api")
        return self

    @property
    def halt(self) -> Halt:
        """What panic means for what was translated before it was known."""
        return Halt("panic", hold=self.panic == "hold")

    @property
    def carries_anonymous_id(self) -> bool:
        """SDK 2.1 knows no login while it decides by the file. Source: sheet section 2."""
        return self.mode == "api" or self.decision_rules != "python-2.1"

    @property
    def batched(self) -> bool:
        return self.protocol == "batch"
