"""Bodies are encoded once, or refused without showing their content."""

from typing import Any

import pytest
from msgspec import Struct

from connector.errors import Untranslatable
from connector.sinks.encoding import encoded


class Body(Struct):
    b: Any
    a: int = 1


def test_a_body_is_compact_utf_8_in_the_order_of_its_fields() -> None:
    assert encoded(Body("é/🎉\n")) == '{"b":"é/🎉\\n","a":1}'.encode()


def nested() -> Any:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("value", ["\udc00", object(), {None: 1}, nested()], ids=["surrogate", "object", "key", "deep"])
def test_what_is_no_json_is_untranslatable(value: Any) -> None:
    with pytest.raises(Untranslatable) as refused:
        encoded(Body(value))
    assert str(refused.value) == "not_encodable"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
