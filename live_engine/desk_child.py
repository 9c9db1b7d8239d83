"""One desk process as the engine sees it: start it, ask it, start it again when it dies."""

import asyncio
import contextlib
import json
import logging
import sys
import time
from typing import Any

from kernel_lib.errors import Transient

__all__ = ["DeskChild"]

_log = logging.getLogger("tickhub.engine")
_LONGEST_BACKOFF_S = 30.0
_STEADY_S = 30.0
_ANSWER_S = 40.0
_STOP_S = 15.0
_LAST_WORDS_S = 2.0
_LOOK_S = 0.05
#: Longer than the longest honest silence: a strategy that is put out, a disk that takes a journal's group late.
_HEART_S = 60.0


class DeskChild:
    """A desk process that is meant to run.

    Parameters
    ----------
    argv, env : list of str, dict
        Its command line and environment.
    heart_s : float
        It is asked for its state so often, and killed when it does not answer in as long again.

    Attributes
    ----------
    condition : str
        ``"starting"``, ``"running"``, ``"waiting"`` (to be started again), ``"stopped"``.
    starts : int
        How often it was started.
    last_error : str
        The last line it wrote before it died.
    """

    def __init__(self, tenant: str, argv: list[str], env: dict[str, str], heart_s: float = _HEART_S) -> None:
        self.tenant = tenant
        self.condition = "starting"
        self.starts = 0
        self.last_error = ""
        self.heart_s = heart_s
        self._argv = argv
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self._questions: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._serial = 0
        self._ready = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.condition == "running" else None

    def start(self) -> None:
        """Keep it running from now on."""
        self._task = asyncio.create_task(self._keep_running())

    async def ask(self, command: dict[str, Any], timeout_s: float = _ANSWER_S) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises
        ------
        Transient
            The desk is not running, or died meanwhile.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
                process = self._process
                if process is None or process.stdin is None:
                    raise Transient(f"the desk of {self.tenant!r} is not running: {self.last_error}")
                self._serial += 1
                serial = self._serial
                answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
                self._questions[serial] = answer
                try:
                    process.stdin.write((json.dumps(command | {"id": serial}) + "\n").encode())
                    await process.stdin.drain()
                    return await answer
                finally:
                    self._questions.pop(serial, None)
        except TimeoutError:
            raise Transient(
                f"the desk of {self.tenant!r} must answer in {timeout_s:g} s, it did not: {self.last_error}"
            ) from None
        except (ConnectionError, BrokenPipeError):
            raise Transient(f"the desk of {self.tenant!r} died before it answered: {self.last_error}") from None

    def tell(self, command: dict[str, Any]) -> None:
        """Send a command whose answer nobody waits for; a desk that is not there reads what there is when it starts."""
        process = self._process
        if process is not None and process.returncode is None and process.stdin is not None:
            process.stdin.write((json.dumps(command) + "\n").encode())

    async def stop(self) -> None:
        """End it: it keeps a snapshot and closes its journal; killed when it does not."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(_STOP_S):
                    await _exited(process)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                if self.condition == "waiting":
                    self._task.cancel()
                await self._task
        self.condition = "stopped"

    async def _keep_running(self) -> None:
        backoff_s = 0.2
        while True:
            self.condition = "starting"
            self.starts += 1
            began = time.monotonic()
            status = await self._one_life()
            self._ready.clear()
            self._process = None
            for answer in self._questions.values():
                if not answer.done():
                    answer.set_exception(Transient(f"the desk of {self.tenant!r} died: {self.last_error}"))
            self._questions.clear()
            if self._stopping:
                break
            backoff_s = 0.2 if time.monotonic() - began > _STEADY_S else min(_LONGEST_BACKOFF_S, backoff_s * 2)
            self.condition = "waiting"
            _log.error(
                "desk died",
                extra={"tenant": self.tenant, "status": status, "again_in_s": backoff_s, "said": self.last_error},
            )
            await asyncio.sleep(backoff_s)

    async def _one_life(self) -> int | None:
        """Start the process and stay with it to its end; give its status, None where it could not be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, env=self._env, limit=16 * 1024**2,
            )  # fmt: skip
        except OSError as error:  # no memory, no descriptors: it may be better soon
            self.last_error = f"it could not be started: {error}"
            return None
        self._process = process
        readers = asyncio.gather(self._read_answers(process), self._read_log(process))
        heart = asyncio.create_task(self._watch_heart(process))
        try:
            status = await _exited(process)
            # What it wrote last is there by now; a child of its own that holds the pipe open must not hold us up.
            with contextlib.suppress(TimeoutError, ValueError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await readers
        finally:
            heart.cancel()
            readers.cancel()
            await asyncio.gather(heart, readers, return_exceptions=True)
            process._transport.close()  # type: ignore[attr-defined]  # closes our ends of the pipes, nothing else does
        return status

    async def _watch_heart(self, process: asyncio.subprocess.Process) -> None:
        """Kill a desk that runs and does nothing: started again, it recovers, and answers."""
        await self._ready.wait()
        while True:
            await asyncio.sleep(self.heart_s)
            try:
                await self.ask({"do": "state"}, timeout_s=self.heart_s)
            except Transient:
                if process.returncode is None and not self._stopping:
                    self.last_error = f"it must answer within {self.heart_s:g} s, it did not, and was killed"
                    process.kill()
                return

    async def _read_answers(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if message.get("ready"):
                self.condition = "running"
                self._ready.set()
                continue
            answer = self._questions.pop(message.pop("id", None), None)
            if answer is not None and not answer.done():
                answer.set_result(message)

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode("utf-8", "replace")
            self.last_error = text.strip()[:500] or self.last_error
            sys.stderr.write(text)
            sys.stderr.flush()


async def _exited(process: asyncio.subprocess.Process) -> int:
    """Wait for the process alone: asyncio's own wait goes on until everybody has closed its pipes."""
    while process.returncode is None:  # noqa: ASYNC110  (asyncio has no event for that)
        await asyncio.sleep(_LOOK_S)
    return process.returncode
