"""The program inside the sandbox: holds a tenant's strategies and answers one question a tick.

Run as ``python -I strategy_child.py FD``; FD is its end of the socket pair. It ends when the desk does. A strategy
that raises is answered for with FAULT and not called again; one that never returns takes this process with it, and
the desk starts another without it.
"""

import contextlib
import ctypes
import gc
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import Any

_CACHE_SEED = "/opt/machine-code"
#: Loading that took so long compiled something.
_COMPILED_S = 0.1


def main() -> None:
    """Answer frames until the line closes."""
    connected = socket.socket(fileno=int(sys.argv[1]))
    _seed_cache()
    import msgspec
    import numpy as np

    import kernel_lib.market.instrument as instruments
    from kernel_lib.errors import StrategyFault
    from kernel_lib.strategy import Proposer, load_strategy
    from kernel_lib.trading.account import AccountConfig
    from kernel_lib.trading.record import VIEW
    from live_engine import strategy_wire as wire
    from live_engine.strategy_line import NOWHERE, Line, keep_to

    line = Line(connected, wire.FRAME_BYTES + 64)
    view = np.frombuffer(line.buffer, VIEW, 1, wire.TICK_HEAD.size)
    proposers: dict[int, Proposer] = {}
    blobs = wire.Blobs()

    def load(content: bytes) -> Proposer:
        asked: dict[str, Any] = msgspec.msgpack.decode(content)
        found = load_strategy(
            asked["source"], asked["entry"], filename=f"<{asked['name']}>", params=asked["params"],
            models=asked["models"],
        )  # fmt: skip
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
        return proposer

    def fault(slot: int, epoch: int, seq: int, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")
        line.send(wire.HEADER.pack(wire.FAULT, slot, epoch, seq) + text)

    here = NOWHERE
    while frame := line.receive():
        kind, slot, epoch, seq = wire.HEADER.unpack_from(frame)
        if kind == wire.TICK:
            _, _, _, _, asker, time_ns, bid, ask = wire.TICK_HEAD.unpack_from(frame)
            if asker not in (here, NOWHERE):
                here = asker
                keep_to(asker)
            proposer = proposers.get(slot)
            try:
                if proposer is None:
                    raise StrategyFault("not loaded")
                proposal = proposer.on_tick(time_ns, bid, ask, view)
                line.send(wire.PROPOSAL_FRAME.pack(wire.PROPOSAL, slot, epoch, seq, *proposal))
            except Exception as error:
                fault(slot, epoch, seq, error)
        elif kind == wire.BLOB:
            whole = blobs.add(frame)
            if whole is None:
                continue
            _, slot, epoch, seq, content = whole
            try:
                began = time.monotonic()
                proposers[slot] = load(content)
                if time.monotonic() - began > _COMPILED_S:
                    _give_back()
                reason = proposers[slot].plain_python.encode("utf-8", "replace")[:500]
                line.send(wire.HEADER.pack(wire.LOADED, slot, epoch, seq) + reason)
            except Exception as error:
                fault(slot, epoch, seq, error)
        elif kind == wire.SNAPSHOT:
            proposer = proposers.get(slot)
            wire.send_blob(line, wire.SNAPSHOT, slot, epoch, seq, proposer.snapshot() if proposer else b"")
        elif kind == wire.TELL:
            if slot in proposers:
                proposers[slot].tell(*wire.TELL_FRAME.unpack(frame)[4:])
        elif kind == wire.UNLOAD:
            proposers.pop(slot, None)
        elif kind == wire.STOP:
            break


def _give_back() -> None:
    # Compiling leaves much free memory in the C library's hands; it stays there unless it is asked for.
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _seed_cache() -> None:
    # The compiled platform code, as links: numba wants a writable cache, but replaces files and never writes into one.
    parent = os.environ.get("TICKHUB_CACHE")
    if parent and os.path.isdir(_CACHE_SEED):
        target = Path(parent) / "machine-code"
        if not target.exists():
            shutil.copytree(_CACHE_SEED, target, copy_function=os.symlink)


if __name__ == "__main__":
    main()
