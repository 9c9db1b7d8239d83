"""Passwords: made at random, stored as argon2id, checked in the same time whether or not the user exists."""

import re
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel_lib.config import Secret

__all__ = ["USERNAME", "check_password", "hash_password", "new_password"]

#: What a hub user name looks like; anything else is nobody, and is refused before it is looked up or logged.
USERNAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_LONGEST = 256
# OWASP's argon2id minimum: a login costs about 20 ms and 19 MiB, so that a flood of them cannot fill memory.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _hasher.hash(secrets.token_hex(16))


def new_password() -> Secret:
    """Give a random password with 96 bits in it."""
    return Secret(secrets.token_urlsafe(12))


def hash_password(password: Secret) -> Secret:
    """Turn a password into what is stored."""
    return Secret(_hasher.hash(password.reveal()))


def check_password(stored: Secret | None, password: Secret) -> bool:
    """Say whether the password fits; ``stored`` None means no such user, which takes as long."""
    if len(password.reveal()) > _LONGEST:
        return False
    try:
        _hasher.verify(stored.reveal() if stored else _NOBODY, password.reveal())
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
