"""A row of the record as plain numbers, and in words."""

from typing import Any

import numpy as np

from kernel_lib.trading.record import Kind, OrderType, Reason

__all__ = ["event_in_words", "plain_event"]

_RESTING = ("placed", "modified", "cancelled", "expired", "triggered")


def plain_event(row: np.void) -> dict[str, Any]:
    """Give a row of the record as plain numbers, with kind and reason in words."""
    plain = {name: row[name].item() for name in row.dtype.names or ()}
    return plain | {"kind": Kind(plain["kind"]).name.lower(), "reason": Reason(plain["reason"]).name.lower()}


def event_in_words(event: dict[str, Any]) -> str:
    """Say what a row says, in few words.

    >>> event_in_words({})
    'nothing'
    """
    if not event:
        return "nothing"
    kind, side = event["kind"], "buy" if event["side"] > 0 else "sell"
    if kind == "decision":
        order = f" by {_order_name(event['entry'])} at {event['points']:g} points" if event["entry"] else ""
        return f"a target of {event['target']:g} ({event['units']} lot steps){order}"
    if kind in ("order", "fill", "accepted", "rejected", *_RESTING):
        at = f"at {event['points']:g} points, {np.datetime64(event['time_ns'], 'ns')}Z"
        why = f" by {event['reason']}" if event["reason"] != "none" else ""
        what = f"{_order_name(event['entry'])} {kind}: order" if kind in _RESTING else f"the {kind} of order"
        return f"{what} {event['order_id']}, {side} {event['units']} lot steps {at}{why}"
    if kind == "denied":
        return f"{event['units']} lot steps denied: {event['reason']}"
    if kind == "closed":
        return f"a closed trade of {event['profit_minor']} minor units, commission {event['commission_minor']}"
    return f"{kind}: {event['reason']}"


def _order_name(order_type: int) -> str:
    return f"a {OrderType(order_type).name.lower().replace('_', '-')} order"
