"""The page server: ``python -m dashboards.desk`` serves the published pages below ``/services/desk/``."""

import logging
import os
import sys

from dashboards.app import desk_app
from dashboards.settings import DeskSettings
from kernel_lib.errors import TickhubError


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Their lines would hold the codes of logins and the addresses of kernels.
    for name in ("httpx", "httpcore", "traitlets", "tornado.access", "tornado.application"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        desk_app(DeskSettings.from_environ(os.environ)).start()
    except TickhubError as error:
        sys.exit(f"tickhub: {error}")


if __name__ == "__main__":
    main()
