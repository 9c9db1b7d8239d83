"""JupyterHub's configuration; everything is in ``hub.configure``."""

import os
import sys

from hub.configure import configure
from kernel_lib.errors import TickhubError

try:
    configure(get_config(), os.environ)  # type: ignore[name-defined]  # noqa: F821  JupyterHub provides it
except TickhubError as error:
    sys.exit(f"tickhub: {error}")
