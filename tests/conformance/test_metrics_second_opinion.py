"""Figures of performance against a second computation by pandas and scipy, on 200 random and 50 degenerate series."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from optimizer import PackfolioError
from optimizer import performance as p
from optimizer.measures.attribution import brinson

PERIODS = 252


def second(r: pd.Series, b: pd.Series) -> dict[str, float]:
    """The same figures, computed by others' code or in another way."""
    value = pd.concat([pd.Series([1.0]), (1 + r).cumprod()], ignore_index=True)
    falls = value / value.cummax() - 1
    slope = stats.linregress(b, r)
    worst = r.nsmallest(max(round(0.05 * len(r)), 1))
    low = r[r < 0]
    return {
        "total": float(value.iloc[-1] - 1),
        "annual": float(np.exp(np.log1p(r).sum() * PERIODS / len(r)) - 1),
        "volatility": float(r.std() * PERIODS**0.5),
        "sharpe": float(r.mean() / r.std() * PERIODS**0.5),
        "skewness": float(stats.skew(r)),
        "kurtosis": float(stats.kurtosis(r, fisher=False)),
        "drawdown": float(falls.min()),
        "ulcer": float((falls.iloc[1:] ** 2).mean() ** 0.5),
        "var": float(-r.quantile(0.05, interpolation="linear")),
        "shortfall": float(-worst.mean()),
        "omega": float(r[r > 0].sum() / -low.sum()),
        "sortino": float(r.mean() / ((low**2).sum() / len(r)) ** 0.5 * PERIODS**0.5),
        "beta": float(slope.slope),
        "alpha": float(slope.intercept * PERIODS),
        "tracking": float((r - b).std() * PERIODS**0.5),
        "hits": float((r > 0).mean()),
    }


def ours(r: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {
        "total": p.total_return(r), "annual": p.annual_return(r), "volatility": p.volatility(r), "sharpe": p.sharpe(r),
        "skewness": p.skewness(r), "kurtosis": p.kurtosis(r), "drawdown": p.max_drawdown(r).depth,
        "ulcer": p.ulcer_index(r), "var": p.value_at_risk(r), "shortfall": p.expected_shortfall(r), "omega": p.omega(r),
        "sortino": p.sortino(r), "beta": p.beta(r, b), "alpha": p.alpha(r, b), "tracking": p.tracking_error(r, b),
        "hits": p.hit_rate(r),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(0, 200, 10))
def test_random_series_have_the_figures_of_a_second_computation(seed: int) -> None:
    for one in range(seed, seed + 10):
        rng = np.random.default_rng(one)
        days = int(rng.choice([20, 60, 100, 260, 1000]))  # 5% of each are whole days
        r = rng.standard_t(4, days) * rng.uniform(1e-4, 0.03) + rng.normal(0, 5e-4)
        r = np.maximum(r, -0.9)
        b = 0.6 * r + 0.005 * rng.standard_normal(days)
        assert ours(r, b) == pytest.approx(second(pd.Series(r), pd.Series(b)), rel=1e-9, abs=1e-12)


def degenerate() -> list[np.ndarray]:
    """Fifty series at the edges of what a figure can be of."""
    rng, found = np.random.default_rng(0), []
    for days in (1, 2, 3, 30, 252):
        r = 0.01 * rng.standard_normal(days)
        spoilt = [r.copy() for _ in range(4)]
        for values, bad in zip(spoilt, (-1.0, -1.2, np.nan, np.inf), strict=True):
            values[days // 2] = bad
        found += [
            np.zeros(days), np.full(days, 1e-4), np.abs(r), -np.abs(r), np.full(days, -1.0), np.full(days, 1e-17),
            *spoilt,
        ]  # fmt: skip
    return found


def test_degenerate_series_answer_say_nan_or_say_why() -> None:
    series = degenerate()
    assert len(series) == 50
    figures = (
        p.total_return, p.annual_return, p.volatility, p.sharpe, p.skewness, p.kurtosis, p.ulcer_index, p.value_at_risk,
        p.expected_shortfall, p.omega, p.sortino, p.calmar, p.hit_rate, p.normal_value_at_risk,
    )  # fmt: skip
    for r in series:
        for figure in figures:
            try:
                value = figure(r)
            except PackfolioError as error:
                assert str(error).startswith(figure.__name__)
                assert len(r) < 2 or not (np.isfinite(r) & (r >= -1)).all(), (figure, r)
                continue
            assert np.isfinite(r).all()
            assert not np.isnan(value) or "NaN" in (figure.__doc__ or ""), (figure, r)
            if not np.isnan(value):
                assert np.isfinite(value)


def test_a_lost_account_is_minus_one_and_flat_money_has_no_ratio() -> None:
    lost = np.array([0.01, -1.0, 0.05])
    assert p.total_return(lost) == p.annual_return(lost) == p.max_drawdown(lost).depth == -1.0
    assert p.longest_drawdown(lost).recovered is None
    cash = np.full(60, p.per_period(0.03))
    for ratio in (p.sharpe(cash, 0.03), p.sortino(cash, 0.03), p.beta(cash, cash), p.alpha(cash, cash, 0.03)):
        assert np.isnan(ratio)
    assert p.hit_rate(cash, cash) == 0.0


def test_brinson_fachler_by_hand() -> None:
    """Bacon 2008, table 5.1: UK, Japanese and US equities; effects in percent."""
    names = ["UK", "Japan", "US"]
    tables = [
        pd.DataFrame([row], columns=names)
        for row in ([0.4, 0.3, 0.3], [0.20, -0.05, 0.06], [0.4, 0.2, 0.4], [0.10, -0.04, 0.08])
    ]
    found = 100 * brinson(*tables)
    assert found["allocation"].tolist() == pytest.approx([0.0, -1.04, -0.16])
    assert found["selection"].tolist() == pytest.approx([4.0, -0.2, -0.8])
    assert found["interaction"].tolist() == pytest.approx([0.0, -0.1, 0.2])
    assert found.to_numpy().sum() == pytest.approx(8.3 - 6.4)


def test_the_deflated_ratio_of_the_papers_example() -> None:
    """Bailey & Lopez de Prado 2014: annual ratio 2.5 of 1250 days, skewness -3, kurtosis 10, 100 trials: 0.9004."""
    days, per_day = 1250, 2.5 / np.sqrt(250)
    shape = 1 + 3 * per_day + (10 - 1) / 4 * per_day**2
    error = np.sqrt(shape / (days - 1)) * np.sqrt(250)
    assert p.deflated_sharpe(2.5, error, 100, 0.5) == pytest.approx(0.9004, abs=5e-4)
    assert p.deflated_sharpe(2.5, error, 46, 0.5) == pytest.approx(0.9505, abs=5e-3)


def test_the_expected_fall_of_a_driftless_walk_is_that_of_magdon_ismail() -> None:
    """Magdon-Ismail et al. 2004: E[max drawdown] of a driftless Brownian motion is sqrt(pi / 2) s sqrt(T) = 1.2533."""
    rng, days, step = np.random.default_rng(4), 4000, 1e-5
    found = [-p.max_drawdown(step * rng.standard_normal(days)).depth for _ in range(400)]
    # a walk in steps misses a little of the path between them: 2 x 0.5826 steps (Siegmund 1979)
    expected = step * (np.sqrt(np.pi / 2) * np.sqrt(days) - 2 * 0.5826)
    assert np.mean(found) == pytest.approx(expected, rel=4 * np.std(found) / np.mean(found) / 20)
