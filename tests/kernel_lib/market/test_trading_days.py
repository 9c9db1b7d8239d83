"""Five trading days a week: Saturday and Sunday belong to the Monday after them."""

import numpy as np
import pandas as pd

from kernel_lib.market.trading_days import day_end_ns, trading_days


def test_saturday_and_sunday_are_mondays_and_every_other_day_its_own() -> None:
    hours = pd.date_range("2019-02-01", periods=24 * 21, freq="h")
    later = np.select([hours.day_of_week == 5, hours.day_of_week == 6], [2, 1])
    expected = hours.normalize() + pd.to_timedelta(later, "D")
    times = hours.to_numpy().astype("datetime64[ns]").astype(np.int64)
    assert (trading_days(times) == (expected - pd.Timestamp(0)).days).all()
    ends = [day_end_ns(int(each)) for each in times]
    assert ends == ((trading_days(times) + 1) * 86_400 * 10**9).tolist()
