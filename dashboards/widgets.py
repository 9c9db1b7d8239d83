"""The pages' widgets: each is a front end of its own (``static/<name>.js`` and ``.css``) and no Python state."""

from pathlib import Path

import anywidget

__all__ = ["TraderDesk"]

_STATIC = Path(__file__).with_name("static")


class TraderDesk(anywidget.AnyWidget):
    """A tenant's desk, live, with its switches; everything it shows is fetched by the viewer's browser."""

    _esm = (_STATIC / "trader.js").read_text()
    _css = (_STATIC / "trader.css").read_text()
