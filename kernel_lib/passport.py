"""A strategy's passport: the immutable bundle that is promoted, and the signed statement that approves it.

A quant's :class:`Passport` holds everything that decides what the strategy does. Its identity is the SHA-256 of its
canonical bytes. Another person's :class:`Approval` names that hash, the mode and the limits, and is signed with the
platform's key. The engine runs what :func:`verify` passes and nothing else. Nothing here executes or parses source.

An approved bundle is handed to the engine as three files below ``HOME/engine/approved/TENANT``, written by
:func:`store_approved`; that directory is the only path in.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel_lib.config import Home
from kernel_lib.declared import shown
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.instrument import Instrument
from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

__all__ = [
    "Approval",
    "Approved",
    "Passport",
    "Stored",
    "build_passport",
    "check_mode",
    "check_promotable",
    "decode_passport",
    "for_reading",
    "load_approved",
    "sign_approval",
    "store_approved",
    "verify",
    "withdraw_approved",
]

VERSION = 2
"""Of the two shapes below; readers refuse a newer one."""
MAX_BUNDLE_BYTES = 8 << 20
_CONTEXT = b"tickhub approval\0"
_LIBRARIES = ("numpy", "numba", "msgspec", "tickhub")
_PARTS = ("bundle", "signature", "approval")

Who = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Passport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what a promoted strategy does; see the module.

    Parameters
    ----------
    version : int
        Of this shape; a newer one than this program knows is refused.
    source, entry : str
        Module text, and the name in it that holds the strategy.
    params, features, on, sizing : as the strategy declares them
        ``params`` are applied on top of the source; the others are for people to read.
    models : dict of str to bytes
        Bundles that the source names; the platform never looks inside, the sandbox does.
    channels : list of str
        What its features read from outside, sorted: other instruments' symbols, news, a calendar.
    instrument, account, limits, costs
        The contract, and what backtest and paper trading run with. The approver's limits replace ``limits``.
    environment : dict
        Python and library versions it was researched with.
    parents, evidence
        Hashes of passports it came from, and named findings (trials, hold-out, parity); they may grow.
    """

    version: int = VERSION
    name: Who
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=512 * 1024)]
    entry: Annotated[str, msgspec.Meta(pattern="^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    params: dict[str, bool | int | float] = {}
    features: list[str] = []
    on: str = "tick"
    sizing: str = ""
    models: dict[Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")], bytes] = {}
    channels: Annotated[list[Annotated[str, msgspec.Meta(max_length=64)]], msgspec.Meta(max_length=64)] = []
    instrument: Instrument
    account: AccountConfig = AccountConfig()
    limits: RiskLimits = RiskLimits()
    costs: Costs = Costs()
    environment: dict[str, str] = {}
    author: Who
    tenant: Who
    created_ns: int
    parents: list[Hash] = []
    evidence: dict[str, str] = {}

    def encode(self) -> bytes:
        """The canonical bytes: the same passport always gives the same."""
        return _encode(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical bytes, in hex: the passport's identity."""
        return hashlib.sha256(self.encode()).hexdigest()


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an approver states about one passport.

    Parameters
    ----------
    hash : str
        Of the passport.
    tenant, author, approver : str
        The approver is another person than the author.
    mode : str
        ``"paper"``: the simulated broker on live ticks; ``"mt5"``: orders to the terminal of ``agent``.
    limits : RiskLimits
        What the engine enforces.
    at_ns, expires_ns : int
        From when and until when it holds; ``expires_ns`` 0 means until it is withdrawn.
    """

    version: int = VERSION
    hash: Hash
    tenant: Who
    author: Who
    approver: Who
    mode: Literal["paper", "mt5"]
    agent: str = ""
    limits: RiskLimits
    at_ns: int
    expires_ns: int = 0


class Approved(msgspec.Struct, frozen=True):
    """A bundle that passed every check."""

    passport: Passport
    approval: Approval


class Stored(msgspec.Struct, frozen=True):
    """The three parts of a stored bundle, unverified; absent parts are empty."""

    hash: str
    bundle: bytes
    approval: bytes
    signature: bytes


def build_passport(
    strategy: Any,
    *,
    instrument: Instrument,
    author: str,
    tenant: str,
    created_ns: int,
    account: AccountConfig | None = None,
    limits: RiskLimits | None = None,
    costs: Costs | None = None,
    evidence: Mapping[str, str] | None = None,
) -> Passport:
    """Make the passport of a strategy as it stands in a notebook.

    Parameters
    ----------
    strategy : Strategy
        What ``@strategy`` made; its ``name``, ``source``, ``entry``, ``params`` and ``features`` are read.

    Raises
    ------
    BadData
        The source is not known (a decision typed at a prompt), or a field is out of range.
    """
    check_promotable(strategy)
    paper_only = getattr(strategy, "paper_only", "")
    passport = Passport(
        name=strategy.name,
        source=strategy.source,
        entry=strategy.entry,
        params=dict(strategy.params),
        features=[f"{name} = {feature!r}" for name, feature in strategy.features.items()],
        on=getattr(strategy, "on", "tick"),
        sizing=repr(getattr(strategy, "sizing", "")),
        models=_models_of(strategy),
        channels=sorted(strategy.channels),
        instrument=instrument,
        account=account or AccountConfig(),
        limits=limits or RiskLimits(),
        costs=costs or Costs(),
        environment=_environment(),
        author=author,
        tenant=tenant,
        created_ns=created_ns,
        evidence=dict(evidence or {}) | ({"paper_only": paper_only} if paper_only else {}),
    )
    try:
        # Constraints are checked on decode, not in the constructor; and a whole number in a float's place becomes one.
        passport = _decode(passport.encode(), Passport, "bundle")
        decode_passport(passport.encode())
    except Refused as error:
        raise BadData(f"{strategy.name} cannot be promoted: {error}") from error
    return passport


def check_promotable(strategy: Any) -> None:
    """Refuse what no passport can be made of, in the words of who wrote it.

    Raises
    ------
    BadData
        It is no strategy, its decision has no name, or its source is not known.
    """
    if not all(hasattr(strategy, name) for name in ("name", "entry", "source", "params", "features", "channels")):
        raise BadData(f"what is promoted must be what @strategy made, it was {shown(strategy)}")
    if not str(strategy.entry).isidentifier():
        raise BadData("a decision must have a name to be promoted: write it as a function with def, it was a lambda")
    if not strategy.source:
        raise BadData(f"{strategy.name}: its source text must be known to be promoted; define it in a cell or a file")


def decode_passport(bundle: bytes) -> Passport:
    """Read a passport's canonical bytes.

    Raises
    ------
    Refused
        ``bundle_size``, ``bundle_version`` (made by a newer or an older platform), ``bundle_invalid``,
        ``bundle_not_canonical``.
    """
    if len(bundle) > MAX_BUNDLE_BYTES:
        raise Refused("bundle_size", f"a bundle must have at most {MAX_BUNDLE_BYTES} bytes, it has {len(bundle)}")
    passport = _decode(bundle, Passport, "bundle")
    if passport.encode() != bundle:
        raise Refused(
            "bundle_not_canonical", "a bundle must be the canonical bytes of its passport, it is another form"
        )
    return passport


def for_reading(passport: Passport) -> dict[str, Any]:
    """Give what a person who approves should read, in plain types; of a model's bundle its size and identity."""
    models = {
        name: f"{len(bundle):,} bytes, {hashlib.sha256(bundle).hexdigest()[:12]}"
        for name, bundle in passport.models.items()
    }
    plain = msgspec.to_builtins(msgspec.structs.replace(passport, models={}))
    wanted = (
        "name", "author", "source", "params", "features", "on", "sizing", "channels", "account", "limits", "costs",
        "evidence", "environment", "created_ns",
    )  # fmt: skip
    return {"symbol": passport.instrument.symbol, "models": models, **{name: plain[name] for name in wanted}}


def sign_approval(approval: Approval, key: Ed25519PrivateKey) -> tuple[bytes, bytes]:
    """Give the approval's bytes and their signature.

    Raises
    ------
    Refused
        ``author_is_approver``, or ``approval_invalid``.
    """
    content = _encode(approval)
    _check_approval(_decode(content, Approval, "approval"))
    return content, key.sign(_CONTEXT + content)


def verify(
    bundle: bytes, approval: bytes, signature: bytes, key: Ed25519PublicKey, *, tenant: str, now_ns: int
) -> Approved:
    """Pass a bundle that is whole, approved by another person, for this tenant, now.

    Raises
    ------
    Refused
        Code ``bad_signature``, ``hash_mismatch``, ``author_is_approver``, ``wrong_author``, ``wrong_tenant``,
        ``not_yet_valid``, ``expired``, ``no_agent``, ``paper_only``, or one of :func:`decode_passport`.
    """
    try:
        key.verify(signature, _CONTEXT + approval)
    except InvalidSignature:
        raise Refused("bad_signature", "an approval must be signed with this platform's key, this one is not") from None
    statement = _decode(approval, Approval, "approval")
    _check_approval(statement)
    found = hashlib.sha256(bundle).hexdigest()
    if found != statement.hash:
        raise Refused(
            "hash_mismatch", f"the approval is for {statement.hash[:12]}, the bundle is {found[:12]}: changed?"
        )
    passport = decode_passport(bundle)
    if not passport.tenant == statement.tenant == tenant:
        raise Refused("wrong_tenant", f"the bundle must be of tenant {tenant!r}, it is of {passport.tenant!r}")
    check_mode(passport, statement.mode)
    if passport.author != statement.author:
        raise Refused("wrong_author", f"the approval names author {statement.author!r}, the bundle {passport.author!r}")
    if now_ns < statement.at_ns - 10_000_000_000:
        raise Refused("not_yet_valid", "the approval lies in the future; set the clocks right")
    if statement.expires_ns and now_ns >= statement.expires_ns:
        raise Refused("expired", "the approval has expired; ask for a new one")
    return Approved(passport, statement)


def store_approved(home: Home, bundle: bytes, approval: bytes, signature: bytes) -> Path:
    """Hand an approved bundle to the engine; the engine verifies it again when it loads.

    Returns
    -------
    Path
        Where the bundle lies; ask the engine to reload.
    """
    statement = _decode(approval, Approval, "approval")
    folder = _folder(home, statement.tenant)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part, content in zip(_PARTS, (bundle, signature, approval), strict=True):  # the approval last: it completes
        path = folder / f"{statement.hash}.{part}"
        draft = path.with_suffix(f".{part}-{os.getpid()}.draft")
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    return folder / f"{statement.hash}.bundle"


def withdraw_approved(home: Home, tenant: str, passport_hash: str) -> bool:
    """Take an approval back; False when there was none. Ask the engine to reload."""
    path = _folder(home, tenant) / f"{_checked_hash(passport_hash)}.approval"
    if not path.exists():
        return False
    path.unlink()
    return True


def load_approved(home: Home, tenant: str) -> Iterator[Stored]:
    """Give every stored bundle of a tenant that has an approval, by hash, unverified."""
    for path in sorted(_folder(home, tenant).glob("*.approval")):
        yield Stored(path.stem, *(_read(path.with_suffix(f".{part}")) for part in ("bundle", "approval", "signature")))


def check_mode(passport: Passport, mode: str) -> None:
    """Refuse a mode that a passport says it cannot run in; a book at a terminal denies it once more, whatever it says.

    Raises
    ------
    Refused
        ``paper_only``.
    """
    why = passport.evidence.get("paper_only", "")
    if mode == "mt5" and why:
        raise Refused(
            "paper_only",
            f"{passport.name} uses {why}, which only the simulated broker carries out as yet: it runs on paper only; "
            "approve it for paper, or enter at the market with fixed stops",
        )


def _check_approval(statement: Approval) -> None:
    if statement.author == statement.approver:
        raise Refused(
            "author_is_approver", f"another person than the author must approve; both are {statement.author!r}"
        )
    if statement.mode == "mt5" and not statement.agent:
        raise Refused("no_agent", "an approval for mt5 must name the agent whose terminal carries out the orders")


def _encode(struct: Passport | Approval) -> bytes:
    return msgspec.msgpack.encode(struct, order="sorted")


class _Versioned(msgspec.Struct):
    version: int


Kind = TypeVar("Kind", Passport, Approval)


def _decode(content: bytes, kind: type[Kind], what: str) -> Kind:
    try:
        found = msgspec.msgpack.decode(content, type=_Versioned).version
        if found > VERSION:
            raise Refused(
                f"{what}_version", f"the {what} has version {found}, this platform knows up to {VERSION}; update it"
            )
        if found < VERSION:
            raise Refused(
                f"{what}_version",
                f"the {what} has version {found} of an older platform, this one needs {VERSION}; promote it again",
            )
        return msgspec.msgpack.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, BadData) as error:
        raise Refused(f"{what}_invalid", f"the {what} must fit its schema: {error}") from None


def _models_of(strategy: Any) -> dict[str, bytes]:
    models: dict[str, bytes] = {}
    for feature in strategy.features.values():
        for name, bundle in getattr(feature, "files", {}).items():
            if models.setdefault(name, bundle) != bundle:
                raise BadData(f"{strategy.name} uses two models under the name {name!r}; keep them under two names")
    return models


def _environment() -> dict[str, str]:
    found = {"python": platform.python_version(), "implementation": sys.implementation.name}
    for library in _LIBRARIES:
        try:
            found[library] = installed_version(library)
        except PackageNotFoundError:
            continue
    return found


def _folder(home: Home, tenant: str) -> Path:
    if not tenant or not tenant.replace("-", "").replace("_", "").isalnum():
        raise BadData(f"a tenant's name must be letters, digits, '-' or '_', it was {tenant[:50]!r}")
    return home / "engine" / "approved" / tenant


def _checked_hash(text: str) -> str:
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise BadData(f"a passport's hash must be 64 hex digits, it was {text[:70]!r}")
    return text


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
