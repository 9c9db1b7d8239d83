"""Ending tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["end"]

_AGAIN_S = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them.

    A cancellation that arrives while a library is connecting under its own timeout can be taken for that timeout
    and swallowed (seen with redis-py), so it is repeated until the task is gone.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN_S)
