"""Strategies promoted and approved for a benchmark, with limits that do not bind."""

import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.cross import ACCOUNT
from kernel_lib.market.instrument import EURUSD
from kernel_lib.passport import Approval, Approved, Passport, build_passport, sign_approval, verify
from kernel_lib.strategy import Strategy
from kernel_lib.trading.account import RiskLimits

__all__ = ["AGENT", "LIMITS", "TENANT", "approve"]

TENANT = "bench"
AGENT = "bench-terminal"
LIMITS = RiskLimits(daily_loss_fraction=1.0, orders_per_minute=256, max_spread_points=10**6, max_quote_age_ms=3_600_000)


def approve(
    strategy: Strategy, mode: str, key: Ed25519PrivateKey
) -> tuple[Passport, bytes, bytes, Approved]:  # fmt: skip
    """Give passport, approval bytes, signature and what verification makes of them."""
    now_ns = time.time_ns()
    passport = build_passport(
        strategy, instrument=EURUSD, author="quant", tenant=TENANT, created_ns=now_ns, account=ACCOUNT, limits=LIMITS
    )
    approval = Approval(
        hash=passport.hash, tenant=TENANT, author="quant", approver="admin", mode=mode,  # type: ignore[arg-type]
        agent=AGENT if mode == "mt5" else "", limits=LIMITS, at_ns=now_ns,
    )  # fmt: skip
    content, signature = sign_approval(approval, key)
    approved = verify(passport.encode(), content, signature, key.public_key(), tenant=TENANT, now_ns=now_ns)
    return passport, content, signature, approved
