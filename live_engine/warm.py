"""Compile what ships, once, into the installation: ``python -m live_engine.warm``.

What :mod:`kernel_lib.warm` prepares, and the engine's own loops: the desk's, and that of each reference strategy's
process, which could not keep it, for its sandbox writes nothing.
"""

import kernel_lib.warm

__all__ = ["main"]


def main() -> None:
    """Compile into the prepared directory."""
    kernel_lib.warm.main(_compile_loops)


def _compile_loops() -> None:
    from kernel_lib.market.instrument import EURUSD
    from kernel_lib.strategies import CATALOGUE
    from kernel_lib.strategy import Proposer
    from live_engine.strategy_line import Line
    from live_engine.strategy_serve import Server
    from live_engine.turn import compiled

    compiled()
    nowhere = Line(-1, -1)
    for strategy in CATALOGUE.values():
        proposer = Proposer(strategy, EURUSD)
        if Server.can_serve(proposer):
            Server(proposer, 1, nowhere)


if __name__ == "__main__":
    main()
