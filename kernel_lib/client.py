"""What a notebook calls: recorded ticks and bars, the live stream, strategies and their promotion.

::

    from kernel_lib import client
    ticks = client.ticks("EURUSD", limit=5000)
    bars = client.bars("EURUSD", "5m")
    client.promote(ema_cross, instrument=EURUSD)

Everything goes through the hub's services with the server's own token. Inside a notebook server they are reached
over the sockets in ``TICKHUB_SERVICES``; elsewhere set ``TICKHUB_URL`` (the hub's address) and
``JUPYTERHUB_API_TOKEN``. A refusal raises :class:`~kernel_lib.errors.Refused` with a code and what to do.
"""

import json
import math
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

from kernel_lib.client_platform import TIMEOUT_S, Platform, asked_for
from kernel_lib.client_told import Told
from kernel_lib.config import Secret
from kernel_lib.declared import no_such, shown
from kernel_lib.errors import BadData, Misconfigured, Refused

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kernel_lib.market.instrument import Instrument
    from kernel_lib.market.tick import Ticks
    from kernel_lib.trading.account import AccountConfig, Costs, RiskLimits

__all__ = [
    "Client",
    "approve",
    "bars",
    "desk",
    "hold_out",
    "me",
    "promote",
    "quota",
    "strategies",
    "stream",
    "symbols",
    "tell",
    "ticks",
    "ticks_frame",
    "trials",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    raise no_such(__name__, name, __all__)


#: A time: UTC nanoseconds, or ISO 8601 text such as ``"2026-01-31T09:00"``.
Time = int | str
_WHOLE_HASH = 64
_HASH = re.compile(rf"[0-9a-f]{{6,{_WHOLE_HASH}}}")
_POLL_S = 1.0


class Client:
    """A connection to the platform for one user.

    Parameters
    ----------
    token : Secret
        The user's hub token.
    services : str
        Directory with the services' sockets; empty to use ``url``.
    url : str
        The hub's address, ``http://127.0.0.1:8000``, for programs outside a notebook server.
    stream_url : str
        The bridge's address, ``ws://127.0.0.1:8001``, used with ``url``.
    """

    def __init__(
        self, token: Secret, *, services: str = "", url: str = "", stream_url: str = "ws://127.0.0.1:8001"
    ) -> None:
        if not services and not url:
            raise Misconfigured(
                "the client must know where the platform is: run it in a notebook server, or set TICKHUB_URL and "
                "JUPYTERHUB_API_TOKEN"
            )
        self._platform = Platform(token, services, url.rstrip("/"), stream_url.rstrip("/"))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Client":
        """Read ``JUPYTERHUB_API_TOKEN``, ``TICKHUB_SERVICES`` or ``TICKHUB_URL``, and ``TICKHUB_STREAM_URL``."""
        token = environ.get("JUPYTERHUB_API_TOKEN", "")
        if not token:
            raise Misconfigured(
                "the client needs a hub token in JUPYTERHUB_API_TOKEN; ask for one on the hub's page 'Token'"
            )
        url = environ.get("TICKHUB_URL", "")
        return cls(
            Secret(token), services="" if url else environ.get("TICKHUB_SERVICES", ""), url=url,
            stream_url=environ.get("TICKHUB_STREAM_URL", "ws://127.0.0.1:8001"),
        )  # fmt: skip

    def close(self) -> None:
        """Close every connection."""
        self._platform.close()

    def me(self) -> Told:
        """Who this is, in which tenant, with which role, tier and limits."""
        return Told(self._platform.json("GET", "api", "me"))

    def symbols(self) -> "pd.DataFrame":
        """What is recorded: symbol, number of ticks, first and last time; ``open`` says whether the tier reaches it.

        From ``sealed_from`` on history is the sealed hold-out (NaT: it has none), which nobody reads.
        """
        import pandas as pd

        columns = ["symbol", "n_ticks", "first_ns", "last_ns", "open", "sealed_from_ns"]
        frame = pd.DataFrame(self._platform.json("GET", "data", "symbols"), columns=columns)
        frame["sealed_from_ns"] = frame["sealed_from_ns"].astype("Int64")
        for name in ("first", "last", "sealed_from"):
            frame[name] = pd.to_datetime(frame.pop(f"{name}_ns"), unit="ns", utc=True)
        return frame

    def ticks(
        self, symbol: str, start: Time | None = None, end: Time | None = None, limit: int | None = None
    ) -> "Ticks":
        """Recorded ticks with ``start <= time < end``, in time order, as an array of dtype TICK.

        Parameters
        ----------
        symbol : str
            The broker's name, ``"EURUSD"``.
        start, end : int or str, optional
            UTC nanoseconds or ISO 8601; default: as far back as the tier reaches, up to the newest.
        limit : int, optional
            Keep the newest so many.

        Raises
        ------
        Refused
            ``tier_rows``, ``tier_days``, ``tier_symbols``, ``unknown_symbol``, ``rate``: the message says what to do.
        """
        import numpy as np

        from kernel_lib.market.tick import TICK

        table = self._platform.arrow("ticks", symbol=symbol, start=start, end=end, limit=limit)
        found = np.empty(table.num_rows, dtype=TICK)
        for name in ("time_ns", "bid", "ask"):
            found[name] = table[name].to_numpy()
        return found

    def ticks_frame(
        self, symbol: str, start: Time | None = None, end: Time | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Recorded ticks as a table: ``bid`` and ``ask`` by UTC time; asked for as :meth:`ticks` is."""
        return _by_time(self._platform.arrow("ticks", symbol=symbol, start=start, end=end, limit=limit))

    def bars(
        self, symbol: str, length: str = "1m", start: Time | None = None, end: Time | None = None,
        limit: int | None = None,
    ) -> "pd.DataFrame":  # fmt: skip
        """Bars of any length as a table by UTC time of their opening.

        ``open high low close`` are of the bid, ``volume`` counts ticks, ``spread`` is the last one of the bar in quote
        currency.

        Parameters
        ----------
        symbol : str
            The broker's name, ``"EURUSD"``.
        length : str
            A number and one of s, m, h, d, ``"5m"``.
        start, end, limit
            As for :meth:`ticks`; ``limit`` counts bars.
        """
        return _by_time(self._platform.arrow("bars", symbol=symbol, length=length, start=start, end=end, limit=limit))

    def strategies(self) -> "pd.DataFrame":
        """The tenant's strategies, newest first: hash, name, author, status, time of submission."""
        import pandas as pd

        columns = ["hash", "name", "author", "status", "submitted_at"]
        frame = pd.DataFrame(self._platform.json("GET", "api", "strategies"), columns=columns)
        frame["submitted_at"] = pd.to_datetime(frame["submitted_at"], utc=True)
        return frame

    def submitted(self, begins: str) -> str:
        """Find the one submitted strategy whose hash begins so, and give its whole hash.

        Raises
        ------
        BadData
            Too little was said to mean one for sure, or it begins none or several.
        """
        if not isinstance(begins, str) or not _HASH.fullmatch(begins):
            raise BadData(f"at least 6 characters of the hash must be given, as promote() gives it, it was {begins!r}")
        if len(begins) == _WHOLE_HASH:
            return begins
        known = [each for each in self.strategies()["hash"] if each.startswith(begins)]
        if len(known) != 1:
            raise BadData(f"{begins!r} must begin one strategy's hash, it begins {len(known)}; see client.strategies()")
        return str(known[0])

    def promote(
        self, strategy: Any, *, instrument: "Instrument | str", account: "AccountConfig | None" = None,
        limits: "RiskLimits | None" = None, costs: "Costs | None" = None, evidence: Mapping[str, str] | None = None,
    ) -> str:  # fmt: skip
        """Submit a strategy for approval by another person; gives the hash it is known by from now on.

        Parameters
        ----------
        strategy : Strategy
            What ``@strategy`` made.
        instrument : Instrument or str
            What it trades: contract data, or the symbol of a typical retail contract.
        account, limits, costs : AccountConfig, RiskLimits, Costs, optional
            What it is for; the usual ones where nothing is said.
        evidence : mapping of str to str, optional
            What speaks for it, for the approver to read. To it is added what the platform counted for the present
            hypothesis, which the api checks.

        Raises
        ------
        BadData
            It is no strategy, its decision is a lambda, or its cell or file does not give it when run by itself.
        """
        from kernel_lib.client_promotion import check_runs_alone
        from kernel_lib.market.instrument import instrument as known_instrument
        from kernel_lib.passport import build_passport, check_promotable

        check_promotable(strategy)
        contract = known_instrument(instrument) if isinstance(instrument, str) else instrument
        who = self.me()
        passport = build_passport(
            strategy, instrument=contract, author=who["user"], tenant=who["tenant"], created_ns=time.time_ns(),
            account=account, limits=limits, costs=costs,
            evidence={**(evidence or {}), **self._counted(strategy.name, contract.symbol)},
        )  # fmt: skip
        check_runs_alone(passport)
        submitted: dict[str, Any] = self._platform.json("POST", "api", "strategies", content=passport.encode())
        return str(submitted["hash"])

    def trials(self, hypothesis: str | None = None, symbol: str | None = None) -> dict[str, Any]:
        """What this tenant tried, as the platform counted it.

        Parameters
        ----------
        hypothesis, symbol : str, optional
            Of one hypothesis; on one instrument: what a report deflates by.
        """
        given = {"hypothesis": hypothesis, "symbol": symbol}
        query = {name: text for name, text in given.items() if text is not None}
        answer: dict[str, Any] = self._platform.json("GET", "api", "trials", params=query)
        return answer

    def post_trials(self, body: bytes) -> dict[str, Any]:
        """Tell the platform what ran, as :class:`~kernel_lib.client_trials.PlatformCounter` does by itself."""
        answer: dict[str, Any] = self._platform.json("POST", "api", "trials", content=body)
        return answer

    def hold_out(self, passport_hash: str, *, wait_s: float = 1200.0) -> dict[str, Any]:
        """Have a submitted strategy judged on the sealed hold-out of its instrument; once, then the answer stands.

        Parameters
        ----------
        passport_hash : str
            As :meth:`promote` gives it; its first six characters are enough.
        wait_s : float
            How long to wait for the verdict; it is ``"running"`` after that, and can be asked for again.

        Returns
        -------
        dict
            ``verdict`` (``pass``, ``fail``, ``inconclusive``), ``reason``, ``profit``, bands ``sharpe`` and ``trades``,
            ``days``, ``n_look`` (which look of the tenant at this instrument it was) and ``watched_days`` (of the
            hold-out, on which somebody of the tenant listened to the live stream).

        Raises
        ------
        Refused
            ``unknown_strategy``, ``no_hold_out``, ``hold_out_looks``, ``hold_out_channels``, ``no_sandbox``.
        """
        found = self.submitted(passport_hash)
        answer: dict[str, Any] = self._platform.json("POST", "data", f"hold-out/{found}")
        until = time.monotonic() + wait_s
        while answer["verdict"] == "running" and time.monotonic() < until:
            time.sleep(_POLL_S)
            try:
                answer = self._platform.json("GET", "data", f"hold-out/{found}")
            except Refused as error:
                if error.code != "rate":  # asking is what exceeds it; the run goes on
                    raise
        return answer

    def quota(self) -> Told:
        """What the tier gives and what of it is used: backtest-seconds of today, looks at the hold-out."""
        return Told(self._platform.json("GET", "api", "quota"))

    def approve(self, passport_hash: str, *, mode: str = "paper", agent: str = "") -> dict[str, Any]:
        """Approve a strategy that somebody else submitted; needs the role admin.

        Parameters
        ----------
        passport_hash : str
            As :meth:`promote` and :meth:`strategies` give it; its first six characters are enough.
        mode : str
            ``"paper"`` or ``"mt5"``; the latter sends orders to the terminal of ``agent``.
        """
        content = json.dumps({"mode": mode, "agent": agent}).encode()
        found = self.submitted(passport_hash)
        answer: dict[str, Any] = self._platform.json("POST", "api", f"strategies/{found}/approve", content=content)
        return answer

    def tell(self, channel: str, number: float | None) -> None:
        """Say what a channel shows from now on, to the live strategies of this tenant that read it.

        Parameters
        ----------
        channel : str
            As the strategy names it, ``f.outside("news:EURUSD")``.
        number : float or None
            None: nothing is known any more.
        """
        if number is not None and not _is_finite(number):
            raise BadData(f"a value must be a finite number, or None when nothing is known, it was {shown(number)}")
        self._platform.json(
            "POST",
            "api",
            "outside",
            content=json.dumps({"channel": channel, "number": None if number is None else float(number)}).encode(),
        )

    def desk(self) -> Told:
        """The tenant's desk as the engine sees it; the schema is in ``live_engine/state.py``."""
        return Told(self._platform.json("GET", "api", "desk"))

    def stream(
        self, symbols: str | Iterable[str] | None = None, timeout_s: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Live messages as they come, until the caller stops; quotes are conflated to the tier's interval.

        Parameters
        ----------
        symbols : str or iterable of str, optional
            Which symbols; default: as many as the tier opens.
        timeout_s : float, optional
            Longest silence; then :class:`~kernel_lib.errors.Transient` says that the market is quiet.
        """
        return self._platform.messages(asked_for(symbols, timeout_s), timeout_s)

    def _counted(self, strategy: str, symbol: str) -> dict[str, str]:
        from kernel_lib.backtest.counting import current_hypothesis
        from kernel_lib.counter import offered

        counter, hypothesis = offered(), current_hypothesis(strategy)
        if counter is not None:
            counter.send(TIMEOUT_S)
        tally = self.trials(hypothesis, symbol)
        return {
            "hypothesis": hypothesis, "trials": str(tally["n_trials"]), "trials_run": str(tally["n_runs"]),
            "trials_on_instrument": str(tally["n_on_instrument"]),
        }  # fmt: skip


def _is_finite(number: object) -> bool:
    return isinstance(number, Real) and math.isfinite(number)


def _by_time(table: "pa.Table") -> "pd.DataFrame":
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas()
    frame.index = pd.DatetimeIndex(pd.to_datetime(frame.pop("time_ns"), unit="ns", utc=True), name="time")
    return frame


_default: Client | None = None


def _client() -> Client:
    # The one of this process; a notebook has one user and one token for its life.
    global _default  # noqa: PLW0603
    if _default is None:
        _default = Client.from_environ(os.environ)
    return _default


def me() -> Told:
    """See :meth:`Client.me`."""
    return _client().me()


def symbols() -> "pd.DataFrame":
    """See :meth:`Client.symbols`."""
    return _client().symbols()


def ticks(symbol: str, start: Time | None = None, end: Time | None = None, limit: int | None = None) -> "Ticks":
    """See :meth:`Client.ticks`."""
    return _client().ticks(symbol, start, end, limit)


def ticks_frame(
    symbol: str, start: Time | None = None, end: Time | None = None, limit: int | None = None
) -> "pd.DataFrame":
    """See :meth:`Client.ticks_frame`."""
    return _client().ticks_frame(symbol, start, end, limit)


def bars(
    symbol: str, length: str = "1m", start: Time | None = None, end: Time | None = None, limit: int | None = None
) -> "pd.DataFrame":
    """See :meth:`Client.bars`."""
    return _client().bars(symbol, length, start, end, limit)


def strategies() -> "pd.DataFrame":
    """See :meth:`Client.strategies`."""
    return _client().strategies()


def trials(hypothesis: str | None = None, symbol: str | None = None) -> dict[str, Any]:
    """See :meth:`Client.trials`."""
    return _client().trials(hypothesis, symbol)


def hold_out(passport_hash: str, *, wait_s: float = 1200.0) -> dict[str, Any]:
    """See :meth:`Client.hold_out`."""
    return _client().hold_out(passport_hash, wait_s=wait_s)


def quota() -> Told:
    """See :meth:`Client.quota`."""
    return _client().quota()


def approve(passport_hash: str, *, mode: str = "paper", agent: str = "") -> dict[str, Any]:
    """See :meth:`Client.approve`."""
    return _client().approve(passport_hash, mode=mode, agent=agent)


def desk() -> Told:
    """See :meth:`Client.desk`."""
    return _client().desk()


def promote(
    strategy: Any, *, instrument: "Instrument | str", account: "AccountConfig | None" = None,
    limits: "RiskLimits | None" = None, costs: "Costs | None" = None, evidence: Mapping[str, str] | None = None,
) -> str:  # fmt: skip
    """See :meth:`Client.promote`."""
    return _client().promote(
        strategy, instrument=instrument, account=account, limits=limits, costs=costs, evidence=evidence
    )


def tell(channel: str, number: float | None) -> None:
    """See :meth:`Client.tell`."""
    _client().tell(channel, number)


def stream(symbols: str | Iterable[str] | None = None, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
    """See :meth:`Client.stream`."""
    return _client().stream(symbols, timeout_s)


# What a notebook shows of ``client.ticks?`` is what the method says.
for _name in set(__all__) - {"Client"}:
    globals()[_name].__doc__ = getattr(Client, _name).__doc__
