"""Strategies for the tests of their process: one that is steady, and any that is not."""

import itertools
import os

from kernel_lib.sandbox import capabilities
from live_engine.strategy_process import HostConfig, StrategyHost

_serial = itertools.count()
HEAD = "from kernel_lib import features as f\nfrom kernel_lib.strategy import strategy\nimport math, os, time\n"
STEADY = HEAD + (
    "@strategy(features={'slow': f.ema(3)}, params={'edge': 0.0})\n"
    "def steady(x, position, p):\n    return 1.0 if x.mid >= x.slow + p.edge else -1.0\n"
)
FORGED = "struct.pack('<BxHIQdqqqq', 2, 1, 1, 99, 1.0, 9, 0, 0, 1)"
FORGES = (
    "import fcntl, struct\n"
    "def forge():\n"
    "    for fd in range(3, 512):\n"
    "        try: {attack}\n"
    "        except OSError: pass\n"
)


def plain(body: str, top: str = "") -> str:
    """A strategy whose decision numba cannot compile, so that it runs as Python."""
    return HEAD + top + f"@strategy(features={{}})\ndef bad(x, position, p):\n    held = open\n{body}"


def start_host(answer_s: float) -> StrategyHost:
    """A strategy process of its own name."""
    config = HostConfig(answer_s=answer_s, memory_bytes=400 * 1024**2, trusted=not capabilities().isolates)
    return StrategyHost(f"host-{os.getpid()}-{next(_serial)}", config)
