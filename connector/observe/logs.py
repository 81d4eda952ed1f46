"""Structured logs: JSON lines, or a console on a terminal; few lines in a storm; never a secret."""

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

LINES_PER_S = 10
MOST_KINDS = 1000
SECRET_WORDS = ("authorization", "password", "secret", "token", "write_key")
HIDDEN = "**********"

Format = Literal["auto", "json", "console"]


class RateLimit:
    """Lets at most ten lines of one text and sink pass in any second; the next that passes counts the others.

    Lines of libraries are limited by their logger, for no two of their texts need be the same.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._seen: dict[tuple[str, str], _Kind] = {}

    @property
    def kinds(self) -> int:
        """How many kinds of lines are remembered."""
        return len(self._seen)

    def __call__(self, logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
        """Limit our own lines."""
        suppressed = self._passes(str(line.get("event")), str(line.get("sink", "")))
        if suppressed is None:
            raise structlog.DropEvent
        return {**line, "suppressed": suppressed} if suppressed else line

    def filter(self, record: logging.LogRecord) -> bool:
        """Limit the lines of libraries, which DropEvent would hit as an error of their own."""
        suppressed = self._passes(record.name, "")
        if suppressed:
            record.suppressed = suppressed
        return suppressed is not None

    def _passes(self, text: str, sink: str) -> int | None:
        """Return how many lines of that kind were held back before this one, or None to hold it back too."""
        now_s = self._monotonic_s()
        if len(self._seen) >= MOST_KINDS:
            # Copied first: the Kafka client logs from a thread of its own.
            seen = [(name, kind) for name, kind in list(self._seen.items()) if kind.passed_s]
            self._seen = {name: kind for name, kind in seen if now_s - kind.passed_s[-1] < 1.0}
        kind = self._seen.setdefault((text, sink), _Kind())
        if len(kind.passed_s) == LINES_PER_S and now_s - kind.passed_s[0] < 1.0:
            kind.suppressed += 1
            return None
        kind.passed_s.append(now_s)
        suppressed, kind.suppressed = kind.suppressed, 0
        return suppressed


class _Kind:
    """When the last ten lines of a kind passed, and how many were held back since."""

    __slots__ = ("passed_s", "suppressed")

    def __init__(self) -> None:
        self.passed_s: deque[float] = deque(maxlen=LINES_PER_S)
        self.suppressed = 0


def redact(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """Hide what is named like a secret; nothing should be."""
    return {name: HIDDEN if any(word in name.lower() for word in SECRET_WORDS) else line[name] for name in line}


def configure(level: str, form: Format, stream: TextIO, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
    """Set the process's logs up; lines of the libraries come the same way, from WARNING on."""
    least = logging.getLevelNamesMapping()[level.upper()]
    limit = RateLimit(monotonic_s)
    stamps: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    rendered = _rendered(stream, form)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, limit, *stamps, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(limit.filter)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(allow=("suppressed",)),
                structlog.stdlib.add_logger_name,
                *stamps,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(least, logging.WARNING), force=True)


def _rendered(stream: TextIO, form: Format) -> list[Any]:
    """Return what turns a line into text. Tracebacks are plain: the fancy ones show local variables."""
    if stream.isatty() if form == "auto" else form == "console":
        return [
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
