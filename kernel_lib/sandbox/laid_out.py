"""The platform's compiled code inside a sandbox: laid out before anything that is compiled is imported."""

import os
import shutil
from pathlib import Path

__all__ = ["MACHINE_CODE", "lay_out_machine_code"]

#: Where the sandbox shows the compiled code of the platform's sources, read-only.
MACHINE_CODE = "/opt/machine-code"


def lay_out_machine_code() -> None:
    """Put it where numba looks for it: the first thing that a program in the sandbox does."""
    parent = os.environ.get("TICKHUB_CACHE")
    if parent and os.path.isdir(MACHINE_CODE):
        target = Path(parent) / "machine-code"
        if not target.exists():
            # As links: numba wants a writable cache, but replaces files and never writes into one.
            shutil.copytree(MACHINE_CODE, target, copy_function=os.symlink)
