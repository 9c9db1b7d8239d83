"""Looks at the sealed hold-out: asked for once a strategy, judged in a sandbox, answered for ever the same.

``POST /hold-out/HASH`` takes the look (role quant or admin) and begins the run; ``GET`` says how it stands. The look is
noted before the run, so that nothing makes it free: not a strategy that kills its process, nor a service that stops. A
look without a verdict is run again when it is next asked for, over the same stretch, and is not counted again.
"""

import asyncio
import contextlib
import datetime
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import structlog

from hub.services.judge import Limits, Task
from hub.services.seal import Seal
from hub.services.web import ServiceHandler
from kernel_lib.backtest.hold_out import Verdict, stopped_verdict
from kernel_lib.config import Home
from kernel_lib.errors import Refused
from kernel_lib.passport import Passport, decode_passport
from kernel_lib.sandbox import capabilities
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.hold_out import HoldOutStore, Look
from kernel_lib.stores.ticks import TickStore, ticks_of

__all__ = ["HoldOutHandler", "HoldOuts", "JudgeConfig"]

_log = structlog.get_logger("tickhub")
_DAY_NS = 86_400 * 10**9
_SECOND_NS = 10**9


class JudgeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How looks are judged.

    Parameters
    ----------
    limits : Limits
        Of one run.
    least_days : int
        A shorter hold-out is not judged on.
    warm_days : int
        Open history before it, for the features to warm up.
    most_ticks : int
        A longer stretch is cut to its newest ticks.
    trusted : bool
        Run unisolated where the machine cannot isolate.
    """

    limits: Limits = Limits()
    least_days: int = 5
    warm_days: int = 10
    most_ticks: int = 6_000_000
    trusted: bool = False


class HoldOuts:
    """Takes looks and runs the judge, one run at a time.

    Parameters
    ----------
    accounts : PostgresAccounts
    store : TickStore
    seal : Seal
    home : Home
    config : JudgeConfig
    """

    def __init__(
        self, accounts: PostgresAccounts, store: TickStore, seal: Seal, home: Home, config: JudgeConfig | None = None
    ) -> None:
        self._accounts = accounts
        self._looks = HoldOutStore(accounts)
        self._store = store
        self._seal = seal
        self._home = home
        self._config = config or JudgeConfig()
        self._one = asyncio.Semaphore(1)
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}

    def take(self, tenant: str, user: str, bundle_hash: str, most: int) -> Look:
        """Note a look, or give the one there is; blocks.

        Raises
        ------
        Refused
            ``unknown_strategy``, ``hold_out_channels``, ``no_hold_out``, ``hold_out_looks``, ``no_sandbox``.
        """
        passport = self._passport(tenant, bundle_hash)
        taken = self._looks.look(tenant, bundle_hash)
        if taken is not None:
            return taken
        if passport.channels:
            raise Refused(
                "hold_out_channels",
                f"a strategy must live of its own instrument's ticks to be judged on the hold-out, it reads "
                f"{', '.join(passport.channels[:5])} from outside, of which no sealed history is kept",
            )
        able = capabilities()
        if not able.isolates and not self._config.trusted:
            raise Refused("no_sandbox", f"the hold-out is judged in a sandbox, and there is none: {able.reasons[0]}")
        begin_ns, end_ns = self._sealed(tenant, passport.instrument.symbol)
        return self._looks.take(tenant, bundle_hash, passport.instrument.symbol, user, (begin_ns, end_ns), most)

    def begin(self, tenant: str, look: Look) -> None:
        """Run the judge for a look that has no verdict, unless it is being run; on the event loop."""
        key = tenant, look.hash
        if look.content is None and key not in self._running:
            self._running[key] = asyncio.get_running_loop().create_task(self._judge(tenant, look))
            self._running[key].add_done_callback(lambda _: self._running.pop(key, None))

    def look(self, tenant: str, bundle_hash: str) -> Look | None:
        """Give a strategy's look; blocks."""
        return self._looks.look(tenant, bundle_hash)

    async def close(self) -> None:
        """Stop what runs; it is run again when it is next asked for."""
        running = list(self._running.values())
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _passport(self, tenant: str, bundle_hash: str) -> Passport:
        bundle = self._accounts.bundle(tenant, bundle_hash)
        if bundle is None:
            raise Refused("unknown_strategy", f"no strategy {bundle_hash[:12]} of this tenant")
        return decode_passport(bundle)

    def _sealed(self, tenant: str, symbol: str) -> tuple[int, int]:
        spans = [span for span in self._store.spans(tenant) if span.symbol == symbol]
        if not spans:
            raise Refused("no_hold_out", f"no ticks of {symbol} are recorded, so there is nothing to judge on")
        begin_ns, end_ns = self._seal.opened_until(tenant, spans[0]), spans[0].last_ns + 1
        days = (end_ns - begin_ns) / _DAY_NS
        if days < self._config.least_days:
            raise Refused(
                "no_hold_out",
                f"a hold-out must be at least {self._config.least_days} days long, that of {symbol} is "
                f"{max(0.0, days):.1f}; it grows as ticks are recorded. This was not counted as a look",
            )
        return begin_ns, end_ns

    async def _judge(self, tenant: str, look: Look) -> None:
        async with self._one:
            try:
                verdict = await self._run(tenant, look)
            except Exception as error:  # a store that is down, a full disk: said here, and run again when asked
                _log.error("a hold-out was not judged", tenant=tenant, hash=look.hash, reason=str(error))
                return
            content = msgspec.to_builtins(verdict) | {
                "n_look": look.n_look,
                "watched_days": await asyncio.to_thread(self._watched_days, tenant, look),
            }
            await asyncio.to_thread(lambda: self._looks.keep_verdict(tenant, look.hash, content))
            await asyncio.to_thread(
                lambda: self._accounts.record(
                    tenant, "platform", "hold_out_judged", {"hash": look.hash, "verdict": verdict.verdict}
                )
            )

    async def _run(self, tenant: str, look: Look) -> Verdict:
        task = Task(
            name=f"hold-out-{hashlib.sha256(str(self._home.root).encode()).hexdigest()[:16]}", begin_ns=look.begin_ns,
            n_looks=look.n_look, trusted=self._config.trusted, limits=self._config.limits,
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="hold-out-", dir=self._home / "engine") as place:
            folder = Path(place)
            await asyncio.to_thread(self._lay_out, tenant, look, task, folder)
            judge = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hub.services.judge", str(folder), stdout=asyncio.subprocess.PIPE,
                stdin=asyncio.subprocess.DEVNULL, cwd="/",
                env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TICKHUB_CACHE", "PYTHONPATH")
                     if name in os.environ},
            )  # fmt: skip
            try:
                # It keeps its own time; this is for a judge that hangs.
                out, _ = await asyncio.wait_for(judge.communicate(), self._config.limits.whole_s + 120.0)
            except TimeoutError:
                return stopped_verdict("time")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    judge.kill()
                await judge.wait()
        if judge.returncode != 0:
            raise RuntimeError(f"the judge must give a verdict, it ended with status {judge.returncode}")
        return msgspec.json.decode(out, type=Verdict)

    def _lay_out(self, tenant: str, look: Look, task: Task, folder: Path) -> None:
        begin_ns = max(0, look.begin_ns - self._config.warm_days * _DAY_NS)
        table = self._store.ticks(
            tenant, look.symbol, start_ns=begin_ns, end_ns=look.end_ns, limit=self._config.most_ticks
        )
        np.save(folder / "ticks.npy", ticks_of(table))
        (folder / "bundle").write_bytes(self._accounts.bundle(tenant, look.hash) or b"")
        (folder / "task.json").write_bytes(msgspec.json.encode(task))

    def _watched_days(self, tenant: str, look: Look) -> int:
        begin, end = (_day(each) for each in (look.begin_ns, look.end_ns))
        return self._looks.watched_days(tenant, begin, end)


class HoldOutHandler(ServiceHandler):
    """``/hold-out/HASH``."""

    def initialize(self, *, hold_outs: HoldOuts, **shared: Any) -> None:  # type: ignore[override]
        super().initialize(**shared)
        self._hold_outs = hold_outs

    async def post(self, bundle_hash: str) -> None:
        self.require_role("quant", "admin")
        caller = self.caller
        most = caller.tier.hold_out_looks
        look = await self.blocking(lambda: self._hold_outs.take(caller.tenant, caller.user, bundle_hash, most))
        self._hold_outs.begin(caller.tenant, look)
        self._answer(look)

    async def get(self, bundle_hash: str) -> None:
        self.require_role("quant", "admin")
        tenant = self.caller.tenant
        look = await self.blocking(lambda: self._hold_outs.look(tenant, bundle_hash))
        if look is None:
            raise Refused("no_such_look", f"the strategy {bundle_hash[:12]} has not been tried on the hold-out")
        self._answer(look)

    def _answer(self, look: Look) -> None:
        self.set_status(200 if look.content is not None else 202)
        told = {"hash": look.hash, "symbol": look.symbol, "asked_by": look.who, "asked_at": look.at}
        self.answer({**told, **(look.content or {"verdict": "running"})})


def _day(time_ns: int) -> datetime.date:
    return datetime.datetime.fromtimestamp(time_ns // _SECOND_NS, datetime.UTC).date()
