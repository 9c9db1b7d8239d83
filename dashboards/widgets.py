"""The pages' widgets: each is a front end (``static/tools.js``, then its own) and no Python state."""

from pathlib import Path

import anywidget

__all__ = ["Approvals", "TraderDesk"]

_STATIC = Path(__file__).with_name("static")
_TOOLS = (_STATIC / "tools.js").read_text()
_LOOKS = (_STATIC / "trader.css").read_text()


class TraderDesk(anywidget.AnyWidget):
    """A tenant's desk, live, with its switches; everything it shows is fetched by the viewer's browser."""

    _esm = _TOOLS + (_STATIC / "trader.js").read_text()
    _css = _LOOKS


class Approvals(anywidget.AnyWidget):
    """What quants submitted, for an admin to read and decide on."""

    _esm = _TOOLS + (_STATIC / "approvals.js").read_text()
    _css = _LOOKS
