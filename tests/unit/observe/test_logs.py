"""Log lines: one JSON object each, few in a storm, without secrets."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from connector.observe.logs import LINES_PER_S, MOST_KINDS, Format, RateLimit, configure


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream(clock: Clock) -> StringIO:
    """Return what the process logs to, as JSON from INFO on."""
    stream = StringIO()
    configure("info", "auto", stream, monotonic_s=clock)
    return stream


def lines(stream: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_a_time_in_utc(stream: StringIO) -> None:
    structlog.get_logger().info("partitions assigned", sink="segment", partitions=3)
    (line,) = lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {"event": "partitions assigned", "level": "info", "sink": "segment", "partitions": 3}


def test_bound_context_is_part_of_every_line(stream: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(sink="flagship"):
        structlog.get_logger().warning("slow")
    assert lines(stream)[0]["sink"] == "flagship"


def test_lines_below_the_level_are_left_out(stream: StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert lines(stream) == []
    configure("debug", "json", stream)
    structlog.get_logger().debug("detail")
    assert lines(stream)[0]["level"] == "debug"


@pytest.mark.parametrize(
    ("form", "stream", "is_json"),
    [
        ("auto", StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", StringIO(), False),
    ],
)
def test_auto_is_a_console_on_a_terminal_alone(form: Format, stream: StringIO, is_json: bool) -> None:
    configure("info", form, stream)
    structlog.get_logger().info("started")
    assert stream.getvalue().startswith("{") == is_json
    assert "started" in stream.getvalue()


def test_a_console_that_is_no_terminal_gets_no_colours() -> None:
    stream = StringIO()
    configure("info", "console", stream)
    structlog.get_logger().info("started", sink="segment")
    assert "\x1b" not in stream.getvalue()


def test_a_storm_is_ten_lines_a_second_and_a_count(stream: StringIO, clock: Clock) -> None:
    log = structlog.get_logger()
    for _ in range(25):
        log.warning("request failed", sink="segment")
    assert len(lines(stream)) == LINES_PER_S == 10
    clock.now_s += 1
    log.warning("request failed", sink="segment")
    log.warning("request failed", sink="segment")
    counted, after = lines(stream)[10:]
    assert counted["suppressed"] == 15
    assert "suppressed" not in after


def test_a_storm_is_ten_lines_in_any_second_wherever_it_begins(stream: StringIO, clock: Clock) -> None:
    passed_s: list[float] = []
    for tick in range(300):
        clock.now_s = 100.7 + tick / 100
        before = len(lines(stream))
        structlog.get_logger().warning("request failed", sink="segment")
        passed_s += [clock.now_s] * (len(lines(stream)) - before)
    assert len(passed_s) == 3 * LINES_PER_S
    assert all(later - first >= 1.0 for first, later in zip(passed_s, passed_s[LINES_PER_S:], strict=False))


def test_a_storm_of_one_sink_leaves_the_lines_of_others(stream: StringIO) -> None:
    log = structlog.get_logger()
    for _ in range(25):
        log.warning("request failed", sink="segment")
    log.warning("request failed", sink="flagship")
    log.error("dead letter not written", sink="segment")
    assert [(line["event"], line["sink"]) for line in lines(stream)[10:]] == [
        ("request failed", "flagship"),
        ("dead letter not written", "segment"),
    ]


def test_a_sink_may_be_bound_as_context(stream: StringIO) -> None:
    for sink in ("segment", "flagship"):
        with structlog.contextvars.bound_contextvars(sink=sink):
            for _ in range(12):
                structlog.get_logger().warning("request failed")
    assert [line["sink"] for line in lines(stream)] == ["segment"] * 10 + ["flagship"] * 10


def test_a_storm_of_a_library_raises_nothing_in_it(stream: StringIO, clock: Clock) -> None:
    log = logging.getLogger("aiohttp.client")
    for number in range(25):
        log.warning("unclosed connection %d", number)
    assert [line["event"] for line in lines(stream)] == [f"unclosed connection {number}" for number in range(10)]
    clock.now_s += 1
    log.warning("again")
    assert lines(stream)[10]["suppressed"] == 15


def test_texts_without_end_are_not_remembered_for_ever(clock: Clock) -> None:
    limit = RateLimit(clock)
    for number in range(5 * MOST_KINDS):
        clock.now_s += 0.01
        limit(None, "info", {"event": f"line {number}"})
    assert limit.kinds <= MOST_KINDS


def test_lines_of_libraries_come_from_warning_on(stream: StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://vendor.example/batch")
    logging.getLogger("httpx").warning("odd")
    (line,) = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("odd", "httpx", "warning")


@pytest.mark.parametrize("name", ["authorization", "sasl_password", "Token", "write_key", "client_secret"])
def test_what_is_named_like_a_secret_is_hidden(stream: StringIO, name: str) -> None:
    structlog.get_logger().info("signed in", **{name: "hush"})
    assert "hush" not in stream.getvalue()
    assert lines(stream)[0][name] == "**********"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variables(form: Format) -> None:
    stream = StringIO()
    configure("info", form, stream)

    def fail() -> None:
        hidden = "hu" + "sh"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("ours")
        logging.getLogger("asyncio").exception("theirs")
    assert stream.getvalue().count("ValueError: 4") == 2
    assert "hush" not in stream.getvalue()
