"""Users' home directories: made complete beside their place, with the guide notebooks in them, and moved there."""

import os
import shutil
import tempfile
from pathlib import Path

from kernel_lib.config import Home

__all__ = ["FIRST_UID", "home_directory", "uid_of"]

#: Sandboxes of user number N run as uid FIRST_UID + N, far above accounts that a distribution creates.
FIRST_UID = 210_000
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
        if os.geteuid() == 0:
            uid = uid_of(number)
            for path in (fresh, *fresh.rglob("*")):
                os.chown(path, uid, uid, follow_symlinks=False)
        fresh.rename(place)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return place


def _copy_guide(folder: Path) -> None:
    import jupytext

    folder.mkdir()
    for source in sorted(_GUIDE.glob("*.py")):
        shutil.copyfile(source, folder / source.name)
        jupytext.write(jupytext.read(source, fmt="py:percent"), folder / f"{source.stem}.ipynb", fmt="ipynb")
