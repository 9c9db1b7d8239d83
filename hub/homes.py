"""Users' home directories: made complete beside their place, with the guide notebooks in them, and moved there."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from kernel_lib.config import Home

__all__ = ["FIRST_UID", "home_directory", "open_log", "uid_of"]

#: Sandboxes of user number N run as uid FIRST_UID + N, far above accounts that a distribution creates.
FIRST_UID = 210_000
_LOG = ".server.log"
_GUIDE = Path(__file__).resolve().parent.parent / "notebooks" / "guide"


def uid_of(number: int) -> int:
    """The uid a user's servers run as; our own where we are not root."""
    return FIRST_UID + number if os.geteuid() == 0 else os.geteuid()


def home_directory(home: Home, tenant: str, user: str, number: int) -> Path:
    """Give a user's home directory, made on the first call.

    Nothing is ever written into an existing one: it belongs to the user, who could lay links in our way.
    """
    place = home / "tenants" / tenant / user
    if place.exists():
        return place
    passable = 0o711 if os.geteuid() == 0 else 0o700
    place.parent.mkdir(mode=passable, parents=True, exist_ok=True)
    place.parent.chmod(passable)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    try:
        _copy_guide(fresh / "guide")
        _ask_nothing(fresh)
        if os.geteuid() == 0:
            uid = uid_of(number)
            for path in (fresh, *fresh.rglob("*")):
                os.chown(path, uid, uid, follow_symlinks=False)
        fresh.rename(place)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return place


def open_log(place: Path, uid: int) -> int:
    """Open a fresh ``.server.log`` in a user's home: what a server prints fills its user's disk and no other.

    The user may have laid a link, a pipe or a directory in its place; then the output goes nowhere.
    """
    folder = os.open(place, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_LOG, dir_fd=folder)
        log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        if os.geteuid() == 0:
            os.fchown(log, uid, uid)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)
    finally:
        os.close(folder)
    return log


def _copy_guide(folder: Path) -> None:
    import jupytext

    folder.mkdir()
    for source in sorted(_GUIDE.glob("*.py")):
        jupytext.write(jupytext.read(source, fmt="py:percent"), folder / f"{source.stem}.ipynb", fmt="ipynb")


def _ask_nothing(home: Path) -> None:
    # JupyterLab asks each new user whether it may fetch news from another host; a server has no way there.
    settings = home / ".jupyter" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    content = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(content), encoding="utf-8")
