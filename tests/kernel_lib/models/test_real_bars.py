"""Recorded bars: what can be foreseen of EURUSD by the hour is foreseen, and what cannot is not claimed."""

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kernel_lib import features as f
from kernel_lib.models import Facts, GradientBoosting, LogisticRegression, labels, load_model
from kernel_lib.models.labels import Labels
from kernel_lib.models.onnx_export import require_agreement

FEATURES = {
    "rsi": f.rsi(14),
    "z": f.zscore(48),
    "change": f.price_change(4),
    "calm": f.realised_volatility(24),
    "busy": f.realised_volatility(120),
}


@cache
def bars(path: Path, n_rows: int = 8_000) -> pd.DataFrame:
    frame = pd.read_parquet(path).tail(n_rows)
    return frame.rename(columns={f"bid_{name}": name for name in ("open", "high", "low", "close")}).reset_index(
        drop=True
    )


def learned_from(data_dir: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    path = data_dir / "bars/lean_EURUSD_oanda_H1_quotebars_utc.parquet"
    if not path.is_file():
        pytest.skip(f"recorded bars are absent: {path.name}")
    recorded = bars(path)
    prices = recorded[["open", "high", "low", "close"]]
    rows = pd.DataFrame({name: np.asarray(feature(prices)) for name, feature in FEATURES.items()})
    hour = recorded["time"].dt.hour.to_numpy()
    return recorded, rows.assign(hour_sin=np.sin(hour * np.pi / 12), hour_cos=np.cos(hour * np.pi / 12))


def fit(learner: object, recorded: pd.DataFrame, rows: pd.DataFrame, outcomes: Labels) -> object:
    return learner.fit(rows, outcomes, times_ns=recorded["time"].to_numpy(), seed=1)  # type: ignore[attr-defined]


def test_the_volatility_of_the_next_hours_is_foreseen(data_dir: Path) -> None:
    recorded, rows = learned_from(data_dir)
    model = fit(GradientBoosting(rounds=60), recorded, rows, labels.volatility(recorded["close"], 12))
    found = model.card.scores
    assert found["r_squared"] > 0.1
    assert found["rank_correlation"] > 0.45
    assert found["side_hit_rate"] > 0.62
    assert found["calibration_error"] < 0.08


def test_the_direction_of_the_next_hours_is_not_and_the_card_says_so(data_dir: Path) -> None:
    recorded, rows = learned_from(data_dir)
    model = fit(LogisticRegression(), recorded, rows, labels.direction(recorded["close"], 12))
    found = model.card.scores
    assert 0.45 < found["accuracy"] < 0.55
    assert found["calibration_error"] < 0.05
    assert model.predict(rows).confidence[200:].mean() < 0.56


def test_a_bundle_of_recorded_bars_says_where_it_comes_from_and_agrees(data_dir: Path) -> None:
    recorded, rows = learned_from(data_dir)
    model = fit(GradientBoosting(rounds=20), recorded, rows, labels.direction(recorded["close"], 12))
    sources = (*(repr(each) for each in FEATURES.values()), "sine of the hour", "cosine of the hour")
    bundle = model.bundle(Facts(symbol="EURUSD", bars="1h", sources=sources))
    require_agreement(model, bundle, rows)
    card = load_model(bundle).card
    assert card.features[0].source == repr(f.rsi(14))
    assert card.last_ns == recorded["time"].to_numpy()[-13].astype("datetime64[ns]").astype(int)
    assert card.dropped_rows >= 120
