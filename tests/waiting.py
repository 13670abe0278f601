"""Waits with a deadline; one that was in vain says what it waited for, and what was there instead."""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

import pytest

DEADLINE = 20.0
SHORTEST = 1.0
LONGEST = 400
_in_vain: Counter[object] = Counter()


def wait_until(condition: Callable[[], object], deadline: float = DEADLINE, what: str = "") -> None:
    """Return once it is true, fail after the deadline; ``what`` says it better than its source.

    Rests as long as it looked: what it waits for may be in this process, or only get idle time. Where a test
    before waited in vain the next one waits half as long: a fault shows many times, but costs little more.
    """
    __tracebackhide__ = True
    place = getattr(condition, "__code__", condition)
    deadline = max(min(deadline, SHORTEST), deadline / 2 ** _in_vain[place])
    end = time.monotonic() + deadline
    while True:
        looks = time.monotonic()
        found = condition()
        if found:
            _in_vain.pop(place, None)
            return
        looked = time.monotonic()
        if looked > end:
            _in_vain[place] += 1
            pytest.fail(f"not within {deadline:g} s: {what or in_words(condition, found)}")
        time.sleep(max(0.002, looked - looks))


def in_words(condition: Callable[[], object], found: object) -> str:
    """The condition as it is written, and the values that it was made of."""
    body = _lambda_body(condition.__code__) if isinstance(condition, FunctionType) else None
    if body is None:
        return f"{getattr(condition, '__qualname__', condition)}() (it was {_short(found)})"
    values = dict.fromkeys(_values(body, _names(condition)))
    return f"{ast.unparse(body)} ({', '.join(values)})"


def _lambda_body(code: CodeType) -> ast.expr | None:
    """The expression that a lambda was compiled from; None for all other functions."""
    with contextlib.suppress(OSError):
        lines, _ = inspect.findsource(code)
        around = [
            node
            for node in ast.walk(ast.parse("".join(lines)))
            if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno and _spans(node, code)
        ]
        if around:
            return max(around, key=lambda node: node.col_offset).body
    return None


def _spans(node: ast.Lambda, code: CodeType) -> bool:
    """Whether all instructions come from this lambda: several may begin on one line."""
    first, last = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    places = [place for place in code.co_positions() if None not in place and place[2] != place[3]]
    return code.co_name == "<lambda>" and all(
        first <= (line, column) and (end_line, end_column) <= last
        for line, end_line, column, end_column in places
    )


def _names(condition: Any) -> dict[str, Any]:
    """What the names in a lambda stand for: globals, closure, arguments with their values."""
    closure = inspect.getclosurevars(condition).nonlocals
    arguments = {name: each.default for name, each in inspect.signature(condition).parameters.items()}
    return {**condition.__globals__, **closure, **arguments}


def _values(node: ast.expr, names: Mapping[str, Any]) -> Iterator[str]:
    """Each part that is not a constant, with its value by now."""
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _values(part, names)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            yield from _values(part, names)
        case ast.Compare(left=left, comparators=others):
            for part in itertools.chain([left], others):
                yield from _values(part, names)
        case ast.Constant():
            return
        case _:
            with contextlib.suppress(Exception):
                value = eval(compile(ast.Expression(node), "<condition>", "eval"), dict(names))
                yield f"{ast.unparse(node)} was {_short(value)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 100]} … {text[-100:]}"
