"""The fold: exposures by hand, an update against a refit, look-ahead, and data that end early."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from draws import examples
from factor_market import panel
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from optimizer import DataError, FactorPanel, fit_factors
from optimizer.factors.fit import FactorFit, _factor_bias
from optimizer.factors.standardise import orthogonal, standardised

WHOLE = panel()


@pytest.fixture(scope="module")
def fitted() -> FactorFit:
    return fit_factors(WHOLE)


def same(one: FactorFit, other: FactorFit) -> None:
    for name in ("exposures", "factor_covariance", "specific"):
        assert getattr(one.model, name) == pytest.approx(getattr(other.model, name), abs=1e-10)


def test_an_update_is_the_full_refit(fitted: FactorFit):
    before = fit_factors(WHOLE.between(0, 327))
    same(before.updated(WHOLE.between(327 - 254, 330)), fitted)
    assert len(before.updated(WHOLE.between(327 - 254, 330)).sessions) == len(fitted.sessions)
    with pytest.raises(DataError, match="253 sessions"):
        before.updated(WHOLE.between(200, 330))
    with pytest.raises(DataError, match="the panel lacks N09"):
        before.updated(panel(names=9))


EVENTS = ("joins", "leaves", "loses its cap", "has another sector", "has no score", "has no volume", "pauses")


def through(made: FactorPanel, events: list[tuple[str, int, int]]) -> FactorPanel:
    """The panel after events: (what happens, to which name, from which session on)."""
    returns, sectors = made.returns.copy(), np.array(made.sectors)
    tables = {"caps": made.caps.copy(), "traded": made.traded.copy(), "value": made.scores["value"].copy()}
    for event, name, day in events:
        if event == "has another sector":
            sectors[day:, name] = -1 if day % 4 == 3 else day % 4
            continue
        rows = (
            slice(day) if event == "joins" else slice(day, day + 3) if event == "pauses" else slice(day, None)
        )
        lost = {
            "loses its cap": ["caps"],
            "has no score": ["value"],
            "has no volume": ["traded"],
            "pauses": [],
        }
        for table in lost.get(event, [*tables]):
            tables[table][rows, name] = np.nan
        if event in ("joins", "leaves", "pauses"):
            returns[rows, name] = np.nan
    scores = {"value": tables["value"]}
    return replace(
        made, returns=returns, sectors=sectors, caps=tables["caps"], traded=tables["traded"], scores=scores
    )


@examples(6, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_days_after_days_are_the_refit_whoever_joins_leaves_or_changes(data: st.DataObject):
    """Of 12 names up to six have an event in the last weeks, some of them after the fit; the others are calm."""
    days = data.draw(st.sampled_from([150, 320]))
    last = days - data.draw(st.integers(2, 6))
    event = st.tuples(st.sampled_from(EVENTS), st.integers(0, 11), st.integers(last - 20, days - 1))
    made = through(panel(data.draw(st.integers(0, 99)), days, 12), data.draw(st.lists(event, max_size=6)))
    whole, fit = fit_factors(made), fit_factors(made.between(0, last))
    assert (whole.plan.factors, whole.plan.warm_up) == (fit.plan.factors, fit.plan.warm_up)
    for day in range(last, days):
        fit = fit.updated(made.between(max(0, day - 254), day + 1))
    same(fit, whole)
    assert fit.quality == pytest.approx(whole.quality, abs=1e-9, nan_ok=True)


def chosen(made: FactorPanel, names: list[int]) -> FactorPanel:
    columns = {name: getattr(made, name)[:, names] for name in ("returns", "caps", "traded", "sectors")}
    scores = {name: table[:, names] for name, table in made.scores.items()}
    return replace(made, symbols=tuple(made.symbols[i] for i in names), scores=scores, **columns)


@pytest.mark.parametrize("days", [150, 320])
def test_a_name_that_joins_after_the_fit_comes_with_its_first_day_and_one_renamed_under_its_new_name(
    days: int,
):
    made = through(panel(3, days, 12), [("joins", 5, days - 4), ("joins", 0, days - 2)])
    kept, last = [i for i in range(12) if i not in (0, 5)], days - 5
    fit = fit_factors(chosen(made, kept).between(0, last))
    order = [11, 5, *[i for i in kept if i != 11], 0]
    renamed = {"N07": "NEW"}
    fit = replace(fit, symbols=tuple(renamed.get(symbol, symbol) for symbol in fit.symbols))
    now = chosen(made, order)
    now = replace(now, symbols=tuple(renamed.get(symbol, symbol) for symbol in now.symbols))
    whole = fit_factors(now)
    for day in range(last, days):
        fit = fit.updated(now.between(max(0, day - 254), day + 1))
    assert fit.symbols == whole.symbols and "NEW" in fit.symbols
    same(fit, whole)
    for one, other in zip(fit.sessions, whole.sessions, strict=True):
        assert one.specific_returns == pytest.approx(other.specific_returns, abs=1e-10, nan_ok=True)


def test_an_update_of_what_the_fit_has_not_seen_is_refused_by_name(fitted: FactorFit):
    before = fit_factors(chosen(WHOLE, list(range(20))).between(0, 327))
    with pytest.raises(DataError, match="N20, N21, N22, N23 has returns or volumes up to 326"):
        before.updated(WHOLE)
    two = replace(WHOLE, sector_names=("S0", "S1", "Z"))
    with pytest.raises(
        DataError, match="the sectors are S0, S1, Z, those of the fit S0, S1, S2; fit the model anew"
    ):
        fitted.updated(two)
    with pytest.raises(DataError, match="no data for liquidity, size, value of the fit"):
        fitted.updated(replace(WHOLE, caps=None, traded=None, scores={}))


def test_an_update_needs_no_more_than_there_is_while_the_history_is_short():
    short = WHOLE.between(0, 200)
    before = fit_factors(short.between(0, 199))
    same(before.updated(short), fit_factors(short))


def test_nothing_of_a_later_day_reaches_an_earlier_one(fitted: FactorFit):
    """Garbage after a date changes nothing up to it."""
    rng = np.random.default_rng(4)
    at = 315
    spoilt = {
        name: np.vstack([getattr(WHOLE, name)[:at], rng.uniform(0, 1, (len(WHOLE.dates) - at, 24))])
        for name in ("returns", "caps", "traded")
    }
    noise = {
        "value": np.vstack([WHOLE.scores["value"][:at], rng.standard_normal((len(WHOLE.dates) - at, 24))])
    }
    other = fit_factors(replace(WHOLE, **spoilt, scores=noise))
    upto = sum(session.date < at for session in fitted.sessions)
    assert (other.factor_returns[:upto] == fitted.factor_returns[:upto]).all()
    assert (other.factor_returns[upto:] != fitted.factor_returns[upto:]).any()


def test_momentum_by_hand(fitted: FactorFit):
    raw = np.log1p(WHOLE.returns[-252:-21]).sum(axis=0)
    expected = standardised(raw[None], WHOLE.caps[-1], np.ones(24, bool))[0]
    place = fitted.model.factors.index("momentum")
    assert fitted.model.exposures[:, place] == pytest.approx(expected, abs=1e-10)


def test_beta_by_hand(fitted: FactorFit):
    """A weighted regression of a year on the market of the caps of the close before."""
    lagged = WHOLE.caps[-253:-1]
    market = (lagged * WHOLE.returns[-252:]).sum(axis=1) / lagged.sum(axis=1)
    root = np.sqrt(0.5 ** (np.arange(251, -1, -1) / 63))
    design = np.column_stack([np.ones(252), market]) * root[:, None]
    slopes = np.linalg.lstsq(design, WHOLE.returns[-252:] * root[:, None], rcond=None)[0][1]
    expected = standardised(slopes[None], WHOLE.caps[-1], np.ones(24, bool))[0]
    assert fitted.model.exposures[:, fitted.model.factors.index("beta")] == pytest.approx(expected, abs=1e-9)


def test_styles_have_no_market_and_unit_spread_and_sectors_no_sum(fitted: FactorFit):
    model, caps = fitted.model, WHOLE.caps[-1]
    styles = model.exposures[:, [i for i, group in enumerate(model.groups) if group == "style"]]
    assert caps @ styles / caps.sum() == pytest.approx(np.zeros(styles.shape[1]), abs=1e-12)
    assert styles.std(axis=0) == pytest.approx(np.ones(styles.shape[1]))
    shares = WHOLE.caps[-2] @ model.exposures[:, 1:4] / WHOLE.caps[-2].sum()
    assert abs(shares @ fitted.sessions[-1].factor_returns[1:4]) < 1e-15


def test_returns_are_what_factors_and_names_add_up_to(fitted: FactorFit):
    before = fit_factors(WHOLE.between(0, 329))
    last = fitted.sessions[-1]
    told = before.exposures @ last.factor_returns + last.specific_returns
    assert told == pytest.approx(WHOLE.returns[-1], abs=1e-15)


def test_a_factors_bias_is_its_square_over_the_decayed_mean_of_those_before():
    decay = 0.5 ** (1 / 10)
    seen = SimpleNamespace(
        settings=SimpleNamespace(volatility_half_life=10.0),
        variances=np.array([0.04 * sum(decay**age for age in range(30)), 0.0]),
        counts=np.full(2, 30.0),
    )
    both = np.array([True, True])
    assert _factor_bias(seen, np.array([0.4, 9.0]), both) == pytest.approx(0.4**2 / 0.04)
    assert np.isnan(_factor_bias(seen, np.array([0.4, 9.0]), ~both))
    seen.counts = np.full(2, 20.0)
    assert np.isnan(_factor_bias(seen, np.array([0.4, 9.0]), both))


def test_a_desk_without_data_gets_what_they_allow_and_is_told_which_log_gives_more():
    bare = fit_factors(FactorPanel(WHOLE.symbols, WHOLE.dates, WHOLE.returns))
    assert bare.model.factors == ("market", "momentum", "short_term_reversal", "beta", "residual_volatility")
    assert "market_caps" in bare.plan.missing["size"] and "securities" in bare.plan.missing["sectors"]
    assert "volume" in bare.plan.missing["liquidity"]
    one_sector = fit_factors(replace(WHOLE, sector_names=("S",), sectors=np.zeros(24, int)))
    assert "one sector" in one_sector.plan.missing["sectors"]
    late = WHOLE.caps.copy()
    late[:-10] = np.nan
    assert "10 sessions" in fit_factors(replace(WHOLE, caps=late)).plan.missing["size"]
    lone = np.where(np.arange(24) == 3, 1.0, np.nan) * np.ones_like(WHOLE.returns)
    assert "one name alone" in fit_factors(replace(WHOLE, scores={"value": lone})).plan.missing["value"]


@pytest.mark.parametrize(("names", "sectors", "factors"), [(4, 1, 2), (8, 1, 4), (14, 6, 8), (20, 9, 11)])
def test_few_names_bear_few_styles_and_have_the_risk_that_their_returns_have(names, sectors, factors):
    """With as many factors as names, volatilities were up to 470,000 times too high."""
    made = replace(panel(5, 330, names, sectors), traded=None)
    fit = fit_factors(made)
    told = fit.model.covariance.dense.diagonal() / (252 * made.returns.var(axis=0))
    assert np.sqrt(told).min() > 0.7 and np.sqrt(told).max() < 1.8
    assert len(fit.model.factors) == factors
    left = next(iter(sorted(set(fit.plan.missing) - {"liquidity", "sectors"})))
    assert f"{names} names are too few for" in fit.plan.missing[left]


@pytest.mark.parametrize(("joined", "factors"), [(330, 7), (420, 2)])
def test_sessions_whose_names_are_few_tell_nothing_of_styles(joined: int, factors: int):
    """Five names of forty had a return in the first sessions regressed: volatilities were 10^11 times too high."""
    made = replace(panel(1, 520, 40, 1), scores={}, traded=None)
    returns = made.returns.copy()
    returns[:joined, 5:] = np.nan
    fit = fit_factors(replace(made, returns=returns))
    told = fit.model.covariance.dense.diagonal() / (252 * made.returns.var(axis=0))
    assert np.sqrt(told).min() > 0.6 and np.sqrt(told).max() < 1.8
    assert len(fit.model.factors) == factors
    few = np.array([session.names == 5 for session in fit.sessions])
    assert few.sum() > 60 and (fit.factor_returns[few] != 0).sum(axis=1).tolist() == [2] * few.sum()
    assert (fit.factor_returns[~few] != 0).all()


def test_the_names_that_are_counted_for_the_factors_are_those_that_carry_the_estimation():
    """Caps of ten names and sectors of six among forty: nine factors were fitted on the six."""
    made = replace(panel(2, 330, 40, 2), scores={})
    caps, codes = made.caps.copy(), np.array(made.sectors)
    caps[:, 10:], codes[:, 6:] = np.nan, -1
    fit = fit_factors(replace(made, caps=caps, sectors=codes))
    assert fit.quality["names"] == 6 and fit.plan.styles == ("beta",)
    assert fit.plan.missing["size"] == "6 names are too few for 4 factors; 8 are needed"


@pytest.mark.parametrize("names", [4, 12])
def test_a_name_that_does_not_move_has_no_part_in_any_factor_and_its_own_risk_alone(names: int):
    """A money-market fund that earns 1.4 bp a day, three days' over a weekend, had a volatility of 14% to 15%."""
    made = replace(panel(3, 330, names, 1), scores={}, traded=None, caps=None)
    returns = made.returns.copy()
    returns[:, 2] = np.where(np.arange(330) % 5 == 0, 4.2e-4, 1.4e-4)
    fit = fit_factors(replace(made, returns=returns))
    model, risks = fit.model, np.sqrt(fit.model.covariance.dense.diagonal())
    assert model.exposures[2].tolist() == [0.0] * len(model.factors) and fit.quality["names"] == names - 1
    assert 0.003 < risks[2] < 0.01  # 0.2% a year around its mean, which Newey-West counts as risk
    assert (np.delete(risks, 2) > 0.1).all() and (fit.factor_returns != 0).all()
    returns[:, 2] = 0.0
    none = fit_factors(replace(made, returns=returns)).model
    assert none.covariance.dense[2].tolist() == [0.0] * names
    bills = fit_factors(replace(made, returns=made.returns / 1000))  # where all are calm none stands still
    assert bills.quality["names"] == names and (bills.model.exposures[:, 0] == 1).all()


def test_a_name_that_gets_company_in_its_sector_does_not_multiply_all_specific_risks():
    """Alone in its sector it left residuals of 1e-18; the first real one made a regime of 10^28 for all names."""
    made = panel(4, 280, 7, 3)
    returns = made.returns.copy()
    returns[:180, 5] = np.nan  # N02 is alone in S2 until then
    fit = fit_factors(
        FactorPanel(made.symbols, made.dates, returns, None, None, made.sector_names, made.sectors)
    )
    alone = [session.specific_returns[2] for session in fit.sessions if session.date < 240]
    assert len(alone) > 30 and np.abs(alone).max() < 1e-15
    assert 0.3 < fit.quality["specific_regime"] < 3 and 0.3 < fit.quality["factor_regime"] < 3
    told = fit.model.covariance.dense.diagonal() / (252 * made.returns.var(axis=0))
    assert np.sqrt(told).min() > 0.6 and np.sqrt(told).max() < 2


def test_a_sector_whose_names_are_all_young_has_the_risk_that_its_returns_have():
    """Its slope of specific risk was what the other sectors' left, of 500%; its first returns were a regime."""
    made = panel(0, 300, 24, 3)
    returns = made.returns.copy()
    returns[:200, np.asarray(made.sectors)[0] == 2] = np.nan
    fit = fit_factors(
        FactorPanel(made.symbols, made.dates, returns, made.caps, None, made.sector_names, made.sectors)
    )
    told = fit.model.covariance.dense.diagonal() / (252 * made.returns.var(axis=0))
    assert np.sqrt(told).min() > 0.6 and np.sqrt(told).max() < 2.2
    assert 0.5 < fit.quality["factor_regime"] < 2


def test_capitalisations_weigh_names_that_are_too_few_for_a_factor_of_size():
    """A company 36 times as large as the four others weighs six times as much; all weighed alike."""
    made = panel(3, 200, 5, 1)
    caps = np.tile([36.0, 1.0, 1.0, 1.0, 1.0], (200, 1))
    fit = fit_factors(FactorPanel(made.symbols, made.dates, made.returns, caps))
    assert fit.model.factors == ("market", "beta") and "5 names are too few" in fit.plan.missing["size"]
    found, exposures = (
        fit.sessions[-1],
        fit_factors(FactorPanel(made.symbols, made.dates, made.returns, caps).between(0, 199)).exposures,
    )
    told = np.linalg.lstsq(
        exposures * caps[0, :, None] ** 0.25, made.returns[-1] * caps[0] ** 0.25, rcond=None
    )[0]
    assert found.factor_returns == pytest.approx(told, abs=1e-12)
    with pytest.raises(DataError, match="no data for size of the fit"):
        fit.updated(FactorPanel(made.symbols, made.dates, made.returns))


def test_what_rounding_leaves_of_an_exposure_that_another_explains_is_nothing():
    """Of two names alike and a third, beta tells all: residual volatility was 0 or 1.41 by their order."""
    returns = np.random.default_rng(3).normal(0, 0.01, (300, 3))
    returns[:, 1] = returns[:, 0]
    beta = standardised(returns[:1] ** 2, np.ones(3), np.ones(3, bool))[0]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        left = orthogonal(-0.7 * beta[order] + 1e-17, beta[order], np.ones(3), np.ones(3, bool))
        assert left.tolist() == [0.0, 0.0, 0.0]
    halved = orthogonal(np.array([1.0, -1.0, 0.0]), np.array([1.0, 0.0, -1.0]), np.ones(3), np.ones(3, bool))
    assert halved.tolist() == [0.5, -1.0, 0.5]


def test_a_name_outside_the_estimation_has_exposures_and_a_risk_but_moves_nothing():
    inside = np.ones(24, bool)
    inside[3] = False
    wild = WHOLE.returns.copy()
    wild[:, 3] *= 3.0
    one, two = (fit_factors(replace(WHOLE, returns=r, estimation=inside)) for r in (WHOLE.returns, wild))
    assert (one.factor_returns == two.factor_returns).all()
    assert two.model.specific[3] > 4 * one.model.specific[3]


@examples(4, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_missing_the_model_is_finite_or_refused(data: st.DataObject):
    names, days = data.draw(st.sampled_from([1, 2, 3, 9])), data.draw(st.sampled_from([66, 110, 150]))
    made = panel(data.draw(st.integers(0, 99)), days, names, data.draw(st.sampled_from([1, 2, names])))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    holes = rng.random((days, names)) < data.draw(st.sampled_from([0.0, 0.2, 0.9]))
    returns = np.where(holes, np.nan, made.returns * data.draw(st.sampled_from([1.0, 0.0])))
    caps = data.draw(
        st.sampled_from([None, made.caps, np.ones((days, names)), np.where(holes, np.nan, made.caps)])
    )
    flat = {"value": np.ones((days, names))}
    try:
        model = fit_factors(replace(made, returns=returns, caps=caps, scores=flat)).model
    except DataError:
        return
    assert np.linalg.eigvalsh(model.covariance.dense)[0] >= -1e-12
    assert np.isfinite(model.covariance.dense).all()
