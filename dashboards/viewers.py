"""Whose kernel is whose, and the loop that closes the pages of people whose rights have ended."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from dashboards.identity import Viewer
from kernel_lib.errors import Refused

__all__ = ["ENDED", "Viewers"]

log = logging.getLogger("tickhub.desk")

#: Close code of a page's WebSocket when its viewer may no longer see it.
ENDED = 4403


class Closable(Protocol):
    """A page's open WebSocket."""

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class Viewers:
    """Table of kernels in use, oldest first.

    Parameters
    ----------
    end_kernel : callable
        Ends one kernel by its id.
    most, most_per_viewer : int
        Pages open at a time, in all and for one viewer.
    idle_s : float
        A kernel that no page has been connected to for so long, in seconds, is ended. A page that is left says so;
        one whose browser crashed or lost its way to us does not. Counted from when the viewer got the kernel:
        how long it waited in the pool before does not matter.
    clock : callable
        Seconds that only grow.
    """

    def __init__(
        self,
        end_kernel: Callable[[str], Awaitable[None]],
        *,
        most: int,
        most_per_viewer: int,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end_kernel = end_kernel
        self._most = most
        self._most_per_viewer = most_per_viewer
        self._idle_s = idle_s
        self._clock = clock
        self._owners: dict[str, Viewer] = {}
        self._pages: dict[str, set[Closable]] = {}
        self._left_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def owns(self, name: str, kernel_id: str) -> bool:
        """Whether this viewer opened the page that the kernel draws."""
        owner = self._owners.get(kernel_id)
        return owner is not None and owner.name == name

    async def make_room(self, viewer: Viewer) -> None:
        """Make sure that one more page can be opened, by closing the viewer's oldest if need be.

        Raises
        ------
        Refused
            Code ``pages``: everybody together has too many open.
        """
        mine = [kernel_id for kernel_id, owner in self._owners.items() if owner.name == viewer.name]
        for kernel_id in mine[: max(0, len(mine) - self._most_per_viewer + 1)]:
            await self.end(kernel_id, "opened too often")
        if len(self._owners) >= self._most:
            raise Refused("pages", f"at most {self._most} pages can be open at a time; close one, or try again later")

    def bind(self, kernel_id: str, viewer: Viewer) -> None:
        """Give a kernel from the pool to its viewer, for good."""
        self._owners[kernel_id] = viewer
        self._left_at[kernel_id] = self._clock()

    def opened(self, kernel_id: str, page: Closable) -> None:
        self._pages.setdefault(kernel_id, set()).add(page)
        self._left_at.pop(kernel_id, None)

    def closed(self, kernel_id: str, page: Closable) -> None:
        pages = self._pages.get(kernel_id, set())
        pages.discard(page)
        if not pages and kernel_id in self._owners:
            self._left_at[kernel_id] = self._clock()

    def forget(self, kernel_id: str) -> None:
        """The kernel has ended."""
        self._owners.pop(kernel_id, None)
        self._pages.pop(kernel_id, None)
        self._left_at.pop(kernel_id, None)

    async def end(self, kernel_id: str, reason: str) -> None:
        """Close a page: its WebSockets and its kernel."""
        for page in list(self._pages.get(kernel_id, ())):
            page.close(ENDED, reason)
        self.forget(kernel_id)
        try:
            await self._end_kernel(kernel_id)
        except Exception as error:  # whatever a dying kernel does, the loop that takes rights away goes on
            log.warning("a kernel did not end: %s", type(error).__name__)

    async def end_left(self) -> None:
        """End the kernels whose pages have been gone for too long."""
        now = self._clock()
        for kernel_id in [each for each, since in self._left_at.items() if now - since > self._idle_s]:
            await self.end(kernel_id, "left")

    async def recheck_once(self, allowed: Callable[[Viewer], Awaitable[bool]]) -> None:
        """Ask for each viewer with an open page whether it may stay open, and close those that may not.

        While the hub or the api does not answer, pages stay: what they show comes from elsewhere, and every action
        is asked for anew.
        """
        for viewer in set(self._owners.values()):
            try:
                stays = await allowed(viewer)
            except Exception as error:
                log.warning("rights of %s could not be asked for: %s", viewer.name, type(error).__name__)
                continue
            if not stays:
                log.info("the rights of %s have ended, closing the pages", viewer.name)
                for kernel_id in [each for each, owner in self._owners.items() if owner == viewer]:
                    await self.end(kernel_id, "your access has ended")

    async def recheck_forever(self, allowed: Callable[[Viewer], Awaitable[bool]], every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self.recheck_once(allowed)
            await self.end_left()
