"""What a comparison of backtest and engine states, as canonical bytes, and the platform's signature under it.

A certificate names what it is about by hashes: of all that decides what a strategy does (:func:`identity_of`), and of
the ticks. In a passport's ``evidence``, or beside its approval, it stands as the text that :func:`as_text` gives. One
that a notebook made has no signature and says so; the platform signs what it has run itself.
"""

import contextlib
import hashlib
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel_lib.config import Home
from kernel_lib.errors import BadData
from kernel_lib.market.tick import Ticks
from kernel_lib.passport import Passport

__all__ = [
    "Certificate",
    "as_text",
    "certificate_of",
    "certificate_path",
    "evidence_for_reading",
    "identity_of",
    "read_certificate",
    "shown_certificate",
]

_CONTEXT = b"tickhub parity certificate\0"
_COUNTED = ("ticks", "decisions", "orders", "denied", "fills", "closed")
_LONGEST = 2_000
#: Nanoseconds that numpy has a date for.
Nanoseconds = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One comparison.

    Parameters
    ----------
    name, symbol : str
    identity : str
        SHA-256 of what decides, see :func:`identity_of`.
    ticks_sha256 : str
        Of the ticks' bytes; with ``n_ticks``, ``first_ns`` and ``last_ns``.
    code : dict
        Digest of the compiled sources, and versions.
    counts : dict
        Ticks, decisions, orders, denied, fills, closed.
    verdict : str
        ``identical`` or ``gap``; ``cause`` and ``gap`` then say which.
    isolated : bool
        The strategy ran in a sandbox on the engine's side.
    """

    version: int = 1
    name: str
    symbol: str
    identity: str
    ticks_sha256: str
    n_ticks: int
    first_ns: Nanoseconds
    last_ns: Nanoseconds
    code: dict[str, str]
    counts: dict[str, int]
    verdict: str
    cause: str = ""
    gap: str = ""
    isolated: bool = True

    def encode(self) -> bytes:
        """The canonical bytes: the same certificate always gives the same."""
        return msgspec.json.encode(self, order="sorted")

    def __str__(self) -> str:
        said = "identical" if self.verdict == "identical" else f"gap, {self.cause}: {self.gap}"
        days = " to ".join(str(np.datetime64(each, "ns"))[:10] for each in (self.first_ns, self.last_ns))
        told = ", ".join(f"{self.counts[what]:,} {what}" for what in _COUNTED if what in self.counts)
        return f"{said}; {told} of {self.symbol}, {days}"


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: Certificate
    signature: str = ""


def certificate_of(
    passport: Passport, ticks: Ticks, *, counts: dict[str, int], gap: Any, isolated: bool, machine_code: str
) -> Certificate:
    """Put a certificate together; ``gap`` is a :class:`~kernel_lib.backtest.parity_gap.Gap` or None."""
    code = {"machine_code": machine_code, "python": platform.python_version()}
    for library in ("numpy", "numba", "tickhub"):
        try:
            code[library] = installed_version(library)
        except PackageNotFoundError:
            continue
    return Certificate(
        name=passport.name, symbol=passport.instrument.symbol, identity=identity_of(passport),
        ticks_sha256=hashlib.sha256(np.ascontiguousarray(ticks).tobytes()).hexdigest(), n_ticks=len(ticks),
        first_ns=int(ticks["time_ns"][0]), last_ns=int(ticks["time_ns"][-1]), code=code, counts=dict(counts),
        verdict="identical" if gap is None else "gap", cause="" if gap is None else gap.cause,
        gap="" if gap is None else str(gap), isolated=isolated,
    )  # fmt: skip


def identity_of(passport: Passport) -> str:
    """Give the SHA-256 of what decides what a strategy does: a passport without who, when, findings and environment.

    So a certificate can be made before the passport that carries it, and fits no other strategy, parameter, model,
    contract, account, limit or cost.
    """
    bare: dict[str, Any] = {
        "author": "-",
        "tenant": "-",
        "created_ns": 0,
        "environment": {},
        "parents": [],
        "evidence": {},
    }
    return msgspec.structs.replace(passport, **bare).hash


def as_text(certificate: Certificate, key: Ed25519PrivateKey | None = None) -> str:
    """Give the certificate as text for ``evidence={"parity": ...}``; signed where there is a key."""
    signature = key.sign(_CONTEXT + certificate.encode()).hex() if key is not None else ""
    return msgspec.json.encode(_Text(certificate, signature), order="sorted").decode()


def read_certificate(text: str, key: Ed25519PublicKey | None = None) -> tuple[Certificate, bool]:
    """Read a certificate's text; tell whether the platform's key signed it.

    Raises
    ------
    BadData
        It is no certificate.
    """
    try:
        found = msgspec.json.decode(text, type=_Text)
    except msgspec.DecodeError as error:
        raise BadData(f"a parity certificate must be the text that as_text gave, it is not: {error}") from None
    if key is None or not found.signature:
        return found.certificate, False
    try:
        key.verify(bytes.fromhex(found.signature), _CONTEXT + found.certificate.encode())
    except (InvalidSignature, ValueError):
        return found.certificate, False
    return found.certificate, True


def certificate_path(home: Home, tenant: str, passport_hash: str) -> Path:
    """Say where the platform keeps its own certificate of a strategy: the latest run."""
    return home / "engine" / "parity" / tenant / f"{passport_hash}.json"


def evidence_for_reading(home: Home, passport: Passport, key: Ed25519PublicKey) -> dict[str, str]:
    """Give a passport's evidence for its approver: what its certificates are worth in words, the platform's besides."""
    evidence = dict(passport.evidence)
    if "parity" in evidence:
        evidence["parity"] = shown_certificate(evidence["parity"], passport, key)
    try:
        ours = certificate_path(home, passport.tenant, passport.hash).read_text()
    except OSError:
        return evidence | {"parity, by the platform": "not run yet: tickhub parity --certify"}
    return evidence | {"parity, by the platform": shown_certificate(ours, passport, key)}


def shown_certificate(text: str, passport: Passport, key: Ed25519PublicKey | None) -> str:
    """Say in a line for an approver what a certificate is worth for a passport.

    Returns
    -------
    str
        One line, for an author may write what they like into a claim. It begins with ``signed by the platform``,
        ``unsigned, the author's claim``, ``of another strategy`` or ``unreadable``, and ends with what makes it worth
        less: that nothing was ordered, that there was no sandbox, that it is of another release.
    """
    try:
        certificate, signed = read_certificate(text, key)
    except BadData:
        return f"unreadable: {text[:80]!r}"
    if certificate.identity != identity_of(passport):
        return _one_line(f"of another strategy, parameters, limits or costs ({certificate.name}): worth nothing here")
    whose = "signed by the platform" if signed else "unsigned, the author's claim"
    return _one_line(f"{whose}: {certificate}") + "".join(f"; {each}" for each in _doubts(certificate))


def _doubts(certificate: Certificate) -> list[str]:
    found = []
    if certificate.verdict == "identical" and not certificate.counts.get("orders"):
        found.append("worth little: nothing was ordered")
    if not certificate.isolated:
        found.append("worth less: it ran without a sandbox")
    made = certificate.code.get("tickhub", "")
    with contextlib.suppress(PackageNotFoundError):
        if made != installed_version("tickhub"):
            found.append(f"worth little: of release {_one_line(made)[:20]!r}, here is {installed_version('tickhub')!r}")
    return found


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_LONGEST]
