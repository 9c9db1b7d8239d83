"""The platform's Ed25519 key and the short tokens signed with it.

The private key is read by the programs that sign (the api, the command line); all others hold only the
public key. One algorithm, EdDSA, fixed here and never taken from a token's header.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel_lib.config import Home, Secret
from kernel_lib.errors import Misconfigured, Refused

__all__ = ["Claims", "create_keys", "issue_token", "read_private_key", "read_public_key", "verify_token"]

ISSUER = "tickhub"
_PRIVATE = "keys/platform.ed25519"
_PUBLIC = "run/platform.pub"
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "jti"]
_LEEWAY_S = 10


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified token says: ``subject`` is an agent's or a user's name."""

    subject: str
    tenant: str
    audience: str
    token_id: str
    expires_s: int


def create_keys(home: Home) -> None:
    """Make the platform's key pair below ``home`` unless it is there; the private half is readable by us only."""
    private_path = home / _PRIVATE
    if not private_path.exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        handle = os.open(private_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
    public = read_private_key(home).public_key()
    public_path = home / _PUBLIC
    public_path.write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    public_path.chmod(0o644)


def read_private_key(home: Home) -> Ed25519PrivateKey:
    """Read the signing key; refuse one that others can read."""
    path = home / _PRIVATE
    pem = _read(path)
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"{path} must be readable by its owner only (chmod 600); it was {path.stat().st_mode:o}")
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"{path} must hold an Ed25519 key, it held {type(key).__name__}")
    return key


def read_public_key(home: Home) -> Ed25519PublicKey:
    """Read the key that signatures are checked with."""
    path = home / _PUBLIC
    key = serialization.load_pem_public_key(_read(path))
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"{path} must hold an Ed25519 key, it held {type(key).__name__}")
    return key


def issue_token(
    key: Ed25519PrivateKey, *, subject: str, tenant: str, audience: str, now_s: int, lifetime_s: int
) -> Secret:
    """Sign a token for one audience (``"bridge"``, ``"control"``) and one subject."""
    claims = {
        "iss": ISSUER, "sub": subject, "tenant": tenant, "aud": audience, "iat": now_s, "exp": now_s + lifetime_s,
        "jti": secrets.token_urlsafe(12),
    }  # fmt: skip
    return Secret(jwt.encode(claims, key, algorithm="EdDSA"))


def verify_token(
    key: Ed25519PublicKey, token: str, *, audience: str, now_s: int, max_lifetime_s: int = 400 * 86400
) -> Claims:
    """Check signature, audience, issuer, and the time against ``now_s``.

    Raises
    ------
    Refused
        Code ``token_expired``, ``token_foreign`` (another issuer, audience or key) or ``token_invalid``.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["EdDSA"], audience=audience, issuer=ISSUER,
            options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
        )  # fmt: skip
    except (jwt.InvalidSignatureError, jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
        raise Refused("token_foreign", f"the token must be signed by this platform for {audience!r}: {error}") from None
    except jwt.InvalidTokenError as error:
        raise Refused("token_invalid", f"the token must be a signed token of this platform: {error}") from None
    try:
        expires_s, issued_s = int(claims["exp"]), int(claims["iat"])
        subject, tenant, token_id = str(claims["sub"]), str(claims["tenant"]), str(claims["jti"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Refused("token_invalid", f"the token lacks a claim or has one of the wrong type: {error}") from None
    if now_s > expires_s + _LEEWAY_S:
        raise Refused("token_expired", f"the token expired {now_s - expires_s} s ago; have a new one issued")
    if issued_s > now_s + _LEEWAY_S or expires_s - issued_s > max_lifetime_s:
        raise Refused("token_invalid", "the token's times must lie in the past and within the longest lifetime")
    return Claims(subject=subject, tenant=tenant, audience=audience, token_id=token_id, expires_s=expires_s)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"the platform's key must be at {path}: {error}; 'tickhub up' creates it") from error
