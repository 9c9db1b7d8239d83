"""The program inside the sandbox: ``python -I strategy_child.py FD``, where FD is its end of the socket pair.

It lays out the platform's compiled code, which is looked for when it is imported, and then answers
(:mod:`live_engine.strategy_answers`) until the desk ends.
"""

import os
import shutil
import socket
import sys
from pathlib import Path

_CACHE_SEED = "/opt/machine-code"


def main() -> None:
    """Answer frames until the line closes."""
    connected = socket.socket(fileno=int(sys.argv[1]))
    _seed_cache()
    from live_engine.strategy_answers import Answers

    Answers(connected).run()


def _seed_cache() -> None:
    # The compiled platform code, as links: numba wants a writable cache, but replaces files and never writes into one.
    parent = os.environ.get("TICKHUB_CACHE")
    if parent and os.path.isdir(_CACHE_SEED):
        target = Path(parent) / "machine-code"
        if not target.exists():
            shutil.copytree(_CACHE_SEED, target, copy_function=os.symlink)


if __name__ == "__main__":
    main()
