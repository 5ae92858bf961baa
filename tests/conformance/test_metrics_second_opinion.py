"""Figures of performance against a second computation by pandas and scipy, on 200 random and 50 degenerate series."""

import inspect
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from optimizer import PackfolioError
from optimizer import performance as p
from optimizer.measures import rolling
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
        "downside": float(r.clip(upper=0).pow(2).mean() ** 0.5),
        "normal var": float(-stats.norm(r.mean(), r.std()).ppf(0.05)),
        "calmar": float((value.iloc[-1] ** (PERIODS / len(r)) - 1) / -falls.min()),
        "information": float((r - b).mean() / (r - b).std() * PERIODS**0.5),
        "up": float(r[b > 0].mean() / b[b > 0].mean()),
        "down": float(r[b < 0].mean() / b[b < 0].mean()),
        "lead": float((r > b).mean()),
        **second_test(r),
        **second_falls(falls),
    }


def second_test(r: pd.Series) -> dict[str, float]:
    """The Sharpe ratio's error by Mertens 2002, per period first; 7 trials as spread as the ratio itself."""
    one, n = float(r.mean() / r.std()), len(r)
    skew, excess = float(stats.skew(r)), float(stats.kurtosis(r))
    error = float(np.sqrt((1 - skew * one + (excess + 2) / 4 * one**2) / (n - 1)))
    best = (1 - np.euler_gamma) * stats.norm.ppf(1 - 1 / 7) + np.euler_gamma * stats.norm.ppf(
        1 - 1 / (7 * np.e)
    )
    low, high = stats.norm.interval(0.9, one, error)
    return {
        "low": float(low) * PERIODS**0.5,
        "high": float(high) * PERIODS**0.5,
        "probabilistic": float(stats.norm.cdf((one - 0.5 / PERIODS**0.5) / error)),
        "deflated": float(stats.norm.cdf((one - error * best) / error)),
    }


def second_falls(falls: pd.Series) -> dict[str, float]:
    """The stays below a peak, by grouping; the last one ends with the series."""
    below = falls < -1e-12
    stays = [stay for _, stay in falls[below].groupby((~below).cumsum()[below])]
    spans = [len(stay) + (stay.index[-1] < len(falls) - 1) for stay in stays]
    depths = sorted(float(stay.min()) for stay in stays)
    return {"longest": float(max(spans, default=0)), "third": depths[2] if len(depths) > 2 else 0.0}


def ours(r: np.ndarray, b: np.ndarray) -> dict[str, float]:
    return {
        "total": p.total_return(r), "annual": p.annual_return(r), "volatility": p.volatility(r), "sharpe": p.sharpe(r),
        "skewness": p.skewness(r), "kurtosis": p.kurtosis(r), "drawdown": p.max_drawdown(r).depth,
        "ulcer": p.ulcer_index(r), "var": p.value_at_risk(r), "shortfall": p.expected_shortfall(r), "omega": p.omega(r),
        "sortino": p.sortino(r), "beta": p.beta(r, b), "alpha": p.alpha(r, b), "tracking": p.tracking_error(r, b),
        "hits": p.hit_rate(r), "downside": p.downside_deviation(r), "normal var": p.normal_value_at_risk(r),
        "calmar": p.calmar(r), "information": p.information_ratio(r, b), "up": p.capture(r, b, up=True),
        "down": p.capture(r, b, up=False), "lead": p.hit_rate(r, b),
        "low": (test := p.sharpe_test(r, level=0.9, against=0.5, trials=7)).low, "high": test.high,
        "probabilistic": test.probabilistic, "deflated": test.deflated,
        "longest": float(p.longest_drawdown(r).duration),
        "third": falls[2].depth if len(falls := p.worst_drawdowns(r, 3)) > 2 else 0.0,
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


def missing(rate: float, paid: np.ndarray, left: np.ndarray, end: float) -> float:
    """What payments that grow so fast lack of the value at the end."""
    return float(paid @ (1 + rate) ** left - end)


@pytest.mark.parametrize("seed", range(0, 200, 50))
def test_rolling_figures_and_returns_on_flows_are_those_of_pandas_and_scipy(seed: int) -> None:
    for one in range(seed, seed + 50):
        rng = np.random.default_rng(one)
        r, b = pd.Series(0.01 * rng.standard_normal(90)), pd.Series(0.01 * rng.standard_normal(90))
        own, theirs = r.rolling(20), b.rolling(20)
        for found, wanted in (
            (rolling.rolling_volatility(r.to_numpy(), 20), own.std() * PERIODS**0.5),
            (rolling.rolling_sharpe(r.to_numpy(), 0.0, 20), own.mean() / own.std() * PERIODS**0.5),
            (rolling.rolling_beta(r.to_numpy(), b.to_numpy(), 20), own.cov(b) / theirs.var()),
        ):
            assert found == pytest.approx(wanted.to_numpy(), rel=1e-8, abs=1e-10, nan_ok=True)
        if one % 4:
            continue
        flows = np.append(0.0, rng.choice([0.0, 20.0, -10.0], 89))
        values = np.empty(90)
        values[0] = 1000.0
        for day in range(1, 90):
            values[day] = values[day - 1] * (1 + r[day]) + flows[day]
        assert p.time_weighted_return(values, flows) == pytest.approx(
            float((1 + r[1:]).prod() - 1), rel=1e-10
        )
        years = np.arange(90) / PERIODS
        left = years[-1] - years

        paid = np.append(values[0], flows[1:])
        rate = optimize.brentq(missing, -0.99, 50.0, (paid, left, values[-1]), xtol=1e-13)
        assert p.money_weighted_return(values, flows, years) == pytest.approx(rate, rel=1e-7, abs=1e-9)


# What others of them are made of.
PARTS = {"drawdowns", "checked", "excess_returns"}


def test_no_figure_is_left_out() -> None:
    """Every function of performance has a second computation, or is a part of one that has."""
    source = Path(__file__).read_text(encoding="utf-8")
    left = [
        name
        for name, function in vars(p).items()
        if inspect.isfunction(function)
        and function.__module__.startswith("optimizer.measures")
        and name[0] != "_"
        and name not in PARTS
        and f"p.{name}(" not in source
    ]
    assert left == []


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
    pairs = (
        p.beta, p.alpha, p.tracking_error, p.information_ratio, p.hit_rate,
        partial(p.capture, up=True), partial(p.capture, up=False),
    )  # fmt: skip
    for r in series:
        for pair in pairs:
            for benchmark in (0.01 * np.random.default_rng(1).standard_normal(len(r)), np.full(len(r), 1e-4)):
                try:
                    value = pair(r, benchmark)
                except PackfolioError:
                    continue
                function = pair.func if isinstance(pair, partial) else pair
                assert np.isfinite(value) or "NaN" in (function.__doc__ or ""), (pair, r)
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
