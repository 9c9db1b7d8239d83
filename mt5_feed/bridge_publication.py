"""From an agent's messages to one transaction on the live bus, each message exactly once.

The last sequence numbers are stored in the same transaction as the messages, so that after any crash the agent is
told where to resume, and what it sends twice is dropped. When the bus fails in the middle nobody knows whether the
transaction took place; the session then ends, and the next one reads the numbers back.
"""

import time
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec
import numpy as np
import redis.asyncio as redis
import structlog
from redis.asyncio.client import Pipeline

from kernel_lib.errors import BadData, Refused
from kernel_lib.market.tick import TICK
from kernel_lib.tiers import TIERS
from kernel_lib.wire import AccountState, Hello, Quarantined, Report, Streams, TickBlock, encode
from mt5_feed.bridge_inspection import Inspection, load_rules
from mt5_feed.bridge_metrics import BridgeMetrics

__all__ = ["IntentBook", "Publication", "PublicationConfig"]

_TIER_INTERVAL_S = 30.0
_ACCOUNT_AGAIN_S = 5.0
_ACCOUNT_LEAST_S = 0.2
log = structlog.get_logger("bridge.publication")


class PublicationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much the bus keeps.

    Parameters
    ----------
    kept_ticks : int
        About so many ticks stay in a tenant's stream, whatever the size of the blocks.
    kept_blocks : int
        Most entries of the tick stream.
    kept_reports, kept_quarantined : int
        Most entries of these streams.
    """

    kept_ticks: int = 4_000_000
    kept_blocks: int = 500_000
    kept_reports: int = 100_000
    kept_quarantined: int = 100_000


class IntentBook(Protocol):
    """What closes an order intent once the agent has reported on it."""

    def settle(self, pipeline: Pipeline, agent: str, key: str) -> bytes | None:
        """Queue the commands that forget this agent's intent with this key; give its entry, None without one."""

    def settled(self, entries: Iterable[bytes]) -> None:
        """The transaction took place: forget them here too."""


class Publication:
    """What one agent has published, and the rules by which more is added."""

    def __init__(
        self,
        client: redis.Redis,
        tenant: str,
        agent: str,
        book: IntentBook,
        metrics: BridgeMetrics,
        config: PublicationConfig,
    ) -> None:
        self.tick_seq = 0
        self.report_seq = 0
        self._client = client
        self._agent = agent
        self._streams = Streams(tenant)
        self._tenant = tenant
        self._book = book
        self._metrics = metrics
        self._config = config
        self._inspection = Inspection("basic", agent, (), {})
        self._asked_tier_at = 0.0
        self._account_at = float("-inf")
        self._account_holds: object = None
        self._last_accepted: dict[str, bytes] = {}
        self._ticks_per_block = 1.0

    async def load(self, hello: Hello) -> None:
        """Read back what is durable: sequence numbers and each symbol's last accepted tick.

        Parameters
        ----------
        hello : Hello
            What the agent says it can trade, and what was acknowledged to it before: a bus that was emptied or set
            back goes on after that. Numbers used twice would be taken for repetitions, and fills lost with them.

        Raises
        ------
        Refused
            Code ``account_changed``: an agent's name stands for one account. On another one its positions, orders
            and reports would be taken for those of the first.
        """
        name, account = self._streams.agent_seq(self._agent), f"{hello.login}@{hello.server}".encode()
        stored: Any = await self._client.hgetall(name)
        held = stored.get(b"account", account)
        if held != account:
            raise Refused(
                "account_changed",
                f"agent {self._agent!r} must stay on account {held.decode()}, it came from {account.decode()}; "
                "give the agent of another account another name",
            )
        if b"account" not in stored:
            await self._client.hset(name, "account", account)
        self.tick_seq = max(int(stored.get(b"tick", 0)), hello.tick_acked)
        self.report_seq = max(int(stored.get(b"report", 0)), hello.report_acked)
        if (self.tick_seq, self.report_seq) != (int(stored.get(b"tick", 0)), int(stored.get(b"report", 0))):
            log.error("bus_was_set_back", agent=self._agent, tick_seq=self.tick_seq, report_seq=self.report_seq)
        last = {
            name[5:].decode(): np.frombuffer(packed, dtype=TICK)[0]
            for name, packed in stored.items()
            if name.startswith(b"last:") and len(packed) == TICK.itemsize
        }
        self._inspection = Inspection("basic", self._agent, hello.instruments, last)
        await self._look_at_tier()

    async def publish(self, messages: Iterable[TickBlock | Report | AccountState], now_ns: int) -> None:
        """Publish a batch in one transaction; afterwards ``tick_seq`` and ``report_seq`` are durable.

        Raises
        ------
        Refused
            Code ``sequence_gap`` or ``wrong_agent``; what came before that message in the batch is published.
        BadData
            A block is empty or not whole.
        redis.RedisError
            The bus failed and the outcome is unknown: end the session.
        """
        if time.monotonic() - self._asked_tier_at > _TIER_INTERVAL_S:
            await self._look_at_tier()
        pipeline = self._client.pipeline(transaction=True)
        fault: Exception | None = None
        latest: dict[str, bytes] = {}
        settled: list[bytes] = []
        for message in messages:
            try:
                if message.agent != self._agent:
                    raise Refused("wrong_agent", f"messages must carry the agent's own name {self._agent!r}")
                if isinstance(message, TickBlock):
                    self._add_ticks(pipeline, message, now_ns, latest)
                elif isinstance(message, Report):
                    self._add_report(pipeline, message, settled)
                else:
                    self._add_account(pipeline, message, latest)
            except (BadData, Refused) as error:
                fault = error
                break
        if len(pipeline):
            stored: dict[str, bytes | int] = {"tick": self.tick_seq, "report": self.report_seq}
            for symbol in latest:
                if symbol in self._last_accepted:
                    stored[f"last:{symbol}"] = self._last_accepted[symbol]
            pipeline.hset(self._streams.agent_seq(self._agent), mapping=stored)  # type: ignore[arg-type]
            if latest:
                pipeline.hset(self._streams.latest, mapping=latest)  # type: ignore[arg-type]
            await pipeline.execute()
            self._book.settled(settled)
        if fault is not None:
            raise fault

    def _add_ticks(self, pipeline: Pipeline, block: TickBlock, now_ns: int, latest: dict[str, bytes]) -> None:
        ticks = block.array()
        if not len(ticks):
            raise BadData("a tick block must hold a tick, it was empty", source=self._agent)
        if int(ticks["time_ns"].min()) < 0:
            raise BadData("a tick's time must not be before 1970, one was", source=self._agent)
        first = block.seq_first
        end = first + len(ticks) - 1
        if end <= self.tick_seq:
            self._metrics.duplicates.labels("ticks").inc(len(ticks))
            return
        if first > self.tick_seq + 1:
            raise Refused("sequence_gap", f"the next tick must have number {self.tick_seq + 1}, it had {first}")
        ticks = ticks[self.tick_seq + 1 - first :]
        first = self.tick_seq + 1
        verdict, quality = self._inspection.check(block.symbol, ticks, now_ns)
        if len(verdict.accepted):
            published = msgspec.structs.replace(
                block, seq_first=first, ticks=verdict.accepted.tobytes(), bridge_ns=now_ns, n_received=len(ticks)
            )
            pipeline.xadd(
                self._streams.ticks, {"m": encode(published)}, maxlen=self._kept(len(ticks)), approximate=True
            )
            last = verdict.accepted[-1]
            self._last_accepted[block.symbol] = last.tobytes()
            latest[block.symbol] = msgspec.json.encode(
                {
                    "symbol": block.symbol, "time_ns": int(last["time_ns"]), "bid": float(last["bid"]),
                    "ask": float(last["ask"]), "seq": end, "agent": self._agent, "quality": round(quality, 3),
                }
            )  # fmt: skip
            self._metrics.ticks.labels(self._tenant, self._agent).inc(len(verdict.accepted))
        for index, rule in zip(verdict.refused.tolist(), verdict.rules, strict=True):
            kept = Quarantined(
                agent=self._agent, symbol=block.symbol, seq=first + index, rule=rule, tick=ticks[index].tobytes()
            )
            pipeline.xadd(
                self._streams.quarantine, {"m": encode(kept)}, maxlen=self._config.kept_quarantined, approximate=True
            )
            self._metrics.refused.labels(rule).inc()
        self.tick_seq = end

    async def _look_at_tier(self) -> None:
        self._asked_tier_at = time.monotonic()
        named: Any = await self._client.hget(Streams.tiers(), self._tenant)
        held = TIERS.get(named.decode()) if named else None
        level = held.validation if held is not None else "basic"
        if level != self._inspection.level:
            await load_rules(level)
            self._inspection = self._inspection.at_level(level)

    def _add_account(self, pipeline: Pipeline, state: AccountState, latest: dict[str, bytes]) -> None:
        """Show the newest; put into the stream what is news, that the reports in it are not pushed out."""
        latest[f"@account:{self._agent}"] = msgspec.json.encode(state)
        holds = (
            state.trade_allowed,
            [
                (each.ticket, each.symbol, each.side, each.lots, each.stop_loss, each.take_profit)
                for each in state.positions
            ],
        )
        since_s = time.monotonic() - self._account_at
        if since_s > _ACCOUNT_AGAIN_S or (holds != self._account_holds and since_s > _ACCOUNT_LEAST_S):
            self._account_at, self._account_holds = time.monotonic(), holds
            pipeline.xadd(
                self._streams.reports, {"m": encode(state)}, maxlen=self._config.kept_reports, approximate=True
            )

    def _add_report(self, pipeline: Pipeline, report: Report, settled: list[bytes]) -> None:
        if report.seq <= self.report_seq:
            self._metrics.duplicates.labels("reports").inc()
            return
        if report.seq > self.report_seq + 1:
            raise Refused(
                "sequence_gap", f"the next report must have number {self.report_seq + 1}, it had {report.seq}"
            )
        pipeline.xadd(self._streams.reports, {"m": encode(report)}, maxlen=self._config.kept_reports, approximate=True)
        if report.key and (entry := self._book.settle(pipeline, self._agent, report.key)) is not None:
            settled.append(entry)
        self._metrics.reports.labels(report.kind).inc()
        self.report_seq = report.seq

    def _kept(self, n_ticks: int) -> int:
        # Streams are trimmed by entries; blocks hold one tick live and a thousand in a replay.
        self._ticks_per_block += 0.01 * (n_ticks - self._ticks_per_block)
        return int(min(self._config.kept_blocks, max(1000.0, self._config.kept_ticks / self._ticks_per_block)))
