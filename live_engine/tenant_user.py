"""Which host user a tenant's strategies run as: one of its own each, remembered in the home."""

import fcntl
import json
import os

from kernel_lib.config import Home
from kernel_lib.errors import Broken

__all__ = ["tenant_uid"]

_FIRST = 52_000


def tenant_uid(home: Home, tenant: str) -> int:
    """Give the tenant's user id, the next free one from 52000 on for a new tenant.

    Raises
    ------
    Broken
        The list is damaged: numbers given out anew would be other tenants'.
    """
    path = home / "engine" / "strategy-users.json"
    with open(path.with_suffix(".lock"), "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(path.read_bytes()) if path.exists() else {}
        if tenant not in known:
            known[tenant] = max(known.values(), default=_FIRST - 1) + 1
            # Whole or not at all: after a crash, or on a full disk, a half-written list would number everyone anew.
            draft = path.with_suffix(".draft")
            with open(draft, "wb") as file:
                file.write(json.dumps(known).encode())
                file.flush()
                os.fsync(file.fileno())
            draft.rename(path)
    return known[tenant]


def _read(content: bytes) -> dict[str, int]:
    try:
        known = json.loads(content)
        if not known or not all(type(uid) is int and uid >= _FIRST for uid in known.values()):
            raise ValueError
    except (ValueError, AttributeError):
        raise Broken(
            "engine/strategy-users.json must hold each tenant's user id, it does not; restore it, or remove it when no "
            "strategy's process runs any more"
        ) from None
    return dict(known)
