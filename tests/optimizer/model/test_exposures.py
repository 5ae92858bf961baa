import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import (
    Estimates,
    ExposureCalculator,
    ExposureType,
    Fund,
    FundExposureMap,
    PolicyError,
    look_through,
    look_through_return,
)
from optimizer.model.exposure_types import in_order

T = ExposureType
RSST = Fund("RSST", "stacked", {T.US_LARGE_EQUITY: 1.0, T.MANAGED_FUTURES: 1.0}, fee=0.0098, spread=0.005)
SPY = Fund("SPY", "plain", {T.US_LARGE_EQUITY: 1.0}, fee=0.000945)
SH = Fund("SH", "inverse", {T.US_LARGE_EQUITY: -1.0}, fee=0.009)
TMF = Fund("TMF", "3x", {T.US_TREASURY_LONG: 3.0}, fee=0.0091, spread=0.005)
FUNDS = FundExposureMap([RSST, SPY, SH, TMF])
SEED_NAMES = """
US_LARGE_EQUITY US_SMALL_EQUITY US_VALUE_EQUITY US_SMALL_VALUE_EQUITY INTL_EQUITY INTL_VALUE_EQUITY
EM_VALUE_EQUITY GLOBAL_EQUITY BONDS US_BONDS INTL_BONDS LONG_DURATION_BONDS COMMODITIES REAL_ESTATE
MANAGED_FUTURES TREND_FOLLOWING LONG_SHORT VALUE_FACTOR MOMENTUM_FACTOR QUALITY_FACTOR
LOW_VOL_FACTOR CARRY
"""


def test_the_seeds_22_names_are_kept():
    assert len(SEED_NAMES.split()) == 22
    assert all(name in T.__members__ for name in SEED_NAMES.split())


def test_half_rsst_and_half_spy_is_all_equity_and_half_managed_futures():
    book = {"RSST": 0.5, "SPY": 0.5}
    calculator = ExposureCalculator(FUNDS)
    assert calculator.calculate(book) == {T.US_LARGE_EQUITY: 1.0, T.MANAGED_FUTURES: 0.5}
    assert calculator.total_notional(book) == 1.5


def test_a_parent_is_the_sum_of_what_is_below_it_and_counts_nothing_twice():
    matrix = FUNDS.matrix(["RSST", "TMF"], [T.EQUITY, T.BONDS, T.LONG_DURATION_BONDS, T.US_TREASURY_LONG])
    assert matrix.tolist() == [[1, 0], [0, 3], [0, 3], [0, 3]]


def test_types_stand_in_their_order_each_once():
    assert in_order(iter([T.GOLD, T.EQUITY, T.GOLD, T.BONDS])) == (T.EQUITY, T.BONDS, T.GOLD)
    assert in_order([*T][::-1]) == (*T,)


def test_what_is_done_to_a_fund_that_nobody_knows_shows_in_no_other_map():
    one, other = (FundExposureMap((), unmapped="unknown") for _ in range(2))
    vars(one.select(["X"])[0])["exposures"][T.GOLD] = 1.0  # a dict, which nothing keeps from being changed
    assert other.types(["X"]) == (T.UNKNOWN,) and other.matrix(["X"], [T.GOLD]).tolist() == [[0.0]]


def test_inverse_funds_count_in_notional_but_offset_in_exposure():
    book = {"SPY": 0.5, "SH": 0.5}
    assert ExposureCalculator(FUNDS).calculate(book) == {T.US_LARGE_EQUITY: 0.0}
    assert ExposureCalculator(FUNDS).total_notional(book) == 1.0


def test_an_unmapped_symbol_is_named_or_counted_as_unknown_when_asked():
    with pytest.raises(PolicyError, match="XYZ, QQQ"):
        FUNDS.matrix(["SPY", "XYZ", "QQQ"], [T.EQUITY])
    asked = FundExposureMap([SPY], unmapped="unknown")
    assert ExposureCalculator(asked).calculate({"XYZ": 0.3, "SPY": 0.7}) == {
        T.US_LARGE_EQUITY: 0.7,
        T.UNKNOWN: 0.3,
    }


@pytest.mark.parametrize(
    ("exposures", "extra", "said"),
    [
        ({}, {}, "lists no exposure"),
        ({T.BONDS: float("nan")}, {}, "bonds is nan"),
        ({T.BONDS: 0.0}, {}, "bonds is 0"),
        ({T.BONDS: 1.0, T.US_BONDS: 1.0}, {}, "us_bonds and bonds, which contains it"),
        ({T.CASH: -1.0, T.BONDS: 2.0}, {}, "financing leg is implied"),
        ({T.BONDS: 0.5, T.GLOBAL_EQUITY: 0.5}, {"total_notional": 1.9}, "add up to 1, total_notional is 1.9"),
        ({T.BONDS: 1.0}, {"total_notional": float("nan")}, "total_notional is nan"),
        ({T.BONDS: 1.0}, {"fee": 0.98}, "fee is 0.98"),
        ({T.BONDS: 1.0}, {"unfunded": frozenset([T.GOLD])}, "unfunded names gold"),
    ],
)
def test_a_fund_that_cannot_be_is_refused(exposures, extra, said):
    with pytest.raises(PolicyError, match=said):
        Fund("X", "x", exposures, **extra)


def test_one_symbol_twice_is_refused():
    with pytest.raises(PolicyError, match="SPY is listed twice"):
        FundExposureMap([SPY, SPY])


def test_exposure_types_parse_in_any_dress():
    assert T.parse(" US Large-Equity ") is T.US_LARGE_EQUITY
    with pytest.raises(PolicyError, match="did you mean us_large_equity"):
        T.parse("us_larg_equity")


def test_look_through_charges_financing_and_fee_once():
    returns = {T.US_LARGE_EQUITY: 0.08, T.MANAGED_FUTURES: 0.05, T.US_TREASURY_LONG: 0.04}
    assert look_through_return(RSST, returns, 0.03) == pytest.approx(0.13 - 0.03 - 0.005 - 0.0098)
    assert look_through_return(SPY, returns, 0.03) == pytest.approx(0.08 - 0.000945)
    assert look_through_return(SH, returns, 0.03) == pytest.approx(-0.08 + 2 * 0.03 - 0.009)
    assert look_through_return(TMF, returns, 0.03) == pytest.approx(0.12 - 2 * 0.03 - 2 * 0.005 - 0.0091)


def test_an_unfunded_leg_borrows_nothing():
    overlay = Fund("O", "overlay", {T.US_BONDS: 1.0, T.CARRY: 1.0}, fee=0.0, unfunded=frozenset([T.CARRY]))
    assert look_through_return(overlay, {T.US_BONDS: 0.04, T.CARRY: 0.02}, 0.03) == pytest.approx(0.06)


def test_look_through_refuses_what_it_does_not_know():
    with pytest.raises(PolicyError, match="managed_futures, which RSST holds"):
        look_through_return(RSST, {T.US_LARGE_EQUITY: 0.08}, 0.03)
    with pytest.raises(PolicyError, match="fee of X is not known"):
        look_through_return(Fund("X", "x", {T.BONDS: 1.0}), {T.BONDS: 0.03}, 0.03)


def test_looking_through_gives_the_risk_of_the_markets():
    markets = Estimates(
        ("us_large_equity", "managed_futures"), np.array([0.08, 0.05]), np.array([[0.04, 0.0], [0.0, 0.01]])
    )
    funds = look_through(FUNDS, ["RSST", "SPY"], markets, 0.03)
    assert funds.covariance == pytest.approx(np.array([[0.05, 0.04], [0.04, 0.04]]))
    assert funds.growth == pytest.approx([0.0852 - 0.025, 0.079055 - 0.02])


weights = st.floats(-2, 2, allow_subnormal=False)


@given(st.tuples(weights, weights, weights, weights), weights)
def test_exposures_are_linear_in_the_weights(amounts, scale):
    symbols = ("RSST", "SPY", "SH", "TMF")
    calculator = ExposureCalculator(FUNDS)
    once = calculator.calculate(dict(zip(symbols, amounts, strict=True)))
    scaled = calculator.calculate({s: scale * w for s, w in zip(symbols, amounts, strict=True)})
    assert list(scaled.values()) == pytest.approx([scale * amount for amount in once.values()], abs=1e-12)


@given(st.permutations(["RSST", "SPY", "SH", "TMF"]))
def test_the_order_of_symbols_changes_no_exposure(symbols):
    book = {symbol: 0.1 * len(symbol) for symbol in symbols}
    assert ExposureCalculator(FUNDS).calculate(book) == pytest.approx(
        ExposureCalculator(FUNDS).calculate(dict(sorted(book.items())))
    )
