"""How ``tickhub status`` looks to a person: the programs, and of each desk what it trades, earns and waits for."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["show_desk", "show_programs"]

_STAGES = ("agent_to_decision", "tick_to_order")


def show_programs(console: Console, rows: Sequence[Mapping[str, Any]], today: str) -> None:
    """One line a program; how often it ended by itself, and why, is named. ``today`` is left out of times."""
    table = Table(box=None, padding=(0, 2))
    for title in ("program", "state", "pid", ""):
        table.add_column(title)
    for row in rows:
        colour = "green" if row["state"] == "running" else "red"
        detail = str(row["detail"]).rpartition("uptime ")
        words = [f"up {detail[2]}" if detail[1] else detail[2]]
        if row["restarts"]:
            at, _, why = str(row["last_end"]).partition(": ")
            at = at.removeprefix(today).strip()
            words.append(f"ended {row['restarts']}x, last {at} {why.removeprefix('terminated by ')}")
        table.add_row(row["name"], f"[{colour}]{row['state']}", str(row["pid"] or ""), ", ".join(words))
    console.print(table)


def show_desk(console: Console, tenant: str, desk: Mapping[str, Any]) -> None:
    """A desk's state, its strategies, its latency, and what it warns of."""
    state = desk.get("state")
    if state is None:
        why = f": {desk['last_error']}" if desk.get("last_error") else ""
        console.print(f"\ndesk {tenant}: {desk['condition']}, does not answer yet{why}", markup=False, highlight=False)
        return
    counts, money = state["counts"], {each["currency"] for each in state["strategies"]}
    unit = f" {' and '.join(sorted(money))}" if money else ""
    console.print(
        f"\ndesk {tenant}: {state['state']}, profit today {state['profit_today']:+,.2f}{unit}, in total "
        f"{state['profit']:+,.2f}{unit}; {counts['ticks']:,} ticks, {len(state['orders'])} orders on their way, "
        f"lost {counts['lost']}, doubled {counts['doubled']}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    if state["strategies"]:
        console.print(_strategies(state["strategies"]))
    for each in state["strategies"]:
        if why := each["reason"] or (each["refusal"] and f"last order {each['refusal']}"):
            console.print(f"  {each['name']}: {why}", markup=False, highlight=False, style="yellow", soft_wrap=True)
    for stage in _STAGES:
        each = state["latency_us"].get(stage, {})
        if each.get("n"):
            name = stage.replace("_", " ")
            console.print(f"  {name}: median {each['p50']:,.0f} us, 99 % {each['p99']:,.0f} us", highlight=False)
    refused = [f"strategy {passport[:12]} is not run: {why}" for passport, why in state["refused"].items()]
    orphans = [each["words"] for each in state.get("orphans", ())]
    for text in [*orphans, *state["warnings"], *refused]:
        console.print(f"  {text}", markup=False, highlight=False, style="yellow", soft_wrap=True)


def _strategies(strategies: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for title in ("  strategy", "symbol", "mode", "state"):
        table.add_column(title)
    for title in ("lots", "today", "total", "fills", "refused"):
        table.add_column(title, justify="right")
    for each in strategies:
        table.add_row(
            f"  {each['name']}", each["symbol"], each["mode"], each["state"], f"{each['lots']:+.2f}",
            f"{each['profit_today']:+,.2f}", f"{each['profit']:+,.2f}", f"{each['fills']:,}",
            f"{each['denied'] + each['rejected']:,}",
        )  # fmt: skip
    return table
