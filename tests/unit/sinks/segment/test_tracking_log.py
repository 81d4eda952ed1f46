"""The page of an Open edX entry, row by row."""

from typing import Any

import pytest

from connector.domain.events import TrackingLog
from connector.sinks.segment.tracking_log import browser_context


@pytest.mark.parametrize(
    ("logged", "page"),
    [
        ({"host": "h"}, None),
        ({"path": None, "host": "h", "page": None}, None),
        ({"host": "h", "referer": "r"}, {"referrer": "r"}),
        ({"path": "/p"}, {"path": "/p"}),
        ({"path": "/p", "host": None}, {"path": "/p"}),
        ({"path": "/p", "host": "", "page": None}, {"path": "/p"}),
        ({"path": "/p", "host": "h"}, {"path": "/p", "url": "https://h/p"}),
        ({"path": "/p", "host": "h", "page": ""}, {"path": "/p", "url": "https://h/p"}),
        ({"path": "/p", "page": ""}, {"path": "/p", "url": ""}),
        ({"path": "/p", "host": "", "page": ""}, {"path": "/p", "url": ""}),
        ({"path": "/p", "page": "U"}, {"path": "/p", "url": "U"}),
        ({"path": "/p", "host": "h", "page": "U"}, {"path": "/p", "url": "U"}),
        ({"host": "h", "page": "U"}, {"url": "U"}),
        ({"page": ""}, {"url": ""}),
        ({"path": "", "host": "h"}, {"path": ""}),
        ({"path": "", "host": "h", "page": ""}, {"path": "", "url": ""}),
        ({"path": "p/q", "host": "h"}, {"path": "p/q", "url": "https://h/p/q"}),
        ({"path": "//p", "host": "h"}, {"path": "//p", "url": "https://h//p"}),
        ({"path": "/p?a=b#f", "host": "h:8000"}, {"path": "/p?a=b#f", "url": "https://h:8000/p?a=b#f"}),
        ({"path": "/p", "host": "http://h"}, {"path": "/p", "url": "https://http://h/p"}),
    ],
)
def test_the_page_is_what_was_logged_or_made_of_host_and_path(logged: dict[str, Any], page: object) -> None:
    event = TrackingLog(name="n", log_context={"user_id": 1, **logged})
    assert browser_context(event).get("page") == page
