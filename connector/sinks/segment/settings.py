"""SEGMENT_* variables."""

from typing import Literal

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from connector.environment import DurationS, EnvSettings
from connector.sinks.address import base_address
from connector.sinks.segment.token import Application

# Source: "Regional Segment", read 2025-11-07.
_HOSTS = {"us": "https://api.segment.io", "eu": "https://events.eu1.segmentapis.com"}
_CDN_HOST = "https://cdn.segment.com"
_TOKEN_HOSTS = {"us": "https://oauth2.segment.io", "eu": "https://oauth2.eu1.segmentapis.com"}


class SegmentSettings(EnvSettings):
    """What the Segment sink is told.

    Source: of the bounds of `batch_size` and `rate_per_s`, segment.com/docs, "HTTP API", read 2025-11-07.
    """

    model_config = SettingsConfigDict(env_prefix="SEGMENT_")

    write_key: SecretStr = Field(min_length=1, description="write key of the source")
    region: Literal["us", "eu"] = Field("us", description="where the workspace lives: us or eu")
    host: str | None = Field(None, description="address instead of the region's, without /v1")
    cdn_host: str | None = Field(
        None,
        description="address where a check tries the write key: Segment's own, or none where SEGMENT_HOST is set",
    )
    batch_size: int = Field(100, ge=1, le=2_500, description="messages in a request, at most")
    linger_s: DurationS = Field(0.2, ge=0, le=60, description="how long a batch waits to fill")
    timeout_s: DurationS = Field(15.0, gt=0, le=300, description="time for one whole request")
    rate_per_s: float = Field(1_000.0, gt=0, description="requests a second, at most, of this process")
    gzip: Literal["on", "off"] = Field("off", description="compress requests")
    oauth_client_id: str | None = Field(None, min_length=1, description="OAuth application, where the source wants one")
    oauth_key_id: str | None = Field(None, min_length=1, description="id of its key")
    oauth_host: str | None = Field(None, description="address of the token server instead of the region's")
    oauth_private_key: SecretStr | None = Field(
        None, validate_default=True, description="its private RSA key, as PEM; the three are set together"
    )

    @field_validator("write_key")
    @classmethod
    def _is_text(cls, write_key: SecretStr) -> SecretStr:
        try:
            write_key.get_secret_value().encode()
        except UnicodeEncodeError:
            raise ValueError("must be UTF-8 text") from None
        return write_key

    @field_validator("host", "cdn_host")
    @classmethod
    def _is_a_base_address(cls, host: str | None) -> str | None:
        return None if host is None else base_address(host, version="v1")

    @field_validator("oauth_host")
    @classmethod
    def _is_a_token_server(cls, host: str | None) -> str | None:
        return None if host is None else base_address(host, version="token")

    @field_validator("oauth_private_key")
    @classmethod
    def _is_a_key_of_a_whole_application(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Refuse an application that is named in part: the tokens would be missed only once events are refused."""
        named = [name for name in ("oauth_client_id", "oauth_key_id") if info.data.get(name) is not None]
        if key is None and not named:
            return None
        if key is None:
            raise ValueError(f"must be set beside {cls.variable(named[0])}")
        if len(named) < 2:
            raise ValueError("needs SEGMENT_OAUTH_CLIENT_ID and SEGMENT_OAUTH_KEY_ID beside it")
        _rsa_key(key)
        return key

    @property
    def application(self) -> Application | None:
        """The OAuth application; None where the write key alone opens the source."""
        if self.oauth_client_id is None or self.oauth_key_id is None or self.oauth_private_key is None:
            return None
        server = self.oauth_host or _TOKEN_HOSTS[self.region]
        return Application(self.oauth_client_id, self.oauth_key_id, _rsa_key(self.oauth_private_key), server)

    @property
    def probe_host(self) -> str | None:
        """Where the write key can be tried; None where events go to somebody else, who may have keys of their own."""
        return self.cdn_host or (None if self.host else _CDN_HOST)

    @property
    def url(self) -> str:
        """The one endpoint that takes all kinds."""
        return (self.host or _HOSTS[self.region]) + "/v1/batch"


def _rsa_key(pem: SecretStr) -> RSAKey:
    try:
        key = RSAKey.import_key(pem.get_secret_value())
    except (ValueError, TypeError, JoseError):
        # The original error may quote the key.
        raise ValueError("must be a private RSA key in PEM, without a password") from None
    if not key.is_private:
        raise ValueError("must be a private RSA key in PEM, not its public half")
    return key
