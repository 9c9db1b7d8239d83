"""Which host user a tenant's strategies run as: one of its own each, remembered in the home."""

import fcntl
import json

from kernel_lib.config import Home

__all__ = ["tenant_uid"]

_FIRST = 52_000


def tenant_uid(home: Home, tenant: str) -> int:
    """Give the tenant's user id, the next free one from 52000 on for a new tenant."""
    path = home / "engine" / "strategy-users.json"
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known: dict[str, int] = json.loads(file.read() or "{}")
        if tenant not in known:
            known[tenant] = max(known.values(), default=_FIRST - 1) + 1
            file.truncate(0)
            file.write(json.dumps(known))
    return known[tenant]
