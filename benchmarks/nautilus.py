"""NautilusTrader's own environment: make it when asked, run the peer in it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.hftbacktest_peer import PeerRun
from kernel_lib.market.tick import Ticks

__all__ = ["ENVIRONMENT", "install", "installed", "run"]

_ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = _ROOT / ".venv-bench-nautilus"
# The newest for Python 3.11, and the pandas that its analysis is fast on.
_PACKAGES = ("nautilus_trader==1.221.0", "pandas<3")


def install() -> None:
    """Create the environment, if it is not there."""
    if installed():
        return
    subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    subprocess.run([str(_python()), "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)


def installed() -> str:
    """Give name and version, or an empty string."""
    found = sorted(ENVIRONMENT.glob("lib/python*/site-packages/nautilus_trader-*.dist-info"))
    return f"NautilusTrader {found[0].name.split('-')[1].removesuffix('.dist')}" if found else ""


def run(ticks: Ticks, fast: int, slow: int, repeats: int) -> PeerRun:
    """Run the moving-average cross there; fastest of ``repeats``."""
    with tempfile.TemporaryDirectory() as scratch:
        np.save(Path(scratch) / "ticks.npy", ticks)
        script = Path(__file__).with_name("nautilus_peer.py")
        done = subprocess.run(
            [str(_python()), str(script), f"{scratch}/ticks.npy", str(fast), str(slow), str(repeats)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the peer must run, it ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return PeerRun(answer["seconds"], answer["orders"], np.array(answer["prices"]))


def _python() -> Path:
    return ENVIRONMENT / "bin" / "python"
