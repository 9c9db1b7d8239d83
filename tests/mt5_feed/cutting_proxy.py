"""A link that breaks: forwards TCP and cuts both ends after a random number of bytes, mid-frame as likely as not."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator


class CuttingProxy:
    """Forwards to ``port``; each connection is cut after at most ``most_bytes``, until ``n_cuts`` are spent."""

    def __init__(self, port: int, *, n_cuts: int, most_bytes: int, seed: int) -> None:
        self.n_cuts = 0
        self.port = 0
        self._target = port
        self._left = n_cuts
        self._most_bytes = most_bytes
        self._random = random.Random(seed)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["CuttingProxy"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.close()
            return
        budget = [self._random.randrange(200, self._most_bytes) if self._left > 0 else 1 << 60]
        tasks = [
            asyncio.create_task(self._forward(reader, far_writer, budget)),
            asyncio.create_task(self._forward(far_reader, writer, budget)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if budget[0] <= 0:
            self._left -= 1
            self.n_cuts += 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (writer, far_writer):
            each.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: list[int]) -> None:
        with contextlib.suppress(OSError):
            while budget[0] > 0 and (part := await reader.read(4096)):
                writer.write(part[: max(0, budget[0])])
                budget[0] -= len(part)
                await writer.drain()
