"""Importing the catalogue is cheap: no machine code is loaded, nor a library that only some calls need."""

import subprocess
import sys

CODE = """
import sys
from kernel_lib import features as f
from numba.core.dispatcher import Dispatcher
heavy = {"pandas", "pyarrow", "matplotlib", "sklearn", "hmmlearn", "talib", "torch", "kernel_lib.features.over"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
n_updates = 0
for name, module in list(sys.modules.items()):
    if name.startswith("kernel_lib."):
        for each in vars(module).values():
            if isinstance(each, Dispatcher):
                n_updates += 1
                assert not each.overloads, (name, each)
assert n_updates >= len(f.CATALOGUE)
assert not {"feature", "rsi", "fit_regime"} - set(dir(f))
assert "window" not in dir(f) and "over" not in dir(f)
"""


def test_importing_the_catalogue_loads_no_machine_code_and_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)
