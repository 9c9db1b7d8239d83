"""News and releases reach a feature when they were known, over an array, in a replay and in a reading by hand."""

import numpy as np
import pytest

from kernel_lib import features as f
from kernel_lib.backtest import replay
from kernel_lib.backtest.known_series import KnownSeries
from kernel_lib.errors import BadData, Refused
from kernel_lib.market.tick import Ticks, make_ticks
from kernel_lib.strategy import strategy

SECOND = 10**9


@strategy(on="tick", features={"news": f.outside("news:EURUSD"), "minutes": f.minutes_to_release("calendar:USD")})
def by_news(x, position, p):  # type: ignore[no-untyped-def]
    return x.news if x.minutes > 0.0 else 0.0


def ticks() -> Ticks:
    bid = np.full(100, 1.1)
    return make_ticks(np.arange(1, 101) * SECOND, bid, bid + 1e-4)


def news() -> KnownSeries:
    return KnownSeries([40 * SECOND, 70 * SECOND], [0.5, -0.5], about_ns=[10 * SECOND, 60 * SECOND], name="news")


def test_a_feature_over_an_array_sees_news_from_the_time_it_was_known() -> None:
    shown = f.outside("news:EURUSD")(ticks(), other=news())["value"]
    assert np.isnan(shown[:39]).all()
    assert shown[39:69].tolist() == [0.5] * 30
    assert shown[69:].tolist() == [-0.5] * 31


def test_a_replay_decides_on_news_and_releases_when_they_were_known_and_not_before() -> None:
    known_ns, release_s = 20 * SECOND, 90.0
    calendar = KnownSeries([known_ns], [release_s], about_ns=[90 * SECOND], forecast=True, name="release")
    run = replay(by_news, ticks(), outside={"news:EURUSD": news(), "calendar:USD": calendar}, progress=False)
    decisions = run.events[run.events["kind"] == 1]
    assert (decisions["time_ns"] // SECOND).tolist() == [40, 70, 90]
    assert decisions["target"].tolist() == [0.5, -0.5, 0.0]


def test_a_reading_before_that_time_is_an_error() -> None:
    with pytest.raises(Refused, match="news about 10000000000 was known from 40000000000 on"):
        news().read(about_ns=10 * SECOND, now_ns=39 * SECOND)
    with pytest.raises(Refused, match="had no value at"):
        news().latest(39 * SECOND)


def test_a_figure_known_before_the_time_it_is_about_is_no_figure() -> None:
    with pytest.raises(BadData, match="row 0 about 60 was known at 30; a forecast says so"):
        KnownSeries([30], [1.0], about_ns=[60])
    assert KnownSeries([30], [1.0], about_ns=[60], forecast=True).latest(30) == 1.0
