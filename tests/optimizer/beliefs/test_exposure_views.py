"""Views on what funds hold: the portfolio of funds that holds the exposure alone, by hand."""

import numpy as np
import pytest

from optimizer import (
    Estimates,
    ExposureType,
    Fund,
    FundExposureMap,
    JointViews,
    Mandate,
    MarketView,
    OptimizationEngine,
    Policy,
    PolicyError,
    ScenarioView,
    Universe,
    posterior,
)
from optimizer.proposals.proposal import form_beliefs
from resources.settings.view_files import VIEW

T = ExposureType
FUNDS = FundExposureMap(
    [
        Fund("RSSB", "stacked", {T.GLOBAL_EQUITY: 1.0, T.US_TREASURY: 1.0}),
        Fund("VT", "world", {T.GLOBAL_EQUITY: 1.0}),
        Fund("IEF", "treasuries", {T.US_TREASURY: 1.0}),
        Fund("SPY", "large", {T.US_LARGE_EQUITY: 0.99, T.CASH: 0.01}),
    ]
)
NAMES = ("RSSB", "VT", "IEF", "SPY")
MARKET = np.array([0.2, 0.5, 0.3, 0.0])
ROOT = np.random.default_rng(5).standard_normal((9, 4)) * 0.06
S = ROOT.T @ ROOT


def portfolio_of(view: MarketView, market: np.ndarray = MARKET) -> np.ndarray:
    """The portfolio that a certain view fixes: what its posterior returns more than the prior, by differences."""
    high, low = (
        posterior(NAMES, market, S, [MarketView(view.assets, view.view_type, q, 1.0, against=view.against,
                                                weights=view.weights)], funds=FUNDS)
        for q in (0.03, 0.02)
    )  # fmt: skip
    moved = np.linalg.solve(S, high.mean - low.mean)
    return np.asarray(moved / (moved @ S @ moved) * 0.01)


@pytest.mark.parametrize(
    ("assets", "against", "weights", "portfolio"),
    [
        # (a, -a, 1 - a) has treasuries alone; a^2/0.2 + a^2/0.5 + (1 - a)^2/0.3 is least at a = 10/31
        (["exposure:us_treasury"], (), "market", [10 / 31, -10 / 31, 21 / 31, 0]),
        (["exposure:US Treasury"], (), "equal", [1 / 3, -1 / 3, 2 / 3, 0]),
        (["exposure:bonds"], (), "market", [10 / 31, -10 / 31, 21 / 31, 0]),  # treasuries are the bonds here
        # all equities as one, and SPY is not in the market: (a, 1 - a, -a), a^2/0.2 + (1 - a)^2/0.5 + a^2/0.3
        (["exposure:equity"], (), "market", [6 / 31, 25 / 31, -6 / 31, 0]),
        ({"exposure:us_treasury": 0.5, "SPY": -0.25}, (), "market", [5 / 31, -5 / 31, 10.5 / 31, -0.25]),
        (["VT"], ["exposure:us_treasury"], "market", [-10 / 31, 41 / 31, -21 / 31, 0]),
    ],
    ids=str,
)
def test_a_view_on_an_exposure_is_on_the_funds_that_hold_it_alone(
    assets, against, weights, portfolio
) -> None:  # type: ignore[no-untyped-def]
    kind = "relative" if against else "absolute"
    view = MarketView(assets, kind, 0.02, 1.0, against=against, weights=weights)
    assert portfolio_of(view) == pytest.approx(np.array(portfolio), abs=1e-9)


def test_of_names_that_hold_nothing_else_it_is_their_share_of_the_market() -> None:
    stocks = FundExposureMap([Fund(name, name, {T.EQUITY: 1.0}) for name in NAMES])
    found = posterior(
        NAMES, MARKET, S, [MarketView(["exposure:equity"], "absolute", 0.05, 0.6)], funds=stocks
    )
    whole = posterior(NAMES, MARKET, S, [MarketView(["RSSB", "VT", "IEF"], "absolute", 0.05, 0.6)])
    assert found.mean == pytest.approx(whole.mean, abs=1e-15)


def test_every_way_to_state_views_takes_exposures() -> None:
    tilted = {"exposure:us_treasury": 1.0, "exposure:global_equity": -0.5}
    single = posterior(NAMES, MARKET, S, [MarketView(tilted, "absolute", 0.01, error=0.02)], funds=FUNDS).mean
    joint = JointViews([tilted], [0.01], [0.0004])
    assert posterior(NAMES, MARKET, S, [joint], funds=FUNDS).mean == pytest.approx(single, abs=1e-14)
    engine = OptimizationEngine(None, FUNDS)
    assert engine.black_litterman_returns(NAMES, MARKET, S, [joint]) == pytest.approx(single, abs=1e-14)
    file = {"assets": tilted, "type": "absolute", "expected_return_pct": 2.0, "error_pct": 2.0}
    view = VIEW.validate_python(file).to_view(0.02)  # half a unit is invested, and half of the rate comes off
    universe = Universe(NAMES, funds=FUNDS, benchmark=dict(zip(NAMES, MARKET.tolist(), strict=True)))
    policy = Policy(risk_free_rate=0.02)
    beliefs = form_beliefs(Estimates(NAMES, None, S), universe, policy, Mandate(views=(view,)))
    assert beliefs.mean == pytest.approx(single + 0.02, abs=1e-14)
    assert not beliefs.warnings


@pytest.mark.parametrize(
    ("view", "funds", "said"),
    [
        (["exposure:goldd"], FUNDS, "exposure type 'goldd' does not exist; did you mean gold"),
        (["exposure:gold"], FUNDS, "nothing here holds gold; what is held is us_large_equity, global_equity, us_tre"),
        (["exposure:us_large_equity"], FUNDS, "no mix of what is held by the market has us_large_equity alone"),
        (["exposure:equity"], None, "no funds say what is held; give Universe"),
        (["exposure:unknown"], FUNDS, "no market to have a view on, it stands for all that nothing is known of"),
        (["equity"], FUNDS, "an exposure is written exposure:equity"),
        (
            ["exposure:us_treasury"],
            FundExposureMap([Fund(n, n, {T.GLOBAL_EQUITY: 1.0, T.US_TREASURY: 1.0}) for n in NAMES]),
            "has us_treasury alone, it comes with global_equity; name funds or exposures that can be told apart",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_viewed_is_refused_by_name(view, funds, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(PolicyError, match=said):
        posterior(NAMES, MARKET, S, [MarketView(view, "absolute", 0.02, 1.0)], funds=funds)


def test_a_view_of_a_kind_is_on_symbols() -> None:
    with pytest.raises(PolicyError, match="views of a kind are on symbols"):
        ScenarioView("mean", {"exposure:gold": 1.0}, 0.05)
    for name, said in (
        ("goldd", "exposure type 'goldd' does not exist"),
        ("Unknown", "exposure:Unknown is no market to have a view on"),
    ):
        with pytest.raises(ValueError, match=said):
            VIEW.validate_python(
                {
                    "assets": [f"exposure:{name}"],
                    "type": "absolute",
                    "expected_return_pct": 2.0,
                    "confidence": 0.5,
                }
            )
