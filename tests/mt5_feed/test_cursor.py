from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_lib.errors import BadData, Transient
from kernel_lib.market.tick import empty_ticks
from mt5_feed.cursor import Mark, TickCursor
from mt5_feed.server_time import check_offset, server_ms_to_utc_ns, utc_ns_to_server_ms
from mt5_feed.terminal import TICK_DTYPE
from tests.mt5_feed.running import bursts, terminal


class RecordingTerminal:
    """Gives from an array what has come so far; rounds the start down to whole seconds if told to."""

    COPY_TICKS_ALL = -1

    def __init__(self, rows: Any, *, whole_seconds: bool = False) -> None:
        self.rows = rows
        self.n_here = 0
        self.whole_seconds = whole_seconds

    def copy_ticks_from(self, symbol: str, date_from: float, count: int, flags: int) -> Any:
        start_ms = round(date_from * 1000)
        if self.whole_seconds:
            start_ms -= start_ms % 1000
        here = self.rows[: self.n_here]
        return here[here["time_msc"] >= start_ms][:count]

    def last_error(self) -> tuple[int, str]:
        return (1, "Success")


class SilentTerminal(RecordingTerminal):
    def copy_ticks_from(self, symbol: str, date_from: float, count: int, flags: int) -> Any:
        return None

    def last_error(self) -> tuple[int, str]:
        return (-10004, "No IPC connection")


def _rows(steps_ms: list[int]) -> Any:
    rows = np.zeros(len(steps_ms), dtype=TICK_DTYPE)
    rows["time_msc"] = 1_704_700_800_000 + np.cumsum(steps_ms)
    rows["bid"] = 1.0 + np.arange(len(rows)) * 1e-5
    rows["ask"] = rows["bid"] + 1e-4
    return rows


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 2, 1500]), min_size=1, max_size=60),
    st.lists(st.integers(0, 60), max_size=12),
    st.integers(1, 7),
    st.booleans(),
)
def test_no_tick_is_lost_or_doubled_however_they_come(
    steps_ms: list[int], arrivals: list[int], most: int, whole_seconds: bool
) -> None:
    rows = _rows(steps_ms)
    source = RecordingTerminal(rows, whole_seconds=whole_seconds)
    cursor = TickCursor(source, "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    found = []
    for n_here in [*sorted(min(each, len(rows)) for each in arrivals), len(rows)]:
        source.n_here = n_here
        while True:
            ticks, mark = cursor.read(most)
            if not len(ticks):
                break
            cursor.advance(mark)
            found.append(ticks)
    read = np.concatenate(found or [empty_ticks()])
    assert read["bid"].tolist() == rows["bid"].tolist()
    assert (read["time_ns"] == rows["time_msc"] * 1_000_000).all()


def test_a_read_that_is_not_confirmed_is_read_again() -> None:
    source = RecordingTerminal(_rows([0, 0, 1]))
    source.n_here = 3
    cursor = TickCursor(source, "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    first, _ = cursor.read(2)
    again, mark = cursor.read(2)
    assert first.tobytes() == again.tobytes()
    cursor.advance(mark)
    assert len(cursor.read(5)[0]) == 1


def test_a_revised_millisecond_gives_only_what_is_new_in_it() -> None:
    rows = _rows([0, 0, 0])
    source = RecordingTerminal(rows[[0, 2]])
    source.n_here = 2
    cursor = TickCursor(source, "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    cursor.advance(cursor.read(5)[1])
    source.rows, source.n_here = rows, 3  # the middle one appears late, between the two already read
    late, _ = cursor.read(5)
    assert late["bid"].tolist() == [rows["bid"][1]]


def test_a_silent_terminal_is_transient() -> None:
    cursor = TickCursor(SilentTerminal(_rows([0])), "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    with pytest.raises(Transient, match="-10004"):
        cursor.read(5)


def test_server_time_is_two_hours_ahead_in_winter_and_three_in_summer() -> None:
    for utc_ms, hours in ((1_549_238_400_000, 2), (1_562_000_000_000, 3)):
        server_ms = utc_ms + hours * 3_600_000
        assert server_ms_to_utc_ns(np.array([server_ms]), "EET").tolist() == [utc_ms * 1_000_000]
        assert utc_ns_to_server_ms(utc_ms * 1_000_000, "EET") == server_ms


def test_a_wrong_zone_is_noticed_from_a_fresh_tick() -> None:
    now_ns = 1_562_000_000_000_000_000
    fresh_ms = utc_ns_to_server_ms(now_ns, "EET")
    check_offset(fresh_ms, now_ns + 5_000_000_000, "EET")
    with pytest.raises(BadData, match=r"\+3\.0 h"):
        check_offset(fresh_ms, now_ns, "UTC")


def test_the_simulated_terminal_s_ticks_come_through_the_server_s_zone() -> None:
    ticks = bursts(500)
    made = terminal(ticks, chunk=7)
    made.symbol_select("EURUSD")
    cursor = TickCursor(made, "EURUSD", "EET", Mark(0))
    found = []
    while not made.finished or found[-1].size:
        read, mark = cursor.read(64)
        cursor.advance(mark)
        found.append(read)
    assert np.concatenate(found).tobytes() == ticks.tobytes()


def test_the_terminal_is_asked_from_the_last_millisecond_on_and_for_as_many_as_are_known_of_it_more() -> None:
    asked: list[tuple[float, int]] = []

    class Noting(RecordingTerminal):
        def copy_ticks_from(self, symbol: str, date_from: float, count: int, flags: int) -> Any:
            asked.append((date_from, count))
            return super().copy_ticks_from(symbol, date_from, count, flags)

    rows = _rows([0, 7, 0, 0])
    source = Noting(rows)
    source.n_here = 4
    cursor = TickCursor(source, "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    _, mark = cursor.read(5)
    cursor.advance(mark)
    assert (mark.last_msc, len(mark.seen)) == (int(rows["time_msc"][-1]), 3 * 16)
    assert len(cursor.read(5)[0]) == 0
    assert asked == [(0.0, 5), (rows["time_msc"][-1] / 1000, 5 + 3)]


def test_a_terminal_that_answers_with_what_is_known_is_asked_for_more_but_not_without_end() -> None:
    rows = _rows([0] * 3 + [1] * 3)
    asked: list[int] = []

    class Repeating(RecordingTerminal):
        def copy_ticks_from(self, symbol: str, date_from: float, count: int, flags: int) -> Any:
            asked.append(count)
            return np.repeat(self.rows[:1], min(count, 1 << 21))

    cursor = TickCursor(Repeating(rows), "EURUSD", "UTC", Mark(int(rows["time_msc"][3])))  # type: ignore[arg-type]
    assert len(cursor.read(1 << 17)[0]) == 0
    assert asked == [1 << 17, 1 << 19, 1 << 20]  # a million and no more


def test_of_two_ticks_alike_in_a_revised_millisecond_one_is_new() -> None:
    rows = _rows([0, 0])
    source = RecordingTerminal(rows)
    source.n_here = 2
    cursor = TickCursor(source, "EURUSD", "UTC", Mark(0))  # type: ignore[arg-type]
    cursor.advance(cursor.read(5)[1])
    source.rows, source.n_here = rows[[1, 0, 1, 1]], 4
    again, mark = cursor.read(5)
    assert again["bid"].tolist() == [rows["bid"][1]] * 2
    assert len(mark.seen) == 4 * 16
