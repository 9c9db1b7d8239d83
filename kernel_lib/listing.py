"""What exists and what a tier opens: every feature, model, agent, risk measure and strategy, with one line on each.

``kernel_lib.catalogue()`` in a notebook gives it as a table. Packages say what they hold in their ``CATALOGUE``;
what a tier opens stands in :mod:`kernel_lib.tiers` alone.
"""

import html
import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from kernel_lib.declared import meant
from kernel_lib.errors import BadData, Broken, Misconfigured, Refused, Transient
from kernel_lib.tiers import TIERS, Tier, opens, require_access, tier

__all__ = ["Catalogue", "Entry", "catalogue"]

#: Kind of thing by the package that holds it.
_PACKAGES = {"feature": "features", "model": "models", "agent": "agents", "risk": "risk", "strategy": "strategies"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of the library.

    Parameters
    ----------
    kind : str
        ``feature``, ``model``, ``agent``, ``risk`` or ``strategy``.
    name : str
        As it is called in code.
    about : str
        What it is for, in one line.
    tier : str
        The lowest tier that opens it.
    open : bool or None
        Whether the tier asked about opens it; None when no tier is known.
    """

    kind: str
    name: str
    about: str
    tier: str
    open: bool | None


class Catalogue:
    """A list of :class:`Entry`, shown as a table; iterate it, or take :attr:`frame`."""

    def __init__(self, entries: tuple[Entry, ...], held: Tier | None) -> None:
        self.entries = entries
        self.held = held

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return any(each.name == name for each in self.entries)

    @property
    def frame(self) -> Any:
        """The entries as a pandas DataFrame with columns ``kind, name, about, tier, open``."""
        import pandas as pd

        return pd.DataFrame(
            [msgspec.structs.asdict(each) for each in self.entries], columns=list(Entry.__annotations__)
        )

    def __repr__(self) -> str:
        width = max((len(each.name) for each in self.entries), default=0)
        lines = [self._title()]
        for each in self.entries:
            mark = {True: "+", False: "-", None: " "}[each.open]
            lines.append(f"{mark} {each.kind:<8}  {each.name:<{width}}  {each.tier:<10}  {each.about}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr style='{'opacity:.55' if each.open is False else ''}'>"
            + "".join(f"<td style='text-align:left'>{html.escape(text)}</td>"
                      for text in (each.kind, each.name, each.about, each.tier,
                                   {True: "open", False: "closed", None: ""}[each.open]))
            + "</tr>"
            for each in self.entries
        )  # fmt: skip
        head = "".join(
            f"<th style='text-align:left'>{each}</th>" for each in ("kind", "name", "about", "from tier", "")
        )
        return f"<div><b>{html.escape(self._title())}</b><table><tr>{head}</tr>{rows}</table></div>"

    def _title(self) -> str:
        if self.held is None:
            return f"{len(self.entries)} entries; the tier in force is not known here"
        n_open = sum(each.open is True for each in self.entries)
        return f"{n_open} of {len(self.entries)} entries are open to the {self.held.name} tier"


def catalogue(kind: str | None = None, *, tier_name: str | None = None) -> Catalogue:
    """List what the library holds and what a tier opens of it.

    Parameters
    ----------
    kind : str or None
        One of ``feature``, ``model``, ``agent``, ``risk``, ``strategy``; None lists all.
    tier_name : str or None
        ``free``, ``pro`` or ``enterprise``; None asks the platform which tier this user has, and where there is no
        platform to ask, no entry says whether it is open.

    Raises
    ------
    BadData
        The kind or the tier is none of these.

    >>> listed = catalogue("feature", tier_name="free")
    >>> [each.name for each in listed if each.open]
    ['outside', 'price_change', 'sma']
    """
    if kind is not None and kind not in _PACKAGES:
        raise BadData(f"a kind must be one of {', '.join(_PACKAGES)}, it was {kind!r}{meant(str(kind), _PACKAGES)}")
    if tier_name is not None and tier_name not in TIERS:
        raise BadData(f"a tier must be one of {', '.join(TIERS)}, it was {tier_name!r}{meant(str(tier_name), TIERS)}")
    held = _held() if tier_name is None else TIERS[tier_name]
    kinds = list(_PACKAGES) if kind is None else [kind]
    return Catalogue(tuple(entry for each in kinds for entry in _entries(each, held)), held)


def _held() -> Tier | None:
    from kernel_lib import client

    try:
        return tier(str(client.me()["tier"]))
    except (Misconfigured, Refused, Transient):
        return None


def _entries(kind: str, held: Tier | None) -> Iterator[Entry]:
    for name, thing in sorted(_holdings(_PACKAGES[kind]).items()):
        needed = _needed(kind, name, thing)
        yield Entry(
            kind=kind, name=name, about=_about(thing), tier=needed,
            open=None if held is None else held.rank >= TIERS[needed].rank,
        )  # fmt: skip


def _holdings(package: str) -> dict[str, Any]:
    full = f"kernel_lib.{package}"
    try:
        module = importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name == full:
            return {}
        raise
    try:
        return dict(module.CATALOGUE)
    except AttributeError:
        raise Broken(f"{full} must say what it holds in CATALOGUE, it has none") from None


def _needed(kind: str, name: str, thing: Any) -> str:
    if kind == "risk":
        return "free"
    if kind == "strategy":
        return next(each.name for each in TIERS.values() if _opens_strategy(each, thing.features))
    return next(each.name for each in TIERS.values() if opens(each, kind, name))  # type: ignore[arg-type]


def _opens_strategy(held: Tier, features: Mapping[str, Any]) -> bool:
    # As an admin's server asks of a promoted strategy's passport: a panel counts by its agents, a prediction by its
    # learner, a feature of the catalogue by its own name. What those read inside is theirs.
    from kernel_lib.agents.access import require_panels
    from kernel_lib.features import CATALOGUE

    families = [each.name for each in features.values() if each.name in CATALOGUE]
    learners = [str(each.params["learner"]) for each in features.values() if each.name == "predicted"]
    try:
        require_access(held, "feature", *families)
        require_access(held, "model", *learners)
        require_panels(held, *(f"{name} = {each!r}" for name, each in features.items()))
    except Refused:
        return False
    return True


def _about(thing: Any) -> str:
    written = getattr(thing, "about", None) or getattr(thing, "doc", None)
    text = written if isinstance(written, str) else inspect.getdoc(thing) or ""
    return text.strip().split("\n", 1)[0]
