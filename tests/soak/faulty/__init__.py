"""A sink with a bad translator, installed beside the connector's own: Segment's, but it raises, stalls or is slow."""

import time
from collections.abc import Mapping
from pathlib import Path

from connector.domain.events import Event
from connector.sinks.contract import Scene, Sink, Translation
from connector.sinks.segment import SegmentSink
from connector.sinks.segment.settings import SegmentSettings
from tests.soak.faulty.settings import Fault, FaultySettings

NAME = "faulty"
STALL_AT = 1000
STALL_S = 20.0
SLOW_S = 0.02


class FaultySink(SegmentSink):
    """Translates as Segment's sink does, or not."""

    name = NAME

    def __init__(self, settings: SegmentSettings, fault: Fault) -> None:
        super().__init__(settings)
        self._fault = fault
        self._translated = 0

    def translate(self, event: Event, scene: Scene) -> Translation:
        self._translated += 1
        if self._fault == "raise":
            raise KeyError(event.user_id)
        if self._fault == "stall" and self._translated == STALL_AT:
            time.sleep(STALL_S)
        if self._fault == "slow":
            ends_s = time.thread_time() + SLOW_S
            while time.thread_time() < ends_s:
                pass
        return super().translate(event, scene)


def create(environ: Mapping[str, str]) -> Sink:
    """Create the sink from its variables. Raises: SettingsError."""
    return FaultySink(SegmentSettings.load(environ), FaultySettings.load(environ).fault)


def install(folder: Path) -> str:
    """Make the sink known to a connector whose PYTHONPATH is what this returns."""
    about = folder / f"{NAME}-1.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[connector.sinks]\n{NAME} = {__name__}:create\n")
    return f"{folder}:{Path(__file__).parents[3]}"
