"""What a Python function's variables held after each of its lines, so that two runs can be compared line by line."""

import contextlib
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

import numpy as np

__all__ = ["Step", "recorded", "recorded_file"]

#: Function, line of its file, and the values that its variables held when the line was done.
Step = tuple[str, int, dict[str, Any]]

# A loop over rows would copy its arrays a million times; what leaks shows on the first passes.
_MOST_STEPS = 400


@contextlib.contextmanager
def recorded(function: Any) -> Iterator[list[Step]]:
    """Record the lines that run in the file of ``function``; an empty record where it is not written in Python."""
    steps: list[Step] = []
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        yield steps
        return
    with recorded_file(code.co_filename) as steps:
        yield steps


@contextlib.contextmanager
def recorded_file(filename: str) -> Iterator[list[Step]]:
    """Record the lines of one file's functions as they run; what stands outside functions is left out."""
    steps: list[Step] = []
    before = sys.gettrace()
    lines: dict[int, int] = {}

    def on_call(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code.co_filename != filename or code.co_name == "<module>" or len(steps) >= _MOST_STEPS:
            return None
        lines[id(frame)] = frame.f_lineno
        return on_line

    def on_line(frame: FrameType, event: str, arg: Any) -> Any:
        if len(steps) >= _MOST_STEPS:
            return None
        copies = {name: _copy(each) for name, each in frame.f_locals.items() if _has_rows(each)}
        if event == "return" and _has_rows(arg):
            copies["return"] = _copy(arg)
        if event in ("line", "return"):
            steps.append((frame.f_code.co_name, lines[id(frame)], copies))
        lines[id(frame)] = frame.f_lineno
        return on_line

    sys.settrace(on_call)
    try:
        yield steps
    finally:
        sys.settrace(before)


def _has_rows(thing: Any) -> bool:
    return isinstance(thing, np.ndarray | list | dict) or (hasattr(thing, "iloc") and hasattr(thing, "to_numpy"))


def _copy(thing: Any) -> Any:
    return thing.copy() if hasattr(thing, "copy") else thing
