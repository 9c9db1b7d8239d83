"""Where compiled machine code is kept, so that a fresh kernel does not compile again.

numba's own cache looks at a function's file only, not at the functions it calls; code compiled against an older
``ledger.py`` would live on. So each state of our sources has a directory of its own, named by their digest. A
read-only installation carries a prepared directory below ``sys.prefix``; it is copied to the user's cache on first
use. Import this before compiling anything.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

__all__ = ["cache_dir", "entry_point", "prepared_dir", "source_digest"]

_COMPILED = (
    "features", "market", "strategy", "trading", "machine_code.py", "compiler_hints.py", "kept_code.py", "content.py",
    "backtest/loop.py", "backtest/account_loop.py", "backtest/sweep_engine.py", "backtest/sweep_totals.py",
)  # fmt: skip


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Give a digest of all sources that machine code is made of, of Python's and of numba's version."""
    here = Path(__file__).parent
    digest = hashlib.sha256(f"{sys.version}{numba.__version__}{here}".encode())
    for name in _COMPILED:
        path = here / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def prepared_dir() -> Path:
    """The directory that the installation prepares, ``sys.prefix/share/tickhub/machine-code/<digest>``."""
    return Path(sys.prefix) / "share" / "tickhub" / "machine-code" / source_digest()


def cache_dir() -> Path:
    """The user's directory; ``TICKHUB_CACHE`` names another parent than ``~/.cache/tickhub``."""
    parent = (
        os.environ.get("TICKHUB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "tickhub"
    )
    return Path(parent) / "machine-code" / source_digest()


def entry_point(compiled: Any, signature: tuple[Any, ...] | None = None) -> Callable[..., Any]:
    """Give a compiled function's machine code as a callable, without the look-up of its arguments' types.

    A call costs a third of the usual, half a microsecond. The arguments must have exactly the compiled types:
    nothing checks them.

    Parameters
    ----------
    compiled : numba function
        Compiled with an explicit signature, or for ``signature`` already.
    signature : tuple of numba types or None
        Which of its forms; None where there is only one.
    """
    forms = compiled.overloads
    chosen = next(iter(forms.values())) if signature is None else forms[signature]
    point: Callable[..., Any] = chosen.entry_point
    return point


def _install() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    target = cache_dir()
    # Empty is as good as absent: preparing the installation makes one, before anything is prepared.
    if not target.exists() or not any(target.iterdir()):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            prepared = prepared_dir()
            if prepared.is_dir() and prepared != target:
                fresh = Path(tempfile.mkdtemp(dir=target.parent))
                shutil.copytree(prepared, fresh, dirs_exist_ok=True, copy_function=shutil.copy2)
                fresh.rename(target)
            else:
                target.mkdir(exist_ok=True)
        except OSError:  # another process was first, or nothing can be written: then numba compiles in memory
            pass
    if os.access(target, os.W_OK):
        numba.config.CACHE_DIR = str(target)  # type: ignore[attr-defined]


_install()
