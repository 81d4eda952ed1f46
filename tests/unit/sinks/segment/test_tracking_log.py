"""The page of an Open edX entry, row by row."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.domain.events import TrackingLog
from connector.errors import Untranslatable
from connector.sinks.contract import Payloads, Scene, Skip
from connector.sinks.segment import create
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
SINK = create({"SEGMENT_WRITE_KEY": "wk_test"})
LIFTED = ("user_id", "client_id", "ip", "agent", "path", "host", "page", "referer")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(LIFTED), JSON), JSON)
def test_whatever_was_logged_is_sent_skipped_or_refused_by_name(logged: dict[str, Any], data: object) -> None:
    event = TrackingLog(name="n", log_data=data, log_context=logged)
    try:
        translation = SINK.translate(event, Scene(0, "r"))
    except Untranslatable as refused:
        assert refused.reason in ("no_identity", "unknown_value")
    else:
        assert isinstance(translation, Payloads) or translation == Skip("no_user")
