from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.errors import Misconfigured
from kernel_lib.importers.server_clock import server_clock

SECOND = 1_000_000_000


@settings(max_examples=200, deadline=None)
@given(st.integers(946_684_800, 2_500_000_000))
def test_the_wall_clock_is_the_zones(utc_s: int) -> None:
    local = datetime.fromtimestamp(utc_s, ZoneInfo("EET")).replace(tzinfo=UTC)
    assert server_clock("EET").wall(utc_s * SECOND) == int(local.timestamp()) * SECOND


def test_times_come_back_through_the_spring_change() -> None:
    start = int(datetime(2019, 3, 31, tzinfo=UTC).timestamp())
    utc = (start + np.arange(0, 12 * 3600, 7, dtype=np.int64)) * SECOND
    clock = server_clock("EET")
    assert (clock.to_utc(clock.to_wall(utc)) == utc).all()


def test_new_york_close_turns_the_day_at_five_in_new_york() -> None:
    close = int(datetime(2019, 7, 1, 17, tzinfo=ZoneInfo("America/New_York")).timestamp())
    assert server_clock("America/New_York+7h").wall(close * SECOND) % (86_400 * SECOND) == 0


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(Misconfigured, match="Mars"):
        server_clock("Mars/Olympus")
