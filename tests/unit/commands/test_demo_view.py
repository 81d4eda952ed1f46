"""What the demo shows: figures of each sink, and the tail of what came."""

from prometheus_client import CollectorRegistry
from rich.console import Console

from connector.commands.demo_view import Progress, View, closing, line
from connector.observe.metrics import Metrics
from connector.observe.status import SinkStatus
from connector.sandbox.books import Books
from connector.sandbox.ledger import Balance
from connector.sandbox.vendor import Answer, Item

STATUS = SinkStatus("segment", "delivering", 4, 99, 1.25, "closed", 3, 0)


def view(books: Books | None = None) -> View:
    """Of 10 records consumed 6 were delivered and 1 skipped; 2 batches go again; the vendor refused an item."""
    registry, books = CollectorRegistry(), books or Books()
    flow = Metrics(registry).flow("segment", ["events"])
    flow.consumed("events", 10, 1000)
    flow.resolved("events", "delivered", 6)
    flow.resolved("events", "skipped", 1)
    flow.retry("status", 0.5)
    flow.retry("status", 0.5)
    books.took("POST /", Answer(400, items=[Item("m1", "track Ordered", b"{}", "bad_item")]), 1)
    books.answered("400", ())
    return View(registry, {"segment": books})


def test_figures_are_those_of_the_metrics_and_of_the_vendor() -> None:
    (figures,) = view().figures([STATUS], {"segment": 5})
    assert (figures.open, figures.retries, figures.lag, figures.answers) == (3, 2, 5, "1x400")
    assert (figures.outcomes["delivered"], figures.outcomes["skipped"]) == (6, 1)


def drawn(shown: View, progress: Progress, *, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, file=None)
    with console.capture() as captured:
        console.print(shown.screen(progress, shown.figures([STATUS], {"segment": 5}), height))
    return [text.rstrip() for text in captured.get().splitlines()]


def test_the_screen_fits_80_columns_and_ends_with_what_came_last() -> None:
    lines = drawn(view(), Progress(12, 40, over=False))
    assert "segment delivering" in " ".join(lines[1].split())
    assert lines[0].index("retries") + len("retries") == lines[1].index("2 closed") + 1
    assert "track Ordered" in lines[-3] and "refused: bad_item" in lines[-3]
    assert not any("…" in text for text in lines)
    assert lines[-1] == "12 of 40 records produced; Ctrl-C ends it early"


def test_a_screen_says_when_only_the_rest_is_waited_for() -> None:
    lines = drawn(view(), Progress(40, 40, over=True))
    assert lines[-1] == "40 records produced; waiting until each is accounted for"


def test_a_low_terminal_shows_less_of_what_came_and_no_line_breaks() -> None:
    books = Books()
    shown = view(books)
    for status in ("200", "201", "202", "429", "500", "502", "503", "504", "none"):
        for _ in range(100):
            books.answered(status, ())
    for height in (12, 24):
        books.took("POST /", Answer(200, items=[Item(str(n), "page", b"{}") for n in range(20)]), 2)
        lines = drawn(shown, Progress(12, 40, over=False), height=height)
        # Two lines stand above it, and the cursor's below.
        assert len(lines) == min(height - 3, 9 + 8)


def test_a_line_says_the_same_without_a_screen() -> None:
    (figures,) = view().figures([STATUS], {"segment": 5})
    text = line(12, figures)
    assert "produced 12, delivered 6, dead-lettered 0, skipped 1," in text
    assert "in flight 3, retries 2, circuit closed, lag 5, oldest 1.2 s; vendor said 1x400" in text


def test_books_that_do_not_add_up_say_so() -> None:
    good = Balance("segment", 3, 1, 1, 1, 0, 0.5, 1.5)
    assert list(closing(good, Books()))[-1] == "segment: produced 3 = delivered 1 + dead-lettered 1 + skipped 1"
    bad = Balance("segment", 4, 1, 1, 1, 0, 0.5, 1.5, ("4 produced, 3 accounted for",))
    assert list(closing(bad, Books()))[-2:] == [
        "segment: produced 4 is not delivered 1 + dead-lettered 1 + skipped 1",
        "segment: the ledger does not add up: 4 produced, 3 accounted for",
    ]
