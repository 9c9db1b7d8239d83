"""A model's card: what it learned from, what it expects, how good it was on unseen rows, and with what it was made."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from kernel_lib.declared import Declared
from kernel_lib.errors import BadData
from kernel_lib.models.calibration import Calibration
from kernel_lib.models.prediction import Shape

__all__ = ["Card", "Facts", "FeatureNote", "array_identity", "note_features", "raw_width", "versions"]

_MOST_BINS = 10


class FeatureNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One feature as it was in training.

    Parameters
    ----------
    name : str
    source : str
        ``repr`` of the feature that made it, ``"rsi(14, bars='1h')"``; empty where nobody said.
    dtype : str
        As the model reads it.
    lowest, highest : float
        Range over the training rows.
    edges : tuple of float
        Inner edges of at most ten bins with equal shares of the training rows, for drift tests.
    shares : tuple of float
        Share of the training rows in each bin, ``len(edges) + 1`` of them.
    """

    name: str
    source: str = ""
    dtype: str = "float32"
    lowest: float
    highest: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Facts(msgspec.Struct, metaclass=Declared, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the caller alone knows of a model: pass it when the model is bundled.

    Parameters
    ----------
    symbol : str
    bars : str
        Length of the bars, ``"1h"``.
    sources : tuple of str
        ``repr`` of each feature, in order, or none.
    created_ns : int
        UTC nanoseconds; the library itself has no clock.
    note : str
    """

    reads_itself: ClassVar[tuple[str, ...]] = ("sources",)

    symbol: str = ""
    bars: str = ""
    sources: tuple[str, ...] = ()
    created_ns: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        given: Any = self.sources
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            raise BadData(
                "sources must be the repr of each feature in the order of the columns, as in "
                f"tuple(map(repr, features.values())); it was {type(given).__name__}"
            )
        msgspec.structs.force_setattr(
            self, "sources", tuple(each if isinstance(each, str) else repr(each) for each in given)
        )


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that must be known of a model to trust it; part of its bundle, as JSON.

    Parameters
    ----------
    learner : str
        Key in the catalogue.
    parameters : dict
        Hyper-parameters.
    shape : Shape
        What it shows.
    features : tuple of FeatureNote
        In order.
    label, horizon_rows
        What was learned, and how many rows later it is known.
    warmup_rows : int
        Rows in a row needed before it shows numbers; 1 without memory.
    states : tuple of tuple of int
        Shapes of the memory that a live model carries from row to row.
    seed : int
    trained_rows, dropped_rows : int
        Rows learned from; rows left out because features or outcome were not known.
    first_ns, last_ns : int
        Time span of the rows, UTC; 0 where nobody said.
    features_sha256, outcomes_sha256 : str
        Identity of the arrays.
    scores : dict of str to float or None
        Out of sample, walk-forward, purged; calibrated with earlier folds only. None is "cannot be computed".
    scored_rows : int
        How many rows that was.
    calibration
        The fitted calibration.
    versions : dict of str to str
    facts : Facts
    """

    comes_from: ClassVar[str] = "as in model.card"

    learner: str
    parameters: dict[str, float | int | str | bool | None]
    shape: Shape
    features: tuple[FeatureNote, ...]
    label: str
    horizon_rows: int
    warmup_rows: int
    states: tuple[tuple[int, ...], ...]
    seed: int
    trained_rows: int
    dropped_rows: int
    first_ns: int
    last_ns: int
    features_sha256: str
    outcomes_sha256: str
    scores: dict[str, float | None]
    scored_rows: int
    calibration: Calibration
    versions: dict[str, str]
    facts: Facts = Facts()

    @property
    def names(self) -> tuple[str, ...]:
        """The features in order."""
        return tuple(each.name for each in self.features)

    def with_facts(self, facts: Facts) -> "Card":
        """Add what the caller knows."""
        if facts.sources and len(facts.sources) != len(self.features):
            raise BadData(f"sources must name all {len(self.features)} features, they were {len(facts.sources)}")
        sources = facts.sources or ("",) * len(self.features)
        noted = tuple(
            msgspec.structs.replace(each, source=source) for each, source in zip(self.features, sources, strict=True)
        )
        return msgspec.structs.replace(self, features=noted, facts=facts)

    def __repr__(self) -> str:
        lines = [
            f"{self.learner} on {len(self.features)} features -> {', '.join(self.shape.outputs)}",
            f"label {self.label or 'none'}, seed {self.seed}",
            f"{self.trained_rows:,} rows, {self.dropped_rows:,} left out",
            f"out of sample, {self.scored_rows:,} rows:",
        ]
        width = max((len(name) for name in self.scores), default=0)
        lines += [f"  {name:<{width}}  {_shown(number)}" for name, number in self.scores.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        scores = "".join(f"<tr><td>{escape(k)}</td><td>{_shown(v)}</td></tr>" for k, v in self.scores.items())
        features = "".join(
            f"<tr><td>{escape(each.name)}</td><td>{escape(each.source)}</td><td>{each.lowest:.6g}</td>"
            f"<td>{each.highest:.6g}</td></tr>"
            for each in self.features
        )
        return (
            f"<b>{escape(self.learner)}</b> &rarr; {escape(', '.join(self.shape.outputs))}<br>label "
            f"{escape(self.label or 'none')}, {self.trained_rows:,} rows, seed {self.seed}"
            f"<div style='display:flex;gap:2em'><table><tr><th>unseen</th><th>{self.scored_rows:,} rows</th></tr>"
            f"{scores}</table><table><tr><th>feature</th><th>source</th><th>lowest</th><th>highest</th></tr>"
            f"{features}</table></div>"
        )


def note_features(names: Sequence[str], rows: npt.NDArray[np.float64]) -> tuple[FeatureNote, ...]:
    """Describe the training rows, shape ``(n_rows, n_features)``: range and histogram of each feature."""
    notes = []
    for column, name in enumerate(names):
        numbers = rows[:, column]
        edges = np.unique(np.quantile(numbers, np.linspace(0.0, 1.0, _MOST_BINS + 1)[1:-1]))
        counts = np.bincount(np.searchsorted(edges, numbers, side="left"), minlength=len(edges) + 1)
        notes.append(
            FeatureNote(
                name=name,
                lowest=float(numbers.min()),
                highest=float(numbers.max()),
                edges=tuple(edges.tolist()),
                shares=tuple((counts / len(numbers)).tolist()),
            )
        )
    return tuple(notes)


def array_identity(array: npt.NDArray[np.float64] | None) -> str:
    """Give the SHA-256 of an array's shape and little-endian float64 numbers; empty for None."""
    if array is None:
        return ""
    plain = np.ascontiguousarray(array, dtype="<f8")
    return hashlib.sha256(repr(plain.shape).encode() + plain.tobytes()).hexdigest()


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Name the versions of Python, of this library and of the packages that are installed."""
    found = {"python": platform.python_version(), "tickhub": version("tickhub"), "numpy": np.__version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _shown(number: float | None) -> str:
    return "n/a" if number is None else f"{number:.4f}"


def raw_width(card: Card) -> int:
    """Numbers that the core gives for a row, before calibration."""
    kind = card.shape.kind
    if kind in ("direction", "outlook"):
        return len(card.shape.columns)
    return 2 if kind == "clusters" else 1
