"""Compile what ships, once, into the installation: ``python -m kernel_lib.warm``.

A fresh kernel, also one in a sandbox that cannot write the installation, then starts from a copy instead of
compiling for some twelve seconds.
"""

import numba

from kernel_lib.machine_code import prepared_dir

__all__ = ["main"]


def main() -> None:
    """Compile into the prepared directory."""
    target = prepared_dir()
    target.mkdir(parents=True, exist_ok=True)
    numba.config.CACHE_DIR = str(target)  # type: ignore[attr-defined]

    from kernel_lib.backtest import replay
    from kernel_lib.features.prepare import compile_catalogue
    from kernel_lib.market.quality import TickQuality
    from kernel_lib.market.tick import make_ticks
    from kernel_lib.strategies import CATALOGUE

    ticks = make_ticks([1, 2], [1.1, 1.1], [1.1001, 1.1001])
    for strategy in CATALOGUE.values():
        replay(strategy, ticks)
    compile_catalogue()
    TickQuality("enterprise").check(ticks)
    print(f"compiled code lies in {target}")  # noqa: T201  (a program's answer)


if __name__ == "__main__":
    main()
