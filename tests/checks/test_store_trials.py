"""The ledger of trials keeps its promises, on every engine that is reachable: once, for ever, and of one tenant."""

import datetime
import threading
import uuid

import numpy as np
import psycopg
import pytest

from kernel_lib.counter import Runs
from kernel_lib.errors import BadData
from kernel_lib.stores.accounts import PostgresAccounts
from kernel_lib.stores.trials import TrialLedger
from tests.checks.store_accounts import accounts, accounts_url, two_tenants

__all__ = ["accounts", "accounts_url", "two_tenants"]

DAY = datetime.date(2026, 11, 21)


@pytest.fixture
def ledger(accounts: PostgresAccounts) -> TrialLedger:
    return TrialLedger(accounts)


def runs(
    numbers: range, sharpes: list[float] | None = None, *, hypothesis: str = "idea", symbol: str = "EURUSD",
    seconds: float = 0.0, kind: str = "sweep",
) -> Runs:  # fmt: skip
    return Runs(
        kind=kind, hypothesis=hypothesis, strategy="ma_cross", symbol=symbol, seconds=seconds,  # type: ignore[arg-type]
        trials=b"".join(each.to_bytes(16, "big") for each in numbers),
        sharpes=b"" if sharpes is None else np.array(sharpes, "<f8").tobytes(), batch=uuid.uuid4().hex,
    )  # fmt: skip


def test_a_batch_that_comes_twice_counts_once(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    batch = runs(range(10), seconds=1.5)
    assert [ledger.add(tenant, "q", [batch, batch], DAY), ledger.add(tenant, "q", [batch], DAY)] == [1, 0]
    tally = ledger.tally(tenant, "idea", "EURUSD")
    assert (tally["n_trials"], tally["n_runs"], tally["n_on_instrument"]) == (10, 10, 10)
    assert ledger.seconds(tenant, DAY) == 1.5


def test_the_same_trial_run_again_is_a_run_more_and_no_trial(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    ledger.add(tenant, "q", [runs(range(10)), runs(range(5, 12)), runs(range(3), kind="replay")], DAY)
    tally = ledger.tally(tenant, "idea", "EURUSD")
    assert (tally["n_trials"], tally["n_runs"]) == (12, 20)


def test_another_name_does_not_begin_at_zero_on_the_instrument(
    ledger: TrialLedger, two_tenants: tuple[str, str]
) -> None:
    tenant, _ = two_tenants
    ledger.add(tenant, "q", [runs(range(10)), runs(range(4), hypothesis="fresh"), runs(range(3), symbol="GBPUSD")], DAY)
    fresh = ledger.tally(tenant, "fresh", "EURUSD")
    assert (fresh["n_trials"], fresh["n_on_instrument"]) == (4, 10)
    assert [(each.symbol, each.n_trials, each.n_runs) for each in ledger.instruments(tenant)] == [
        ("EURUSD", 10, 14), ("GBPUSD", 3, 3),
    ]  # fmt: skip


def test_a_search_of_hyper_parameters_belongs_to_its_hypothesis_on_any_instrument(
    ledger: TrialLedger, two_tenants: tuple[str, str]
) -> None:
    tenant, _ = two_tenants
    ledger.add(tenant, "q", [runs(range(10)), runs(range(100, 130), symbol="", kind="tuning")], DAY)
    tally = ledger.tally(tenant, "idea", "EURUSD")
    assert (tally["n_trials"], tally["n_on_instrument"]) == (40, 10)


def test_the_deviation_is_that_of_the_distinct_trials_ratios(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    ratios = np.random.default_rng(3).normal(0.3, 1.2, 40).tolist()
    ledger.add(tenant, "q", [runs(range(9), ratios[:9])], DAY)
    assert ledger.tally(tenant, "idea", "EURUSD")["sharpe_deviation"] is None
    # Again with other ratios: the first stand. A ratio that is no number is none.
    ledger.add(tenant, "q", [runs(range(9), [7.0] * 9), runs(range(9, 40), ratios[9:])], DAY)
    ledger.add(tenant, "q", [runs(range(40, 43), [float("nan"), float("inf"), -1e300])], DAY)
    tally = ledger.tally(tenant, "idea", "EURUSD")
    assert tally["sharpe_deviation"] == pytest.approx(np.std(ratios, ddof=1))
    assert tally["n_trials"] == 43
    assert ledger.hypotheses(tenant)[0].sharpe_deviation == tally["sharpe_deviation"]


def test_two_processes_that_send_the_same_count_once(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    batches = [runs(range(at, at + 300), [0.5] * 300, seconds=0.25) for at in range(0, 1500, 100)]
    n_new: list[int] = []
    threads = [threading.Thread(target=lambda: n_new.append(ledger.add(tenant, "q", batches, DAY))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(n_new) == 15
    tally = ledger.tally(tenant, "idea", "EURUSD")
    assert (tally["n_trials"], tally["n_runs"], tally["n_on_instrument"]) == (1700, 4500, 1700)
    assert ledger.seconds(tenant, DAY) == 15 * 0.25


def test_a_sweep_of_ten_thousand_is_one_batch(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    tenant, _ = two_tenants
    assert ledger.add(tenant, "q", [runs(range(10_000), [0.1] * 10_000)], DAY) == 1
    assert ledger.tally(tenant, "idea", "EURUSD")["n_trials"] == 10_000


def test_one_tenants_trials_are_not_anothers(ledger: TrialLedger, two_tenants: tuple[str, str]) -> None:
    mine, theirs = two_tenants
    batch = runs(range(10))
    ledger.add(theirs, "q", [batch], DAY)
    assert ledger.tally(mine, "idea", "EURUSD")["n_on_instrument"] == 0
    assert ledger.hypotheses(mine) == ledger.instruments(mine) == []
    assert ledger.add(mine, "q", [batch], DAY) == 1


@pytest.mark.parametrize(
    "bad",
    [runs(range(3), [1.0]), Runs(kind="sweep", hypothesis="x", strategy="s", symbol="", trials=b"short"),
     Runs(kind="sweep", hypothesis="a\x00b", strategy="s", symbol="E", trials=b"x" * 16)],
)  # fmt: skip
def test_a_batch_that_is_none_is_refused_with_all_that_came_with_it(
    ledger: TrialLedger, two_tenants: tuple[str, str], bad: Runs
) -> None:
    tenant, _ = two_tenants
    with pytest.raises(BadData):
        ledger.add(tenant, "q", [runs(range(3)), bad], DAY)
    assert ledger.hypotheses(tenant) == []


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM trial_batches", "UPDATE trial_batches SET n_new = 0", "DELETE FROM trials",
     "UPDATE trials SET hypothesis = 'x'", "TRUNCATE trials", "UPDATE findings SET content = '{}'",
     "DELETE FROM findings", "DELETE FROM hold_out_looks", "UPDATE hold_out_looks SET symbol = 'x'",
     "UPDATE hold_out_verdicts SET verdict = 'pass'", "DELETE FROM hold_out_verdicts", "DELETE FROM opened_history"],
)  # fmt: skip
def test_the_app_role_cannot_shorten_a_ledger(accounts_url: str, statement: str) -> None:
    with psycopg.connect(accounts_url) as connection:
        connection.execute("SET ROLE tickhub_app")
        connection.execute("SET search_path TO tickhub")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_findings_stand_as_they_were_first_noted(
    accounts: PostgresAccounts, ledger: TrialLedger, two_tenants: tuple[str, str]
) -> None:
    mine, theirs = two_tenants
    strategy = accounts.submit(mine, f"q-{mine}", "x", b"the bundle")
    ledger.note_finding(mine, strategy.hash, "trials", {"n_trials": 12})
    ledger.note_finding(mine, strategy.hash, "trials", {"n_trials": 1})
    assert ledger.findings(mine, strategy.hash) == {"trials": {"n_trials": 12}}
    assert ledger.findings(theirs, strategy.hash) == {}
