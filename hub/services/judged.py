"""The program inside the hold-out's sandbox: ``python -I judged.py FD``, with its end of a socket pair.

It runs the tenant's strategy and answers frames: a length (u32, little endian) and so many bytes. The first holds the
strategy, every other one some ticks with what the book showed at each; the answer is the proposal to the last, as a
msgpack list of numbers. ``F`` alone says that the strategy raised, ``L`` that it is loaded. It never sees a tick before
its time, and nothing of what it prints or writes leaves the sandbox. Stands alone on the library.
"""

import socket
import struct
import sys
from typing import Any

from kernel_lib.sandbox.laid_out import lay_out_machine_code

_LENGTH = struct.Struct("<I")


def main() -> None:
    """Answer until the line closes."""
    line = socket.socket(fileno=int(sys.argv[1]))
    lay_out_machine_code()
    import msgspec
    import numpy as np

    from kernel_lib.trading.record import VIEW

    asked = np.dtype([("time_ns", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("view", VIEW)])
    reader = line.makefile("rb", buffering=1 << 16)
    try:
        proposer = _loaded(msgspec.msgpack.decode(_frame(reader)))
    except Exception:
        line.sendall(_LENGTH.pack(1) + b"F")
        return
    line.sendall(_LENGTH.pack(1) + b"L")
    while frame := _frame(reader):
        ticks = np.frombuffer(frame, asked)
        views = np.ascontiguousarray(ticks["view"])
        try:
            for at, (time_ns, bid, ask, _) in enumerate(ticks.tolist()):
                proposal = proposer.on_tick(time_ns, bid, ask, views[at : at + 1])
        except Exception:
            line.sendall(_LENGTH.pack(1) + b"F")
            return
        answer = msgspec.msgpack.encode([float(proposal[0]), *map(_plain, proposal[1:])])
        line.sendall(_LENGTH.pack(len(answer)) + answer)


def _loaded(load: dict[str, Any]) -> Any:
    import msgspec

    from kernel_lib.market.instrument import Instrument
    from kernel_lib.strategy import Proposer, load_strategy
    from kernel_lib.trading.account import AccountConfig

    found = load_strategy(load["source"], load["entry"], params=load["params"], models=load["models"])
    contract = msgspec.convert(load["instrument"], Instrument)
    proposer = Proposer(found, contract, msgspec.convert(load["account"], AccountConfig))
    proposer.plain_python  # noqa: B018  compiles, so that the first tick does not wait
    return proposer


def _plain(number: Any) -> float | int:
    return float(number) if isinstance(number, float) else int(number)


def _frame(reader: Any) -> bytes:
    head = reader.read(_LENGTH.size)
    return reader.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""


if __name__ == "__main__":
    main()
