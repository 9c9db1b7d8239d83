"""An error of ours in a notebook: the reader's own lines and the words, not the library's way to them.

A refusal is told, it is no fault of the library's: what matters is where the reader's code asked for it, and what the
message says. IPython asks an exception for its lines by ``_render_traceback_``; plain Python never does, so a log or a
terminal has every frame. A lost invariant is a fault of ours, and keeps all of them everywhere.
"""

import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

__all__ = ["shown"]

_OURS = frozenset({"dashboards", "hub", "kernel_lib", "live_engine", "mt5_feed"})
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_PACKAGES = ("/site-packages/", "/dist-packages/")
_USUAL_MODE = "Context"
_HINT = "\nWhat the library did in between is left out; %tb Plain shows it."
_LINKS = (
    "\nDuring handling of the above exception, another exception occurred:\n",
    "\nThe above exception was the direct cause of the following exception:\n",
)


def shown(error: BaseException, *, whole: bool = False) -> list[str]:
    """Give the lines that IPython prints for an error that is told to its reader.

    Parameters
    ----------
    error : BaseException
        As it was caught. What it followed from is shown before it, where the reader's own code had a part in it.
    whole : bool
        Leave nothing out.

    Returns
    -------
    list of str
        For the shell to join. All frames where another mode than the usual was asked for: ``%tb Plain``, ``%xmode``.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return traceback.format_exception(error)
    printer = shell.InteractiveTB
    if printer.mode != _USUAL_MODE or whole:
        every: list[str] = printer.structured_traceback(type(error), error, error.__traceback__)
        return every
    lines: list[str] = []
    left_out = False
    for each, link in reversed(list(_chain(error))):
        own = _own_frames(each.__traceback__)
        left_out |= _length(own) < _length(_from_own_frame(each.__traceback__))
        if own is None and each is not error:
            continue  # the library's own affair: its words are in the message
        with _alone(each):
            top, *rest = printer.structured_traceback(type(each), each, own, tb_offset=0)
        lines += [*rest, link] if lines else [top, *rest, link]
    return [*lines[:-1], _HINT] if left_out else lines[:-1]


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    # Newest first, each with how the next newer one followed from it.
    each: BaseException | None = error
    link, seen = "", set[int]()
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each, link
        link = _LINKS[each.__cause__ is not None]
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    # The frames that the reader wrote: neither ours, nor installed, nor Python's.
    if trace is None:
        return None
    rest = _own_frames(trace.tb_next)
    if not _is_own(trace.tb_frame):
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def _from_own_frame(trace: TracebackType | None) -> TracebackType | None:
    # Before the reader's first frame is what runs cells; a trace without one is the library's from its beginning.
    whole = trace
    while trace is not None and not _is_own(trace.tb_frame):
        trace = trace.tb_next
    return trace or whole


def _is_own(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    path = frame.f_code.co_filename
    installed = path.startswith((*_INSTALLED, "<frozen ")) or any(each in path for each in _PACKAGES)
    return module not in _OURS and not installed


@contextmanager
def _alone(error: BaseException) -> Iterator[None]:
    # IPython prints the whole chain of what it is given.
    chain: tuple[Any, ...] = (error.__cause__, error.__context__, error.__suppress_context__)
    error.__cause__ = error.__context__ = None
    try:
        yield
    finally:
        error.__cause__, error.__context__, error.__suppress_context__ = chain


def _length(trace: TracebackType | None) -> int:
    return sum(1 for _ in traceback.walk_tb(trace))
