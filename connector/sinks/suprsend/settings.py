"""SUPRSEND_* variables."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from connector.environment import FILE_SUFFIX, DurationS, EnvSettings
from connector.errors import Problem, SettingsError
from connector.sinks.address import base_address
from connector.sinks.suprsend.schemas import ENV_SHORTEST

# Both are sent in a header, the first in a path as well, where nothing is escaped.
_NAME = re.compile(r"[A-Za-z0-9._~-]+")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))([A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*)*")
_BASE_URL = "https://hub.suprsend.com/"


def _named(name: str | None) -> str | None:
    if name and not _NAME.fullmatch(name):
        raise ValueError("must hold letters, digits, dots, hyphens, underscores and tildes only")
    return name


def _header(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not re.fullmatch(r"[!-~]*", secret.get_secret_value()):
        raise ValueError("must be one word of ASCII")
    return secret


def _text(secret: SecretStr | None) -> SecretStr | None:
    try:
        (secret or SecretStr("")).get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be UTF-8 text") from None
    return secret


def _base_url(address: str) -> str:
    """Read a base address, with a slash at its end; a path is kept.

    Source: of the trimming, suprsend-py-sdk 0.20.0 on the wire.
    """
    base = base_address(address.strip() or _BASE_URL, version="v2")
    if not _PATH.fullmatch(urlsplit(base).path):
        raise ValueError("must have a path of plain or percent-encoded characters")
    return base + "/"


Name = Annotated[str | None, AfterValidator(_named)]


class SuprsendSettings(EnvSettings):
    """What the SuprSend sink is told: one of two pairs of credentials, and where to send.

    Source: of the most in a request, suprsend-py-sdk 0.20.0.
    """

    model_config = SettingsConfigDict(env_prefix="SUPRSEND_")

    workspace_key: Name = Field(None, min_length=1, description="workspace key, with the secret that signs requests")
    workspace_secret: Annotated[SecretStr | None, AfterValidator(_text)] = Field(
        None, min_length=1, description="workspace secret"
    )
    workspace_uid: Name = Field(None, min_length=1, description="workspace UID, with an API key instead of a signature")
    api_key: Annotated[SecretStr | None, AfterValidator(_header)] = Field(None, min_length=1, description="API key")
    base_url: Annotated[str, AfterValidator(_base_url)] = Field(_BASE_URL, description="address of the API")
    batch_size: int = Field(
        400, ge=1, le=400, description="records in a request, at most; never more than 100 events or workflows"
    )
    linger_s: DurationS = Field(0.2, ge=0, le=60, description="how long a batch waits to fill")
    timeout_s: DurationS = Field(15.0, gt=0, le=300, description="time for one whole request")
    rate_per_s: float | None = Field(
        None, gt=0, description="records a second, at most, of this process; without limit where not set"
    )

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables, and see to it that there is one whole pair of credentials. Raises: SettingsError."""
        problems = list(_pairing_problems(environ))
        try:
            loaded = super().load(environ)
        except SettingsError as fault:
            raise SettingsError([*fault.problems, *problems]) from None
        if problems:
            raise SettingsError(problems)
        return loaded

    @property
    def workspace(self) -> str:
        """What paths and events name the workspace by."""
        return self.workspace_key or self.workspace_uid or ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Source: suprsend-py-sdk 0.20.0, whose schema of an event wants so long an `env`."""
        if len(self.workspace) >= ENV_SHORTEST:
            return ()
        name = "SUPRSEND_WORKSPACE_KEY" if self.workspace_key else "SUPRSEND_WORKSPACE_UID"
        return (
            f"{name} has fewer than {ENV_SHORTEST} characters, which no event may carry: every event will be a dead "
            "letter; workflows and users go out",
        )


def _pairing_problems(environ: Mapping[str, str]) -> Iterator[Problem]:
    pairs = (("SUPRSEND_WORKSPACE_KEY", "SUPRSEND_WORKSPACE_SECRET"), ("SUPRSEND_WORKSPACE_UID", "SUPRSEND_API_KEY"))
    begun = [pair for pair in pairs if any(name in environ or name + FILE_SUFFIX in environ for name in pair)]
    if not begun:
        yield Problem(pairs[0][0], f"must be set with {pairs[0][1]}, or {pairs[1][0]} with {pairs[1][1]}")
    if len(begun) > 1:
        yield Problem(pairs[1][0], f"must not be set beside {pairs[0][0]}: one pair of credentials is used")
        return
    for pair in begun:
        for name, other in (pair, pair[::-1]):
            if name not in environ and name + FILE_SUFFIX not in environ:
                yield Problem(name, f"must be set where {other} is")
