"""Voila with only what a page needs: our routes, the hub's identity, sandboxed kernels, a unix socket."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import jinja2
import jupytext
from tornado import httpserver, ioloop, netutil, web
from traitlets.config import Config
from voila.app import Voila, collect_static_paths
from voila.static_file_handler import MultiStaticFileHandler, TemplateStaticFileHandler
from voila.utils import get_voila_labextensions_path

from dashboards.broker import Api, broker_routes
from dashboards.identity import HubIdentity, Viewer, ViewersOnly, hub_oauth
from dashboards.kernels import end_all, use_sandboxes
from dashboards.pages_http import EndKernel, Health, KernelSocket, Nothing, OneKernel, Page
from dashboards.settings import PREFIX, DeskSettings
from dashboards.viewers import Viewers

__all__ = ["DeskApp", "desk_app"]

_HERE = Path(__file__).parent
_KERNEL_ID = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
_EXTENSIONS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "anywidget"]


class DeskApp(Voila):
    """The page server; make one with :func:`desk_app`."""

    desk: DeskSettings

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """Files in some user's configuration change nothing here."""

    def init_settings(self) -> dict[str, Any]:
        use_sandboxes(hashlib.sha256(str(self.desk.home.root).encode()).hexdigest()[:12])
        self.connection_dir = str(self.desk.folder / "k")
        settings: dict[str, Any] = super().init_settings()
        self.identity_provider.hub_auth = hub_oauth(self.desk)
        self.api = Api(self.desk)
        self.viewers = Viewers(
            self._end_kernel, most=self.desk.most_kernels, most_per_viewer=self.desk.most_per_viewer,
            idle_s=self.desk.idle_s,
        )  # fmt: skip
        pages = [path.name for path in Path(self.root_dir).glob("*.ipynb")]
        return settings | {
            "cookie_secret": self.desk.cookie_secret, "compress_response": True, "tickhub_pages": pages,
            "log_function": lambda handler: None, "websocket_ping_interval": 20_000, "default_handler_class": Nothing,
            "mathjax_url": "", "xsrf_cookies": True, "jinja2_env": _error_pages(),
        }  # fmt: skip

    def init_handlers(self) -> list[Any]:
        mine = {"viewers": self.viewers}
        page = {"viewers": self.viewers, "api": self.api, "desk": self.desk}
        identity = [(PREFIX.rstrip("/") + path, *rest) for path, *rest in self.identity_provider.get_handlers()]
        static = {"paths": [*collect_static_paths(["voila", "nbconvert"], "lab"), str(_HERE / "static")]}
        labextensions = {"paths": get_voila_labextensions_path()}
        return [
            (f"{PREFIX}health", Health),
            *identity,
            *broker_routes(PREFIX, self.api, self.desk),
            (f"{PREFIX}api/kernels/{_KERNEL_ID}", OneKernel, mine),
            (f"{PREFIX}api/kernels/{_KERNEL_ID}/channels", KernelSocket, mine),
            (f"{PREFIX}voila/api/shutdown/{_KERNEL_ID}", EndKernel, mine),
            (f"{PREFIX}voila/templates/(.*)", TemplateStaticFileHandler),
            (f"{PREFIX}voila/static/(.*)", MultiStaticFileHandler, static),
            (f"{PREFIX}voila/labextensions/(.*)", MultiStaticFileHandler, labextensions),
            (PREFIX, Page, page),
            (f"{PREFIX}([a-z][a-z0-9_]*)", Page, page),
            (r".*", Nothing),
        ]

    def setup_template_dirs(self) -> None:
        super().setup_template_dirs()
        self.template_paths.insert(0, str(_HERE / "templates" / "desk"))

    def start(self) -> None:
        """Listen and serve until told to stop."""
        settings = self.init_settings()
        self.app = web.Application(**settings)
        self.app.add_handlers(".*$", self.init_handlers())
        self.listen()

    def listen(self) -> None:
        server = httpserver.HTTPServer(self.app, max_body_size=64 * 1024, max_header_size=32 * 1024)
        server.add_socket(netutil.bind_unix_socket(str(self.desk.socket), mode=0o600))
        self.ioloop = ioloop.IOLoop.current()
        self.ioloop.add_callback(self.viewers.recheck_forever, self._stays, self.desk.recheck_s)
        try:
            self.ioloop.start()
        finally:
            self.stop()

    def stop(self) -> None:
        """End every kernel; the sandboxes would end with this process too."""
        end_all()
        shutil.rmtree(self.desk.folder, ignore_errors=True)

    async def _end_kernel(self, kernel_id: str) -> None:
        if kernel_id in self.kernel_manager:  # it may have died
            await self.kernel_manager.shutdown_kernel(kernel_id, now=True)

    async def _stays(self, viewer: Viewer) -> bool:
        if not await self.identity_provider.still_allowed(viewer):
            return False
        status, _ = await self.api.ask("GET", "/me", viewer)
        return status not in {401, 403}


def desk_app(settings: DeskSettings) -> DeskApp:
    """Write the pages as notebooks and set the server up over them."""
    shutil.rmtree(settings.folder, ignore_errors=True)
    pages = settings.folder / "pages"
    for folder in (settings.folder, pages, settings.folder / "k"):
        folder.mkdir(mode=0o700, parents=True)
    for source in sorted((_HERE / "pages").glob("*.py")):
        jupytext.write(jupytext.read(source, fmt="py:percent"), pages / f"{source.stem}.ipynb", fmt="ipynb")
    for name in [name for name in os.environ if name.startswith(("JUPYTER", "VOILA"))]:
        del os.environ[name]
    asyncio.set_event_loop(asyncio.new_event_loop())
    app = DeskApp(config=_config(settings), root_dir=str(pages), log_level="WARN")
    app.desk = settings
    app.initialize([])
    return app


def _error_pages() -> jinja2.Environment:
    # The stock ones need files of a whole Jupyter server, and without them the browser gets an empty answer.
    return jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates" / "errors"), autoescape=True)


def _config(settings: DeskSettings) -> Config:
    config = Config()
    config.Voila.base_url = config.Voila.server_url = PREFIX
    config.Voila.auto_token = True  # else Voila writes a token into our identity provider
    config.Voila.identity_provider_class = HubIdentity
    config.Voila.authorizer_class = ViewersOnly
    config.Voila.open_browser = False
    pages = config.VoilaConfiguration
    pages.allow_template_override = pages.allow_theme_override = "NO"
    pages.strip_sources, pages.show_tracebacks, pages.file_allowlist = True, False, []
    pages.preheat_kernel, pages.default_pool_size = True, settings.pool
    pages.extension_allowlist = _EXTENSIONS
    pages.page_config_hook = _no_foreign_address
    kernels = config.MultiKernelManager
    kernels.kernel_manager_class = "dashboards.kernels.OwnFolderKernel"
    config.KernelManager.transport = "ipc"
    config.VoilaKernelManager.fill_delay = 0
    # The stock culling counts a kernel's time in the pool, and ends one that a page has just been given.
    config.MappingKernelManager.cull_idle_timeout = 0
    return config


def _no_foreign_address(page_config: dict[str, Any], **_: Any) -> dict[str, Any]:
    # The stock front end would fetch a typesetter of formulas from another host.
    return page_config | {"fullMathjaxUrl": f"{PREFIX}voila/static/mathjax.js", "mathjaxConfig": "none"}
