"""The program inside the sandbox that backtests a tenant's strategy for the platform: ``parity_child.py FD``.

One request and one answer at a time over the line FD, each a length (u64) and msgpack. ``load`` first; then ``finish``,
``evening``, ``tick_of``, ``moment`` and ``values``. What it answers is trusted in nothing but its bytes.
"""

import socket
import struct
import sys
from typing import Any

from kernel_lib.sandbox.laid_out import lay_out_machine_code

_LENGTH = struct.Struct("<Q")


def main() -> None:
    """Answer requests until the line closes."""
    lay_out_machine_code()
    import msgspec

    held = _Held()
    with socket.socket(fileno=int(sys.argv[1])) as line, line.makefile("rb") as requests:
        while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
            asked = msgspec.msgpack.decode(requests.read(_LENGTH.unpack(head)[0]))
            try:
                answer = getattr(held, f"on_{asked.pop('do')}")(**asked)
            except Exception as error:  # the edge of the process: the other side reads it
                answer = {"error": f"{type(error).__name__}: {error}"[:1000]}
            content = msgspec.msgpack.encode(answer)
            line.sendall(_LENGTH.pack(len(content)) + content)


class _Held:
    def __init__(self) -> None:
        self.strategy: Any = None
        self.settings: dict[str, Any] = {}
        self.rows: Any = None

    def on_load(self, load: dict[str, Any], limits: Any, costs: Any, ticks: bytes, **rest: Any) -> dict[str, Any]:
        import msgspec
        import numpy as np

        from kernel_lib.backtest.parity_rerun import Event
        from kernel_lib.market.instrument import Instrument
        from kernel_lib.market.tick import TICK
        from kernel_lib.strategy import load_strategy
        from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

        self.strategy = load_strategy(
            load["source"], load["entry"], filename=f"<{load['name']}>", params=load["params"], models=load["models"]
        )
        self.settings = {
            "ticks": np.frombuffer(ticks, TICK), "instrument": msgspec.convert(load["instrument"], Instrument),
            "account": msgspec.convert(load["account"], AccountConfig), "limits": msgspec.convert(limits, RiskLimits),
            "costs": None if costs is None else msgspec.convert(costs, Costs),
            "events": msgspec.convert(rest["events"], list[Event]),
            "ages_ns": np.frombuffer(rest["ages"], np.int64) if rest["ages"] else None,
            "follow": [tuple(each) for each in rest["follow"]], "begins": tuple(rest["begins"]),
        }  # fmt: skip
        return {}

    def run(self) -> Any:
        from kernel_lib.backtest.parity_rerun import Rerun

        settings = dict(self.settings)
        return Rerun(self.strategy, settings.pop("ticks"), **settings)

    def on_finish(self) -> dict[str, Any]:
        run = self.run().finish()
        self.rows = run.rows
        return {"rows": self.rows.tobytes(), "fault": run.fault}

    def on_evening(self) -> dict[str, Any]:
        return {"proposer": self.run().finish().proposer.snapshot()}

    def on_tick_of(self, row: int) -> dict[str, Any]:
        from kernel_lib.backtest.parity_rerun import tick_of_row

        tick, repeats = tick_of_row(self.run, self.rows, row)
        return {"tick": tick, "repeats": repeats}

    def on_moment(self, tick: int) -> dict[str, Any]:
        import msgspec

        return {"moment": msgspec.to_builtins(self.run().moment(tick))}

    def on_values(self, snapshot: bytes) -> dict[str, Any]:
        import msgspec

        from kernel_lib.backtest.parity_moment import state_of, values_of

        state = state_of(self.strategy, snapshot)
        return {"values": [] if state is None else msgspec.to_builtins(values_of(self.strategy, state))}


if __name__ == "__main__":
    main()
