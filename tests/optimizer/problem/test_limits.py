"""Every limit: by its field and by its text, the same weights; and what is said of a wrong one."""

import numpy as np
import pytest

from optimizer import (
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    InfeasibleError,
    Policy,
    PolicyError,
    Universe,
    parse_limit,
    solve,
)
from optimizer.measures.portfolio_measures import risk_contributions

NAMES = ("AAPL", "MSFT", "TLT", "XOM")
RNG = np.random.default_rng(1)
RETURNS = RNG.standard_normal((400, 4)) * [0.012, 0.01, 0.006, 0.014] + 0.005 * RNG.standard_normal((400, 1))
FOUR = Estimates(NAMES, np.array([0.10, 0.08, 0.03, 0.06]), np.cov(RETURNS.T) * 252, RETURNS)
FUNDS = FundExposureMap(
    Fund(symbol, symbol, {kind: 1.0})
    for symbol, kind in zip(
        NAMES,
        (*[ExposureType.US_LARGE_EQUITY] * 2, ExposureType.US_TREASURY_LONG, ExposureType.US_LARGE_EQUITY),
        strict=True,
    )
)
BOOK = Universe(
    NAMES,
    {"AAPL": "Technology", "MSFT": "Technology", "TLT": "Government Bonds", "XOM": "Energy"},
    FUNDS,
    benchmark={"AAPL": 0.5, "XOM": 0.5},
    factors={"value": {"AAPL": -0.5, "MSFT": -0.2, "TLT": 0.0, "XOM": 1.0}},
)
HELD = np.full(4, 0.25)


def weights(**policy: object) -> np.ndarray:
    found = solve(FOUR, Policy(risk_free_rate=0.02, risk_aversion=1.0, **policy), BOOK, HELD)
    assert found.certificate.ok and found.constraints_met
    return found.weights


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Technology <= 0.3", {"sector_limits": {"Technology": (-1.0, 0.3)}}),
        ("0.1 <= Energy <= 20%", {"sector_limits": {"Energy": (0.1, 0.2)}}),
        ('"Government Bonds" >= 25%', {"sector_limits": {"Government Bonds": (0.25, 1.0)}}),
        ("Equity <= 0.6", {"max_exposures": {ExposureType.EQUITY: 0.6}}),
        ("us_treasury >= 0.4", {"min_exposures": {ExposureType.US_TREASURY: 0.4}}),
        ("value = 0.1", {"factor_limits": {"value": (0.1, 0.1)}}),
        ("active:value <= 0.1", {"active_factor_limits": {"value": (None, 0.1)}}),
        ("risk:Technology <= 20%", {"risk_share_limits": {"Technology": (None, 0.2)}}),
        ("AAPL <= 20%", {"asset_limits": {"AAPL": (0.0, 0.2)}}),
        ("invested <= 0.9", {"net_limits": (0.0, 0.9)}),
    ],
)
def test_a_line_of_text_means_the_same_as_its_field(text: str, fields: dict):
    cash = {"cash_max": 1.0}
    np.testing.assert_allclose(weights(limits=(text,), **cash), weights(**fields, **cash), atol=1e-7)


def test_a_line_may_add_subtract_and_weigh_names():
    w = weights(
        limits=("AAPL + MSFT >= 0.1", "2 * XOM - AAPL >= 0.2", "TLT >= AAPL", "cash >= 5%"), cash_max=0.5
    )
    aapl, msft, tlt, xom = w
    assert aapl + msft >= 0.1 - 1e-8 and 2 * xom - aapl >= 0.2 - 1e-8 and tlt >= aapl - 1e-8
    assert 1 - w.sum() >= 0.05 - 1e-8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Equity <= 60", r"60 is 60 times NAV; write 60% for percent"),
        ("Equity", r"has 0 comparisons; it needs one \(Equity <= 0.6\)"),
        ("AAPL & MSFT <= 0.2", r"cannot read '&' at position 6"),
        ("AAPL MSFT <= 0.2", r"'MSFT' stands where \+, -"),
        ("AAPL + <= 0.2", "'the end' stands where a name or a number belongs"),
        ("0.3 <= AAPL <= 0.1", "the least 0.3 is above the most 0.1"),
        ("0.1 <= AAPL >= 0.1", "a range has numbers outside and the same sign twice"),
        ("0.1 <= 0.2", "names nothing"),
    ],
)
def test_a_line_that_cannot_be_read_names_the_token(text: str, message: str):
    with pytest.raises(PolicyError, match=message):
        Policy(limits=(text,))


def test_a_name_that_is_not_known_or_known_twice_is_refused():
    with pytest.raises(PolicyError, match="'Tecnology' is not known; did you mean Technology"):
        weights(limits=("Tecnology <= 0.3",))
    twice = Universe(("Energy", "X"), {"Energy": "Energy", "X": "Energy"})
    two = Estimates(("Energy", "X"), None, np.diag([0.04, 0.09]))
    with pytest.raises(
        PolicyError, match="Energy is both symbol and sector; write symbol:Energy or sector:Energy"
    ):
        solve(two, Policy(method="min_volatility", limits=("Energy <= 0.3",)), twice)
    found = solve(two, Policy(method="min_volatility", limits=("symbol:Energy <= 0.3",)), twice)
    assert found.weights[0] == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["active:Government Bonds", "beta:BRK-B", "active:sector:Real Estate"])
def test_a_name_may_be_quoted_whole_or_behind_its_prefix(name: str) -> None:
    """`active:"Government Bonds"` was refused, by words that did not say how to write it."""
    prefix, _, last = name.rpartition(":")
    for written in (f'"{name}"', f'{prefix}:"{last}"'):
        assert parse_limit(f"{written} - AAPL <= 5%").terms == {name: 1.0, "AAPL": -1.0}


def test_percent_and_ranges_are_parsed_to_fractions():
    one = parse_limit("10% <= 2 * AAPL - 0.5*MSFT + 0.1 <= 40%")
    assert one.terms == {"AAPL": 2.0, "MSFT": -0.5}
    assert (one.low, one.high) == pytest.approx((0.0, 0.3))


def test_beta_is_measured_against_the_benchmark():
    w = weights(beta_limits=(0.3, 0.5), cash_max=1.0)
    b = np.array([0.5, 0, 0, 0.5])
    beta = float(w @ FOUR.covariance @ b / (b @ FOUR.covariance @ b))
    assert 0.3 - 1e-8 <= beta <= 0.5 + 1e-8
    assert beta == pytest.approx(0.5)
    with pytest.raises(PolicyError, match="beta_limits need a benchmark"):
        solve(FOUR, Policy(beta_limits=(0, 1), risk_free_rate=0.0), Universe(NAMES))


def test_active_amounts_are_those_beyond_the_benchmark():
    benchmark = np.array([0.5, 0.0, 0.0, 0.5])
    loading = np.array([-0.5, -0.2, 0.0, 1.0])
    w = weights(active_factor_limits={"value": (-0.2, -0.1)}, cash_max=0.5)
    assert -0.2 - 1e-8 <= loading @ (w - benchmark) <= -0.1 + 1e-8
    w = weights(
        limits=("-5% <= active:Technology <= 5%", "active:cash <= 0", "active:beta:TLT >= 0.1"), cash_max=0.5
    )
    pull = FOUR.covariance[2] / FOUR.covariance[2, 2]
    assert abs((w - benchmark)[:2].sum()) <= 0.05 + 1e-8 and w.sum() >= 1 - 1e-8
    assert pull @ (w - benchmark) >= 0.1 - 1e-8
    for policy in ({"active_factor_limits": {"value": (0.0, 0.1)}}, {"limits": ("active:value <= 1",)}):
        with pytest.raises(PolicyError, match="active amounts need a benchmark; this portfolio has none"):
            solve(FOUR, Policy(method="min_volatility", **policy), Universe(NAMES, factors=BOOK.factors))


def test_gross_and_net_are_apart_in_a_long_short_book():
    w = weights(
        long_only=False, min_weight=-0.5, max_weight=1.0, max_gross=1.3, net_limits=(0.0, 0.2), cash_max=1.0
    )
    assert np.abs(w).sum() == pytest.approx(1.3) and w.min() < -0.01
    assert -1e-9 <= w.sum() <= 0.2 + 1e-9


def test_a_factor_needs_a_loading_for_each_name():
    short = Universe(NAMES, factors={"size": {"AAPL": 1.0}})
    policy = Policy(method="min_volatility", factor_limits={"size": (0.0, 0.5)})
    with pytest.raises(PolicyError, match="size has no loading for MSFT, TLT, XOM; give one, 0 for none"):
        solve(FOUR, policy, short)
    with pytest.raises(PolicyError, match="factor 'growth' has no loadings; those given are value"):
        weights(factor_limits={"growth": (0.0, 0.5)})


def test_a_factor_may_be_counted_in_money():
    """The average market value of a book is a trillion, which a bound meant for fractions refused."""
    caps = {"AAPL": 3e12, "MSFT": 1e12, "TLT": 1e12, "XOM": 1e12}
    policy = Policy(factor_limits={"cap": (None, 1.5e12)}, risk_aversion=0.1)
    w = solve(FOUR, policy, Universe(NAMES, factors={"cap": caps})).weights
    assert w[:2] == pytest.approx([0.25, 0.75], abs=1e-6)  # 3a + (1 - a) = 1.5; the rest in the next best
    for limits in ({"beta_limits": (None, 1e12)}, {"factor_limits": {"cap": (None, 1e16)}}):
        with pytest.raises(PolicyError, match="is out of all bounds"):
            Policy(**limits)


def test_risk_budgets_are_met_and_checked():
    budgets = {"AAPL": 0.4, "MSFT": 0.3, "TLT": 0.2, "XOM": 0.1}
    w = weights(method="risk_parity", risk_budgets=budgets)
    np.testing.assert_allclose(risk_contributions(w, FOUR.covariance), list(budgets.values()), atol=1e-7)
    with pytest.raises(PolicyError, match=r"risk_budgets sum to 80%; shares of the risk must sum to 100%"):
        Policy(risk_budgets={"AAPL": 0.4, "MSFT": 0.4})
    with pytest.raises(PolicyError, match=r"the share of AAPL is -0.4"):
        Policy(risk_budgets={"AAPL": -0.4, "MSFT": 1.4})
    with pytest.raises(PolicyError, match="risk_budgets holds IBM, not among the 4 symbols"):
        weights(method="risk_parity", risk_budgets={"IBM": 1.0})


def test_a_line_in_conflict_is_named_and_priced():
    policy = Policy(method="min_volatility", limits=("Technology <= 0.2", "AAPL >= 0.3"))
    with pytest.raises(InfeasibleError) as caught:
        solve(FOUR, policy, BOOK)
    by_name = {c.limit: (c.bound, round(c.relaxation, 6)) for c in caught.value.conflicts}
    assert by_name["Technology <= 0.2"] == (0.2, 0.1) and by_name["AAPL >= 0.3"] == (0.3, 0.1)


def test_a_line_that_turnover_keeps_unmet_is_told():
    policy = Policy(
        method="min_volatility", limits=("Technology <= 0.2",), max_turnover=0.1, on_conflict="transition"
    )
    found = solve(FOUR, policy, BOOK, HELD)
    assert [limit.limit for limit in found.unmet] == ["Technology <= 0.2"]
    assert found.unmet[0].value == pytest.approx(0.4, abs=1e-5)
    assert "max_turnover" in {limit.limit for limit in found.binding}


def test_a_line_limits_the_beta_to_any_symbol():
    j = NAMES.index("XOM")
    free, found = weights(), weights(limits=("beta:XOM <= 0.1", "beta:TLT >= 0.4"))
    betas = [[float(w @ FOUR.covariance[i] / FOUR.covariance[i, i]) for i in (j, 2)] for w in (free, found)]
    assert betas[0][0] > 0.1 and betas[1][0] == pytest.approx(0.1, abs=1e-7) and betas[1][1] >= 0.4 - 1e-8
    with pytest.raises(PolicyError, match="'beta:GOLD' is not known"):
        weights(limits=("beta:GOLD <= 0.3",))
