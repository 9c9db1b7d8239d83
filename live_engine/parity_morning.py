"""Where a desk stood at the beginning of a day, kept from one night to the next: a night then reads one day of journal.

A morning is the desk's own snapshot, made of its journal, with each strategy's code as the sandboxed backtest left it;
where that had parted from the desk, as it was after the desk's own answers. It lies below
``HOME/engine/parity/TENANT``. Without one, as on a desk's first night, the journal is read from its beginning.
"""

import contextlib
import datetime
import logging
from collections.abc import Collection
from pathlib import Path

import msgspec

from kernel_lib.errors import TickhubError
from live_engine.entries import write_snapshot
from live_engine.parity_backtest import SandboxedBacktest
from live_engine.parity_record import Lived, Stretch

__all__ = ["keep_morning", "morning_before"]

_MOST_KEPT = 3
_log = logging.getLogger("tickhub.parity")


def morning_before(folder: Path, day: datetime.date) -> Path | None:
    """Give the newest morning in a folder that is not after a day's; None where there is none."""
    found = [path for path in _mornings(folder) if _day_of(path) <= day]
    return found[-1] if found else None


def keep_morning(
    folder: Path, day: datetime.date, stretch: Stretch, *, as_lived: Collection[int], uid: int, trusted: bool
) -> bool:
    """Keep where a desk stood at the beginning of a day, if that can be told; the newest few are kept.

    Parameters
    ----------
    folder : Path
    day : date
        The one after the stretch.
    as_lived : collection of int
        Slots whose backtest is not known to be the desk's: their code is taken through the desk's own answers.
    uid, trusted
        As in :class:`~live_engine.parity_backtest.SandboxedBacktest`.

    Returns
    -------
    bool
        False where the journal ends within a block or a strategy's code did not go through its day.
    """
    evening = stretch.evening
    if evening is None:
        return False
    lives = {each.number: each for each in stretch.lives}
    slots = []
    for slot in evening.slots:
        lived = lives[slot.slot]
        proposer = b""
        if lived.evening is not None:
            try:
                proposer = _code_at_evening(lived, slot.slot in as_lived, uid, trusted)
            except TickhubError as error:
                _log.warning("no morning is kept", extra={"strategy": lived.passport.name, "reason": str(error)})
                return False
        slots.append(msgspec.structs.replace(slot, proposer=proposer))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_snapshot(folder / f"morning-{day.isoformat()}.snapshot", msgspec.structs.replace(evening, slots=slots))
    for path in _mornings(folder)[:-_MOST_KEPT]:
        path.unlink(missing_ok=True)
    return True


def _code_at_evening(lived: Lived, as_lived: bool, uid: int, trusted: bool) -> bytes:
    assert lived.evening is not None
    n_ticks, n_events = lived.evening
    with SandboxedBacktest(
        lived.passport, lived.ticks[:n_ticks], limits=lived.approval.limits,
        costs=lived.passport.costs if lived.approval.mode == "paper" else None, events=lived.events[:n_events],
        ages_ns=lived.ages_ns[:n_ticks], follow=lived.answers[:n_ticks] if as_lived else (), begins=lived.begins,
        uid=uid, trusted=trusted,
    ) as backtest:  # fmt: skip
        return backtest.evening()


def _mornings(folder: Path) -> list[Path]:
    found = []
    for path in folder.glob("morning-*.snapshot"):
        with contextlib.suppress(ValueError):
            _day_of(path)
            found.append(path)
    return sorted(found)


def _day_of(path: Path) -> datetime.date:
    return datetime.date.fromisoformat(path.stem.removeprefix("morning-"))
