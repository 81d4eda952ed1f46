"""Every fault is shown by some test, and every mark names a fault that there is."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.faults import ELSEWHERE, FAULTS

TESTS = Path(__file__).parents[1]


def marks() -> Iterator[tuple[str, str]]:
    """Find each test that is marked, with what it shows."""
    for file in TESTS.rglob("*.py"):
        text = file.read_text()
        if ".shows(" not in text:
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from ((shown, function.name) for one in function.decorator_list for shown in _shown(one))


def _shown(decorator: ast.expr) -> Iterator[str]:
    match decorator:
        case ast.Call(func=ast.Attribute(attr="shows"), args=args):
            yield from (one.value for one in args if isinstance(one, ast.Constant))


def test_every_fault_is_shown_by_a_test_or_said_to_be_shown_elsewhere() -> None:
    shown = defaultdict(list)
    for fault, test in marks():
        shown[fault].append(test)
    assert shown.keys() | ELSEWHERE.keys() == FAULTS.keys()
    assert not shown.keys() & ELSEWHERE.keys()


def test_what_is_marked_is_a_test() -> None:
    assert [test for _, test in marks() if not test.startswith("test_")] == []
