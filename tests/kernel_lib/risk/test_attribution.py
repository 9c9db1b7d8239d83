"""Parts of a risk add up to it, as Jorion's; exceptions are tested as Kupiec, Christoffersen and Basel do."""

import math

import numpy as np
import pytest
from scipy import stats

from kernel_lib.errors import BadData
from kernel_lib.risk import expected_shortfall, expected_shortfall_parts, value_at_risk_exceptions, value_at_risk_parts

RETURNS = np.random.default_rng(6).multivariate_normal([0, 0, 0], np.diag([1e-4, 4e-4, 2e-4]) + 5e-5, 500)
MONEY = np.array([1000.0, -500.0, 250.0])


def test_jorions_two_currencies() -> None:
    """2 million Canadian dollars at 5 %, 1 million euros at 12 %, uncorrelated, z = 1.65: 257,738 in two parts."""
    found = value_at_risk_parts(np.diag([0.05**2, 0.12**2]), [2e6, 1e6], names=("CAD", "EUR"), confidence=0.95)
    to_his = 1.65 / stats.norm.ppf(0.95)
    assert found.total * to_his == pytest.approx(257_738, abs=1)
    assert found.parts * to_his == pytest.approx([105_630, 152_108], abs=1)
    assert found.shares.sum() == pytest.approx(1.0)


def test_parts_of_the_value_at_risk_are_its_slopes_times_the_positions() -> None:
    matrix = np.cov(RETURNS.T)
    found = value_at_risk_parts(matrix, MONEY)
    for i in range(3):
        step = np.zeros(3)
        step[i] = 1e-3
        up, down = (value_at_risk_parts(matrix, MONEY + move).total for move in (step, -step))
        assert found.parts[i] == pytest.approx(MONEY[i] * (up - down) / 2e-3, rel=1e-6)
    assert found.parts.sum() == pytest.approx(found.total)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.975, 0.99])
def test_parts_of_the_shortfall_add_up_to_it(confidence: float) -> None:
    found = expected_shortfall_parts(RETURNS, MONEY, confidence=confidence)
    assert found.total == pytest.approx(expected_shortfall(RETURNS, MONEY, confidence=confidence, method="order"))
    assert "part" in found._repr_html_()
    assert found.plot().axes


def test_a_hedge_has_a_negative_part() -> None:
    both = np.column_stack([RETURNS[:, 0], RETURNS[:, 0]])
    assert expected_shortfall_parts(both, [1000.0, -400.0]).parts[1] < 0.0
    assert value_at_risk_parts(np.cov(both.T), [1000.0, -400.0]).parts[1] < 0.0


def test_nothing_held_is_no_risk() -> None:
    found = value_at_risk_parts(np.eye(2), [0.0, 0.0])
    assert (found.total, found.parts.tolist()) == (0.0, [0.0, 0.0])
    assert np.isnan(found.shares).all()
    with pytest.raises(BadData, match="covariance of that size"):
        value_at_risk_parts(np.eye(3), [1.0])
    with pytest.raises(BadData, match="names must be one"):
        value_at_risk_parts(np.eye(1), [1.0], names=("a", "b"))


@pytest.mark.parametrize(
    ("n", "confidence", "least", "most"), [(255, 0.99, 1, 6), (510, 0.99, 2, 10), (255, 0.95, 7, 20)]
)
def test_kupiecs_table_of_what_is_not_rejected(n: int, confidence: float, least: int, most: int) -> None:
    """Jorion, table 6-2: fewer than 7, 2 to 10, and 7 to 20 exceptions; none in 255 days is too few as well."""
    for exceptions in (least, most):
        assert _with(n, exceptions, confidence) > 0.05
    assert _with(n, most + 1, confidence) < 0.05
    assert _with(n, least - 1, confidence) < 0.05


def _with(n: int, exceptions: int, confidence: float) -> float:
    gains = np.zeros(n)
    gains[:exceptions] = -2.0
    return value_at_risk_exceptions(gains, 1.0, confidence=confidence).kupiec_p


@pytest.mark.parametrize(
    ("exceptions", "light"), [(0, "green"), (4, "green"), (5, "yellow"), (9, "yellow"), (10, "red")]
)
def test_basels_traffic_light(exceptions: int, light: str) -> None:
    gains = np.zeros(250)
    gains[:exceptions] = -2.0
    assert value_at_risk_exceptions(gains, 1.0, confidence=0.99).light == light


def test_exceptions_in_a_row_are_no_chance_and_spread_out_ones_may_be() -> None:
    together, apart = np.zeros(500), np.zeros(500)
    together[100:120] = -2.0
    apart[::25] = -2.0
    assert value_at_risk_exceptions(together, 1.0, confidence=0.95).christoffersen_p < 1e-6
    assert value_at_risk_exceptions(apart, 1.0, confidence=0.95).christoffersen_p > 0.05


def test_christoffersens_ratio_by_hand() -> None:
    gains = np.array([0, -2, -2, 0, 0, -2, 0, 0, 0, 0], float)
    n00, n01, n10, n11 = 4, 2, 2, 1
    alike = (n01 + n11) / 9
    expected = 2 * (
        n00 * math.log(4 / 6) + n01 * math.log(2 / 6) + n10 * math.log(2 / 3) + n11 * math.log(1 / 3)
        - (n00 + n10) * math.log(1 - alike) - (n01 + n11) * math.log(alike)
    )  # fmt: skip
    assert value_at_risk_exceptions(gains, 1.0).christoffersen == pytest.approx(expected, abs=1e-12)


def test_a_report_shows_itself_and_bad_input_is_named() -> None:
    found = value_at_risk_exceptions(RETURNS[:, 0], np.full(500, 0.0165), confidence=0.95)
    assert "Kupiec" in found._repr_html_()
    assert found.plot().axes
    with pytest.raises(BadData, match="one for each of the 500"):
        value_at_risk_exceptions(RETURNS[:, 0], [0.1, 0.2])
    with pytest.raises(BadData, match="at least 1 observation"):
        value_at_risk_exceptions([], 0.1)
