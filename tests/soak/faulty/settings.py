"""FAULTY_* variables."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from connector.environment import EnvSettings

Fault = Literal["none", "raise", "stall", "slow"]


class FaultySettings(EnvSettings):
    """What is wrong with the translator; whatever else it needs is Segment's."""

    model_config = SettingsConfigDict(env_prefix="FAULTY_")

    fault: Fault = Field("none", description="raise on every record, stall once for 20 s, or be slow: 20 ms a record")
