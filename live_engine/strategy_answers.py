"""The strategies' process: holds a tenant's strategies and answers one question a tick.

A strategy that raises is answered for with FAULT and not called again; one that never returns takes this process with
it, and the desk starts another without it. This runs inside the sandbox only.
"""

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

import kernel_lib.market.instrument as instruments
from kernel_lib.errors import StrategyFault
from kernel_lib.strategy import Proposer, load_strategy
from kernel_lib.trading.account import AccountConfig
from kernel_lib.trading.record import VIEW
from live_engine import carried_code
from live_engine import strategy_wire as wire
from live_engine.strategy_line import NOWHERE, Line, keep_to
from live_engine.strategy_serve import Server

__all__ = ["Answers"]

#: Loading that took so long compiled something.
_COMPILED_S = 0.1


class Answers:
    """The strategies of one tenant and the line to the desk."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._view = np.frombuffer(self._line.buffer, VIEW, 1, wire.TICK_HEAD.size)
        self._blobs = wire.Blobs()
        self._proposers: dict[int, Proposer] = {}
        self._servers: dict[int, Server] = {}
        self._serving: Server | None = None
        self._last_slot = -1
        self._processor = NOWHERE

    def run(self) -> None:
        """Handle frame after frame."""
        handlers: dict[int, Callable[[memoryview, int, int, int], None]] = {
            wire.TICK: self._on_tick, wire.BLOB: self._on_blob, wire.SNAPSHOT: self._on_snapshot,
            wire.TELL: self._on_tell, wire.UNLOAD: self._on_unload,
        }  # fmt: skip
        while frame := self._next():
            kind, slot, epoch, seq = wire.HEADER.unpack_from(frame)
            if kind == wire.STOP:
                break
            handlers[kind](frame, slot, epoch, seq)

    def _next(self) -> memoryview:
        # Two questions in a row to one strategy: it is probably alone, and the compiled loop takes over.
        if self._serving is not None:
            try:
                length = self._serving.run(self._processor)
            except Exception as error:
                _, slot, epoch, seq = wire.HEADER.unpack_from(self._line.buffer)
                self._fault(slot, epoch, seq, error)
                length = -1
            if length >= 0:
                return memoryview(self._line.buffer)[:length]
        return self._line.receive()

    def _on_tick(self, frame: memoryview, slot: int, epoch: int, seq: int) -> None:
        _, _, _, _, asker, time_ns, bid, ask = wire.TICK_HEAD.unpack_from(frame)
        if asker not in (self._processor, NOWHERE):
            self._processor = asker
            keep_to(asker)
        proposer = self._proposers.get(slot)
        try:
            if proposer is None:
                raise StrategyFault("not loaded")
            proposal = proposer.on_tick(time_ns, bid, ask, self._view)
            self._line.send(wire.PROPOSAL_FRAME.pack(wire.PROPOSAL, slot, epoch, seq, *proposal))
        except Exception as error:
            self._fault(slot, epoch, seq, error)
        self._serving = self._servers.get(slot) if slot == self._last_slot else None
        self._last_slot = slot

    def _on_blob(self, frame: memoryview, slot: int, epoch: int, seq: int) -> None:
        whole = self._blobs.add(frame)
        if whole is None:
            return
        content = whole[4]
        try:
            began = time.monotonic()
            asked: dict[str, Any] = msgspec.msgpack.decode(content)
            carried_code.lay_out(asked["code"])
            known = carried_code.kept_names()
            self._load(slot, asked)
            if time.monotonic() - began > _COMPILED_S:
                _give_back()
            if code := carried_code.collect(known):
                wire.send_blob(self._line, wire.CODE, slot, epoch, seq, code)
            reason = self._proposers[slot].plain_python.encode("utf-8", "replace")[:500]
            self._line.send(wire.HEADER.pack(wire.LOADED, slot, epoch, seq) + reason)
        except Exception as error:
            self._fault(slot, epoch, seq, error)

    def _on_snapshot(self, frame: memoryview, slot: int, epoch: int, seq: int) -> None:
        proposer = self._proposers.get(slot)
        content = proposer.snapshot() if proposer else b""
        wire.send_blob(self._line, wire.SNAPSHOT, slot, epoch, seq, content)

    def _on_tell(self, frame: memoryview, slot: int, *_: int) -> None:
        if slot in self._proposers:
            self._proposers[slot].tell(*wire.TELL_FRAME.unpack(frame)[4:])

    def _on_unload(self, frame: memoryview, slot: int, *_: int) -> None:
        self._proposers.pop(slot, None)
        self._servers.pop(slot, None)
        self._serving = None

    def _load(self, slot: int, asked: dict[str, Any]) -> None:
        found = load_strategy(
            asked["source"], asked["entry"], filename=f"<{asked['name']}>", params=asked["params"],
            models=asked["models"],
        )  # fmt: skip
        if found.paper_only and not asked.get("paper", True):
            raise StrategyFault(f"{found.name} uses {found.paper_only}: it runs on paper only")
        contract = msgspec.convert(asked["instrument"], instruments.Instrument)
        proposer = Proposer(found, contract, msgspec.convert(asked["account"], AccountConfig))
        if list(proposer.channels) != asked["channels"]:
            raise StrategyFault(f"its passport names the channels {asked['channels']}, it reads {proposer.channels}")
        fresh = proposer.snapshot()
        # Compiles what is left, so that the first tick does not wait; plain Python may keep state: not called.
        if not proposer.plain_python:
            with contextlib.suppress(Exception):
                proposer.on_tick(0, 1.0, 1.0, np.zeros(1, VIEW))
        proposer.restore(asked["state"] or fresh)
        self._on_unload(memoryview(b""), slot)
        self._proposers[slot] = proposer
        if Server.can_serve(proposer):
            self._servers[slot] = Server(proposer, slot, self._line)

    def _fault(self, slot: int, epoch: int, seq: int, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")
        self._line.send(wire.HEADER.pack(wire.FAULT, slot, epoch, seq) + text)


def _give_back() -> None:
    # Compiling leaves much free memory in the C library's hands; it stays there unless it is asked for.
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
