"""The HTTP side of a page: the document, its kernel's WebSocket, its kernel's end; each for its viewer only."""

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from dashboards.broker import Api
from dashboards.identity import HubIdentity
from dashboards.settings import DeskSettings
from dashboards.viewers import Viewers
from kernel_lib.errors import Refused, Transient

__all__ = ["EndKernel", "Health", "KernelSocket", "Nothing", "OneKernel", "Page", "is_harmless"]

_ALLOWED = frozenset({"kernel_info_request", "comm_info_request", "comm_open", "comm_msg", "comm_close"})
# The one comm a page opens itself: it asks for the state of the widgets that the notebook made.
_TARGETS = frozenset({"jupyter.widget.control"})
_DRAWN = "application/vnd.jupyter.widget-view+json"
_MAX_PARTS = 64


class Page(JupyterHandler):
    """One page, drawn by a warm kernel that from then on belongs to the viewer."""

    def initialize(self, viewers: Viewers, api: Api, desk: DeskSettings) -> None:
        self._viewers = viewers
        self._api = api
        self._desk = desk

    @web.authenticated
    async def get(self, name: str = "trader") -> None:
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", self._policy())
        notebook = f"{name}.ipynb"
        kernels: Any = self.kernel_manager
        if notebook not in kernels.notebook_data:
            raise web.HTTPError(404)
        if self.request.query:  # arguments would choose another template or reach a kernel; a page takes none
            self.redirect(self.request.path)
            return
        identity: HubIdentity = self.settings["identity_provider"]
        viewer = identity.viewer(self)
        try:
            status, content = await self._api.ask("GET", "/me", viewer)
            if status >= 400:
                code = "api" if status in {401, 403} else "busy"
                raise Refused(code, str(content.get("message", "you have no desk")))
            await self._viewers.make_room(viewer)
        except Refused as refused:
            return self._sorry(403 if refused.code == "api" else 503, _sentence(str(refused)))
        except Transient:
            return self._sorry(503, "The platform is starting or busy. Reload this page in a moment.")
        if not kernels.get_pool_size(notebook):
            return self._sorry(503, "The page is being prepared. Reload it in a moment.")
        task, _, kernel_id = await kernels.get_rendered_notebook(notebook_name=notebook)
        self._viewers.bind(kernel_id, viewer)
        html = "".join(await _draw(task))
        if _DRAWN not in html:
            await self._viewers.end(kernel_id, "the page could not be drawn")
            return self._sorry(503, "The page could not be drawn. Reload it, and tell an admin if it stays so.")
        _ = self.xsrf_token  # sets the cookie that the broker asks for
        self.finish(html)
        return None

    def _policy(self) -> str:
        host = self.request.host_name
        stream = self._desk.stream_url or f"ws://{host}:{self._desk.bridge_port} wss://{host}:{self._desk.bridge_port}"
        # 'unsafe-eval' is for the widget libraries' module loader; blob: is how a widget's front end is loaded.
        return "; ".join((
            "default-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
            "style-src 'self' 'unsafe-inline'", "img-src 'self' data: blob:", "font-src 'self' data:",
            f"connect-src 'self' {stream}", "object-src 'none'", "base-uri 'self'", "form-action 'self'",
            "frame-ancestors 'none'",
        ))  # fmt: skip

    def _sorry(self, status: int, text: str) -> None:
        self.set_status(status)
        title = "Not let in" if status == 403 else "Not just now"
        self.finish(self.render_template("error.html", title=title, told=text))  # type: ignore[no-untyped-call]


class KernelSocket(VoilaKernelWebsocketHandler):
    """A page's line to its own kernel, for messages of widgets and nothing else."""

    def initialize(self, viewers: Viewers) -> None:
        self._viewers = viewers

    async def pre_get(self) -> None:
        if not self._viewers.owns(self.current_user.username, self.kernel_id):
            raise web.HTTPError(404)
        await super().pre_get()

    async def open(self, kernel_id: str) -> None:
        self._viewers.opened(kernel_id, self)
        await super().open(kernel_id)

    def on_message(self, ws_message: str | bytes) -> None:
        if not self._viewers.owns(self.current_user.username, self.kernel_id) or not is_harmless(ws_message):
            self.log.warning("a message of a page was refused")
            return
        super().on_message(ws_message)

    def on_close(self) -> None:
        self._viewers.closed(self.kernel_id, self)
        super().on_close()


class OneKernel(APIHandler):
    """What a page asks of its own kernel before it connects: whether it is there."""

    def initialize(self, viewers: Viewers) -> None:
        self._viewers = viewers

    @web.authenticated
    async def get(self, kernel_id: str) -> None:
        if not self._viewers.owns(self.current_user.username, kernel_id):
            raise web.HTTPError(404)
        kernels: Any = self.kernel_manager
        self.finish(json.dumps(kernels.kernel_model(kernel_id), default=str))


class EndKernel(APIHandler):
    """A page that is left ends its kernel."""

    def initialize(self, viewers: Viewers) -> None:
        self._viewers = viewers

    @web.authenticated
    async def post(self, kernel_id: str) -> None:
        if not self._viewers.owns(self.current_user.username, kernel_id):
            raise web.HTTPError(404)
        await self._viewers.end(kernel_id, "left")
        self.set_status(204)
        self.finish()


class Health(web.RequestHandler):
    """Good once a warm kernel waits for every page."""

    def get(self) -> None:
        kernels, pages = self.settings["kernel_manager"], self.settings["tickhub_pages"]
        warm = all(page in kernels.notebook_data for page in pages)
        self.set_status(200 if warm else 503)
        self.write({"ok": warm})


class Nothing(web.RequestHandler):
    """Every other path: none of what a Jupyter server offers is here."""

    def prepare(self) -> None:
        raise web.HTTPError(404)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(self.settings["jinja2_env"].get_template("error.html").render(status_code=status_code))


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


async def _draw(task: Any) -> list[str]:
    # What the pool's kernel has drawn so far, and the rest as it comes.
    rendered, rest = await task
    return [*rendered, *[snippet async for snippet, _ in rest]]


def is_harmless(message: str | bytes) -> bool:
    """Whether a page may send its kernel this message: only what widgets need."""
    try:
        if isinstance(message, bytes):
            header, content = _parts(message)
        else:
            whole = json.loads(message)
            header, content = whole["header"], whole.get("content") or {}
        kind = header["msg_type"]
        return kind in _ALLOWED and (kind != "comm_open" or content.get("target_name") in _TARGETS)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False


def _parts(message: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    # v1 protocol: count, offsets, then channel, header, parent header, metadata, content, buffers. The count is bounded
    # here, because the stock reader believes it and a count of eight 0xff bytes keeps it busy for ever.
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= _MAX_PARTS or len(message) < 8 * (count + 1):
        raise ValueError(count)
    offsets = [int.from_bytes(message[8 * (i + 1) : 8 * (i + 2)], "little") for i in range(count)]
    return json.loads(message[offsets[1] : offsets[2]]), json.loads(message[offsets[4] : offsets[5]])
