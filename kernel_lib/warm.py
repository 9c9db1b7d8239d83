"""Compile what ships, once, into the installation; the engine's loops with it: ``python -m live_engine.warm``.

A fresh kernel, also one in a sandbox that cannot write the installation, then starts from a copy instead of
compiling for some twelve seconds; so does the first backtest of a reference strategy.
"""

from collections.abc import Callable
from pathlib import Path

import numba

from kernel_lib.errors import Broken
from kernel_lib.machine_code import prepared_dir

__all__ = ["main"]


def main(*more: Callable[[], None]) -> None:
    """Compile into the prepared directory; ``more`` compile what else is to lie there."""
    target = prepared_dir()
    target.mkdir(parents=True, exist_ok=True)
    numba.config.CACHE_DIR = str(target)  # type: ignore[attr-defined]

    from kernel_lib.backtest import replay
    from kernel_lib.backtest.sweep import sweep
    from kernel_lib.features.prepare import compile_catalogue
    from kernel_lib.market.quality import TickQuality
    from kernel_lib.market.tick import make_ticks
    from kernel_lib.strategies import CATALOGUE
    from kernel_lib.strategy import Proposer

    ticks = make_ticks([1, 2], [1.1, 1.1], [1.1001, 1.1001])
    for strategy in CATALOGUE.values():
        run = replay(strategy, ticks, progress=False)
        sweep(strategy, ticks, [{}], progress=False)
        if fault := Proposer(strategy, run.instrument).plain_python:
            raise Broken(f"{strategy.name} must be compiled, it could not be: {fault}")
    compile_catalogue()
    TickQuality("enterprise").check(ticks)
    for each in more:
        each()
    composed = target / "composed"
    composed.mkdir(exist_ok=True)
    for kept in Path(f"{target}-composed").iterdir():
        kept.chmod(0o644)  # other users' kernels start from it
        kept.replace(composed / kept.name)
    print(f"compiled code lies in {target}")  # noqa: T201  (a program's answer)


if __name__ == "__main__":
    main()
