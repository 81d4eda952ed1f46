"""Structured logs: JSON lines, or a console on a terminal; few lines in a storm; never a secret."""

import logging
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LINES_PER_S = 10
SECRET_WORDS = ("authorization", "password", "secret", "token", "write_key")

Format = Literal["auto", "json", "console"]


class RateLimit:
    """Lets at most ten lines a second of one text and sink pass; the next that passes counts the others."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._seen: dict[tuple[str, str], list[float]] = {}

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
        kind = (str(line.get("event")), str(line.get("sink", "")))
        second = float(int(self._monotonic_s()))
        state = self._seen.setdefault(kind, [second, 0, 0])
        if state[0] != second:
            state[0], state[1] = second, 0
        state[1] += 1
        if state[1] > LINES_PER_S:
            state[2] += 1
            raise structlog.DropEvent
        if state[2]:
            line["suppressed"] = int(state[2])
            state[2] = 0
        return line


def redact(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Hide what is named like a secret; nothing should be."""
    for name in line:
        if any(word in name.lower() for word in SECRET_WORDS):
            line[name] = "**********"
    return line


def configure(level: str, form: Format, stream: TextIO) -> None:
    """Set the process's logs up; lines of the libraries come the same way, from WARNING on."""
    console = stream.isatty() if form == "auto" else form == "console"
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        RateLimit(),
        redact,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)
