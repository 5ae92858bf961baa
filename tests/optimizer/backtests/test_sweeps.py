"""Several strategies side by side: each window estimated once, resumed, elsewhere, at a cost that grows linearly."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from random_prices import SETTINGS, momentum, panel

from optimizer import (
    OptimizationBacktest,
    Policy,
    PolicyError,
    PolicyStrategy,
    Recipe,
    SharedWindows,
    Universe,
    sweep,
)
from optimizer.backtests import policy_strategy
from optimizer.backtests.walk_forward import decision_days


def test_an_interrupted_run_resumes_from_its_decisions():
    prices, decisions, seen = panel(), {}, []

    def dies(history, as_of):
        if len(decisions) == 4:
            raise KeyboardInterrupt
        return momentum(history, as_of)

    run = OptimizationBacktest(prices).backtest_strategy
    with pytest.raises(KeyboardInterrupt):
        run(dies, settings=SETTINGS, decisions=decisions)
    assert len(decisions) == 4

    def counted(history, as_of):
        seen.append(as_of)
        return momentum(history, as_of)

    told = []
    result = run(
        counted, settings=SETTINGS, decisions=decisions, progress=lambda done, of: told.append((done, of))
    )
    assert len(seen) == len(decisions) - 4
    assert told[-1] == (len(decisions), len(decisions))
    pd.testing.assert_series_equal(result.nav, run(momentum, settings=SETTINGS).nav)


def test_cost_grows_linearly_with_rebalances():
    calls = []

    def counted(history, as_of):
        calls.append(as_of)
        return momentum(history, as_of)

    asked = {}
    for days, often in ((130, "weekly"), (240, "weekly"), (240, "monthly")):
        prices = panel(days=days)
        calls.clear()
        OptimizationBacktest(prices).backtest_strategy(counted, often, settings=SETTINGS)
        asked[days, often] = len(calls)
        assert calls == [prices.index[day] for day in decision_days(prices.index, often, 19)[: len(calls)]]
        assert len(set(calls)) == len(calls)  # each decision is made once
    per_day = asked[130, "weekly"] / (130 - 20), asked[240, "weekly"] / (240 - 20)
    assert per_day[0] == pytest.approx(per_day[1], rel=0.06)
    assert asked[240, "monthly"] <= 240 / 21 + 1


def test_several_strategies_and_a_sweep_side_by_side():
    prices = panel()

    def tilted(power):
        return lambda history, as_of: dict(
            zip(history.columns, np.arange(1, 5.0) ** power / sum(np.arange(1, 5.0) ** power), strict=True)
        )

    methods = sweep(tilted, {"power": [0, 1, 2]})
    assert list(methods) == ["power=0", "power=1", "power=2"]
    found = OptimizationBacktest(prices).compare(methods, settings=SETTINGS, benchmark=prices["S0"])
    assert list(found) == [*methods, "equal_weight"]
    pd.testing.assert_series_equal(found["power=0"].nav, found["equal_weight"].nav, rtol=1e-9)
    assert {"beta", "up_capture", "alpha"} <= set(found["power=2"].metrics)
    assert found["power=2"].metrics["deflated_sharpe"] < found["power=2"].metrics["probabilistic_sharpe"]


def caps(**shared):
    """Strategies of three caps."""
    symbols = tuple(panel().columns)
    return sweep(
        lambda max_weight: PolicyStrategy(
            Policy("mean_variance", risk_free_rate=0.0, max_weight=max_weight), Universe(symbols),
            Recipe(lookback_days=60), "historical", **shared,
        ),
        {"max_weight": [0.3, 0.5, 0.9]},
    )  # fmt: skip


def test_a_sweep_estimates_each_window_once_and_decides_as_each_strategy_alone(monkeypatch):
    bench, calls = OptimizationBacktest(panel()), []
    options = {"settings": replace(SETTINGS, min_history=61, history_days=61)}
    alone = bench.compare(caps(), **options)
    real = policy_strategy.estimate_window

    def counted(values, dates, *rest, **named):
        calls.append(dates[-1])
        return real(values, dates, *rest, **named)

    monkeypatch.setattr(policy_strategy, "estimate_window", counted)
    together = bench.compare(caps(windows=SharedWindows()), **options)
    assert len(calls) == len(set(calls)) > 2
    for name, result in alone.items():
        pd.testing.assert_series_equal(together[name].nav, result.nav, check_exact=True)
    # Other prices at the same dates are estimated anew.
    windows, strategy = SharedWindows(), caps()["max_weight=0.3"]
    doubled = panel() * np.linspace(1, 2, len(panel()))[:, None]
    first, second = (replace(strategy, windows=windows)(it, it.index[-1], {}) for it in (panel(), doubled))
    assert second == caps()["max_weight=0.3"](doubled, doubled.index[-1], {}) != first


def test_an_executor_runs_strategies_elsewhere_with_the_same_answers():
    bench = OptimizationBacktest(panel())
    options = {"settings": replace(SETTINGS, min_history=61, history_days=61)}
    here = bench.compare(caps(windows=SharedWindows()), **options)
    with ThreadPoolExecutor(1) as executor:
        there = bench.compare(caps(windows=SharedWindows()), executor=executor, **options)
        with pytest.raises(PolicyError, match="an executor keeps no decisions"):
            bench.compare(caps(), executor=executor, progress=lambda done, of: None, **options)
    for name, result in here.items():
        pd.testing.assert_series_equal(there[name].nav, result.nav, check_exact=True)
    sent = pickle.loads(pickle.dumps(caps(windows=SharedWindows())))  # noqa: S301  our own, made here
    assert list(bench.compare(sent, **options)) == list(here)
